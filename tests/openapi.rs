//! The interface against its own document: schemathesis makes up requests that keep to it and requests that do not, and
//! looks whether the answers are those the document promises. It comes from `PyPI`, in exactly the versions listed beside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Caller, Master, MasterOptions, Program, program};

/// Requests for each call and each way of making them up.
const EXAMPLES: &str = "6";
/// Its own time limit is shorter.
const PATIENCE: Duration = Duration::from_secs(400);

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")
}

/// Runs a program to its end; what it says goes to a file beside the master.
#[track_caller]
fn run(command: &mut Command, log: &Path) -> Option<i32> {
    let file = File::options().create(true).append(true).open(log).expect("a file");
    command.stdout(file.try_clone().expect("the same file")).stderr(file);
    Program(command.spawn().expect("it can be started")).ended(PATIENCE)
}

/// Installed once beside the other results of the build, under the name of what is wanted.
fn schemathesis(log: &Path) -> PathBuf {
    let requirements = place().join("requirements.txt");
    let wanted = std::fs::read(&requirements).expect("they are committed");
    let name = format!("schemathesis-{}", &gatepass_contract::digest::Sha256::of(&wanted).to_string()[..12]);
    let built = program("gatepass-master");
    let target = built.ancestors().nth(2).expect("it lies in the target directory");
    let (home, tool) =
        (target.join("tools").join(&name), target.join("tools").join(&name).join("bin/schemathesis"));
    if !home.join("complete").exists() {
        let home = home.to_str().expect("a path of ours");
        let made = run(Command::new("python3").args(["-m", "venv", "--clear", home]), log);
        assert_eq!(made, Some(0), "is the package `python3-venv` there? {}", read(log));
        let mut pip = Command::new(format!("{home}/bin/pip"));
        let installed =
            run(pip.args(["install", "--quiet", "--no-deps", "--requirement"]).arg(&requirements), log);
        assert_eq!(installed, Some(0), "{}", read(log));
        File::create(format!("{home}/complete")).expect("a mark");
    }
    tool
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn no_request_finds_the_document_wrong() {
    // Requests without a credential are part of it, more than anybody may send who is not a test.
    let config = "\n[limits]\nfailed_attempts = 1000000\n";
    let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
    let key = std::fs::read_to_string(master.dir().join("admin.key")).expect("a key");
    let own: Value = Caller::of(&master).get("/api/v1/self", key.trim()).read();
    let log = master.path("schemathesis.log");
    let tool = schemathesis(&log);
    let mut schemathesis = Command::new(tool);
    schemathesis
        .current_dir(master.path("."))
        .env("PYTHONPATH", place())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "GATEPASS_OWN",
            format!("{},{}", own["id"].as_str().expect("an id"), own["user"].as_str().expect("a name")),
        )
        .arg("--config-file")
        .arg(place().join("schemathesis.toml"))
        .arg("run")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/master/openapi.json"))
        .args([
            "--url",
            master.url(),
            "--header",
            &format!("Authorization: Bearer {}", key.trim()),
            "--tls-verify",
        ])
        .arg(master.dir().join("root-ca.crt"))
        .args(["--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "2"])
        // How many the hooks leave out, and how slow a busy machine is, says nothing about the master.
        .args(["--suppress-health-check", "all"]);
    let code = run(&mut schemathesis, &log);
    assert_eq!(code, Some(0), "{}", read(&log));
    for broken in ["code=internal", "code=unavailable", "panicked"] {
        assert!(!master.log().contains(broken), "{broken} is in the master's log");
    }
}
