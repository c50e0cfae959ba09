//! The interface against its own document: schemathesis makes up requests that keep to it and requests that do not, and
//! looks whether the answers are those the document promises. It comes from `PyPI`, in exactly the versions listed beside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Caller, Master, MasterOptions, Program, from_pypi};

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
    let mut schemathesis =
        Command::new(from_pypi("schemathesis", &place().join("requirements.txt")).join("schemathesis"));
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
