//! The command lines as people meet them: transcripts in `tests/cli`, completions, exit codes.
//!
//! A transcript is a list of commands as somebody types them, each with its standard output (`> `), its standard error
//! (`! `) and its exit code. One shell directory per file; `UPDATE=1` writes the answers anew.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use gatepass_contract::wire::path;

use crate::support::{Output, program, tool};

#[test]
fn the_agents_transcript_is_as_committed() {
    replay("gatepass");
}

#[test]
fn the_masters_transcript_is_as_committed() {
    replay("gatepass-master");
}

#[test]
fn the_administrators_transcript_is_as_committed() {
    replay("gatepassctl");
}

#[test]
fn the_dialects_transcript_is_as_committed() {
    replay("twsinst");
}

fn replay(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/{name}.txt"));
    let committed = fs::read_to_string(&file).expect("a transcript");
    let dir = tempfile::tempdir().expect("a directory");
    let blocks: Vec<_> = committed.lines().filter_map(|line| block(line, dir.path())).collect();
    let now = blocks.join("\n");
    if std::env::var_os("UPDATE").is_some() {
        File::create(&file).and_then(|mut file| file.write_all(now.as_bytes())).expect("written");
    } else {
        assert!(now == committed, "UPDATE=1 writes {name}.txt anew; it is now:\n{now}");
    }
}

/// What one line of a transcript comes to; `None` for lines that are answers.
fn block(line: &str, dir: &Path) -> Option<String> {
    if line.starts_with('#') {
        return Some(format!("{line}\n"));
    }
    let Output { code, stdout, stderr } = Output::of(&mut shell(line.strip_prefix("$ ")?, dir));
    let code = code.expect("no signal ends it");
    let answer = |mark: char, text: &str| {
        text.lines().map(|line| format!("{mark} {line}").trim_end().to_owned() + "\n").collect::<String>()
    };
    Some(format!("{line}\n{}{}= {code}\n", answer('>', &stdout), answer('!', &stderr)))
}

/// With our programs first on the path, and nothing from outside that they would listen to.
fn shell(line: &str, dir: &Path) -> Command {
    let ours = program("gatepass").parent().expect("a directory").display().to_string();
    let mut shell = tool("/bin/sh");
    shell.args(["-c", line]).current_dir(dir).env_clear().env("PATH", format!("{ours}:/usr/bin:/bin"));
    shell
}

#[test]
fn each_program_prints_completions_that_know_its_commands() {
    for (name, commands) in [
        ("gatepass", ["download", "--apikey-file"]),
        ("gatepass-master", ["serve", "--token-lifetime"]),
        ("gatepassctl", ["key", "--capability"]),
    ] {
        for shell in ["bash", "zsh", "fish"] {
            let script = Output::of(Command::new(program(name)).args(["completions", shell])).expect(0);
            assert!(script.stderr.is_empty(), "{}", script.stderr);
            for command in commands {
                // fish names options without their dashes.
                assert!(script.stdout.contains(command.trim_start_matches('-')), "{name} {shell} {command}");
            }
        }
        let dir = tempfile::tempdir().expect("a directory");
        let load = format!("{name} completions bash > script && bash -c '. ./script && complete -p {name}'");
        Output::of(&mut shell(&load, dir.path())).expect(0);
    }
}

#[test]
fn nobody_who_reads_the_answer_is_an_error_not_a_panic() {
    let dir = tempfile::tempdir().expect("a directory");
    for line in [
        "gatepass config show >/dev/full",
        "gatepassctl completions bash >/dev/full",
        "gatepass-master openapi >/dev/full",
    ] {
        let ended = Output::of(&mut shell(line, dir.path())).expect(1);
        assert!(
            ended.stderr.contains(": error: ") && !ended.stderr.contains("panicked"),
            "{line}: {}",
            ended.stderr
        );
    }
}

#[test]
fn the_interface_that_is_served_is_the_one_committed() {
    let served = Output::of(Command::new(program("gatepass-master")).arg("openapi")).expect(0).stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/master/openapi.json");
    let committed = fs::read_to_string(file).expect("the document");
    assert_eq!(served.trim_end(), committed.trim_end());
    let document: serde_json::Value = serde_json::from_str(&served).expect("JSON");
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().collect();
    for path in [
        path::TIME,
        path::TRUST,
        path::JWKS,
        path::AGENTS,
        path::CREDENTIALS,
        path::REPORTS,
        path::SELF,
        path::API_KEYS,
    ] {
        assert!(paths.iter().any(|known| *known == path), "{path}");
    }
}
