//! Secrets going in: where an API key may come from, and what is said when it is none.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use gatepass_contract::secret::ApiKey;

use crate::support::{Agent, Master, Output, program, write};

/// `gatepass download` on a host without a configuration, into `dir`.
fn download(master: &Master, dir: &Path) -> Command {
    let mut command = Command::new(program("gatepass"));
    command.args(["download", "--name", "bare", "--master", master.url(), "--dir"]).arg(dir);
    command
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a key").trim().to_owned()
}

#[test]
fn an_api_key_comes_from_a_credential_a_file_standard_input_or_the_environment() {
    let master = Master::start();
    let (file, dir) = (master.api_key("hosts", &[]), tempfile::tempdir().expect("a directory"));
    let place = |name: &str| dir.path().join(name);
    std::fs::create_dir(place("credentials")).expect("a directory");
    write(place("credentials/apikey"), text(&file));
    Output::of(download(&master, &place("a")).env("CREDENTIALS_DIRECTORY", place("credentials"))).expect(0);
    Output::of(download(&master, &place("b")).arg("--apikey-file").arg(&file)).expect(0);
    Output::of(download(&master, &place("c")).env("GATEPASS_APIKEY", text(&file))).expect(0);
    piped(download(&master, &place("d")).args(["--apikey-file", "-"]), &text(&file)).expect(0);
    for name in ["a", "b", "c", "d"] {
        assert!(place(name).join("current/tls.crt").exists(), "{name}");
    }
    let key = master.ctl(&["key", "show", "hosts", "--json"]).expect(0).json();
    assert_eq!(key["used"], 4);
}

/// Runs it with that on standard input.
fn piped(command: &mut Command, text: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it is read");
    let output = child.wait_with_output().expect("its output");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn what_is_no_key_is_refused_before_any_call_and_never_shown() {
    let master = Master::start();
    let (file, dir) = (master.api_key("hosts", &[]), tempfile::tempdir().expect("a directory"));
    let good = text(&file);
    let swapped = if good.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{swapped}", &good[..good.len() - 1]);
    for (what, said) in
        [(mistyped.as_str(), "checksum"), ("hunter2", "does not begin with"), (&good[..40], "characters")]
    {
        assert!(ApiKey::parse(what).is_err());
        let refused = piped(download(&master, &dir.path().join("x")).args(["--apikey-file", "-"]), what);
        let refused = refused.expect(4);
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
        assert!(!refused.stderr.contains(what) && !refused.stdout.contains(what), "{refused:?}");
    }
    let log = master.log();
    assert!(!log.contains("refused"), "the master was never asked: {log}");
}

#[test]
fn without_a_key_the_hint_says_where_to_put_one() {
    let master = Master::start();
    let dir = tempfile::tempdir().expect("a directory");
    let refused = Output::of(&mut download(&master, &dir.path().join("x"))).expect(4);
    assert!(refused.stderr.contains("no API key was given"), "{}", refused.stderr);
    assert!(refused.stderr.contains("gatepass: hint: "), "{}", refused.stderr);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused_with_the_nearest_one() {
    let master = Master::start();
    let agent = Agent::with(&[master.url()], &master.api_key("hosts", &[]), "[clock]\nwran = '5s'");
    for command in [["download", "--json"].as_slice(), &["run"], &["status"], &["config", "validate"]] {
        let refused = agent.run(command).expect(2);
        assert!(refused.stderr.contains("unknown field `wran`"), "{}", refused.stderr);
        assert!(refused.stderr.contains("did you mean `warn`?"), "{}", refused.stderr);
    }
    assert!(!agent.state().exists(), "nothing was begun");
    write(master.path("master.toml"), "[profile]\nlifetme = '7d'\n");
    let file = master.path("master.toml");
    let refused =
        Output::of(Command::new(program("gatepass-master")).args(["config", "validate"]).arg(file)).expect(4);
    assert!(refused.stderr.contains("did you mean `lifetime`?"), "{}", refused.stderr);
}
