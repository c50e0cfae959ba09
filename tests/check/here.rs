//! What can be wrong on the host itself.

use gatepass::check::{Id, Severity};
use serde_json::{Value, json};

use super::{Found, SOON, Story};
use crate::support::{Agent, Disk, Output, ReadOnly, eventually, key_pair, tool, write};

fn run(command: &str, agent: &Agent) {
    Output::of(tool("sh").args(["-c", command]).current_dir(agent.path())).expect(0);
}

/// Rewrites a JSON file of the state.
fn edit(agent: &Agent, file: &str, change: impl FnOnce(&mut Value)) {
    let path = agent.state().join(file);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    write(&path, value.to_string());
}

#[test]
fn files_that_are_open_to_others_or_belong_to_them() {
    let story = Story::new();
    let table: [(&str, Id, Severity); 5] = [
        ("chmod go+w config.toml", Id::ConfigExposed, Severity::Warning),
        (
            "cp -a KEY own.key; chmod go+r own.key; sed -i s,KEY,$PWD/own.key, config.toml",
            Id::SecretExposed,
            Severity::Warning,
        ),
        ("chmod go+rx state", Id::StateExposed, Severity::Broken),
        ("chmod go+r state/current/tls.key", Id::StateExposed, Severity::Broken),
        ("chown 12345 state/current/tls.crt", Id::StateOwner, Severity::Broken),
    ];
    for (command, id, severity) in table {
        let agent = story.copy("");
        let key = story.master.path("hosts.key");
        run(&command.replace("KEY", key.to_str().expect("a path of ours")), &agent);
        Found::of(&agent).expect(id, severity);
    }
}

#[test]
fn a_configuration_that_is_not_accepted_is_a_finding_too() {
    let story = Story::new();
    for (command, id) in
        [("echo mastres=[] >> config.toml", Id::ConfigWrong), ("rm config.toml", Id::ConfigUnreadable)]
    {
        let agent = story.copy("");
        run(command, &agent);
        let found = Found::of(&agent);
        found.expect(id, Severity::Broken);
        assert_eq!(found.ids().len(), 1, "nothing is guessed");
    }
    let found = Found::of(&story.copy("[clock]\nwran = '5s'"));
    assert!(found.message(Id::ConfigWrong).contains("did you mean `warn`?"), "{found}");
}

type Spoil = fn(&Agent);

#[test]
fn what_is_stored_is_spoilt_old_or_another_machines() {
    let story = Story::new();
    let machine = std::fs::read_to_string("/etc/machine-id").is_ok_and(|id| id.trim().len() == 32);
    let table: [(Spoil, Id, Severity); 7] = [
        (
            |agent| write(agent.state().join("current/tls.key"), key_pair().to_pem()),
            Id::IdentityUnfit,
            Severity::Broken,
        ),
        (
            |agent| run("rm -r state; touch state; chmod 600 state", agent),
            Id::StoreUnreadable,
            Severity::Broken,
        ),
        (
            |agent| edit(agent, "state.json", |state| state["machine"] = json!("0".repeat(64))),
            Id::MachineChanged,
            Severity::Warning,
        ),
        (
            |agent| {
                edit(agent, "current/meta.json", |meta| meta["renewAt"] = json!("2026-01-01T00:00:00.000Z"));
            },
            Id::RenewalOverdue,
            Severity::Warning,
        ),
        (
            |agent| {
                edit(agent, "state.json", |state| {
                    let trouble = json!({ "at": "2026-01-01T00:00:00.000Z", "message": "it went wrong",
                        "hint": "mend it", "needsHuman": true });
                    state["trouble"] = trouble;
                });
            },
            Id::DaemonTrouble,
            Severity::Broken,
        ),
        (
            |agent| {
                edit(agent, "state.json", |state| {
                    state["hooks"] = json!([{ "name": "reload", "ok": false, "detail": "exit code 1" }]);
                });
            },
            Id::HookFailed,
            Severity::Warning,
        ),
        (|agent| write(agent.config(), ""), Id::MasterNone, Severity::Broken),
    ];
    for (spoil, id, severity) in table {
        if id == Id::MachineChanged && !machine {
            continue;
        }
        let agent = story.copy("");
        spoil(&agent);
        Found::of(&agent).expect(id, severity);
    }
    if machine {
        Found::of(&story.agent).expect(Id::MachineSame, Severity::Fine);
    }
}

#[test]
fn certificates_of_somebody_else_are_watched() {
    let story = Story::new();
    let adopted = |dir: &str| story.copy(&format!("[adopted]\ndir = '{dir}'"));
    let current = story.agent.state().join("current");
    let soon = Found::of(&adopted(current.to_str().expect("a path of ours")));
    soon.expect(Id::AdoptedWatched, Severity::Warning);
    Found::of(&adopted("/nowhere")).expect(Id::AdoptedUnreadable, Severity::Broken);
}

#[test]
fn keys_that_are_missing_or_none() {
    let story = Story::new();
    let fresh = |key: &str| {
        let agent = Agent::new(&[story.master.url()], &story.master.path("own.key"));
        write(story.master.path("own.key"), key);
        run("rm -f nothing", &agent);
        agent
    };
    Found::of(&fresh("hunter2")).expect(Id::ApikeyUnreadable, Severity::Broken);
    let none = fresh("");
    run("sed -i /apikey_file/d config.toml", &none);
    let found = Found::of(&none);
    found.expect(Id::ApikeyNone, Severity::Broken);
    found.expect(Id::MasterClient, Severity::Broken);
    let wrong = story.copy("");
    run("sed -i 's,apikey_file = .*,apikey_file = \"/nowhere/key\",' config.toml", &wrong);
    Found::of(&wrong).expect(Id::ApikeyUnreadable, Severity::Warning);
}

#[test]
fn consumers_that_have_not_got_it() {
    let story = Story::new();
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("out");
    let output = format!("[[output]]\ndir = '{}'\n", dir.display());
    let stale = story.copy(&output);
    Found::of(&stale).expect(Id::OutputStale, Severity::Warning);
    stale.run(&["download"]).expect(0);
    Found::of(&stale).expect(Id::OutputCurrent, Severity::Fine);
    run(&format!("chmod go+r {}/tls.key", dir.display()), &stale);
    Found::of(&stale).expect(Id::OutputStale, Severity::Warning);
    let foreign = story.copy(&output.replace("/out'", "/foreign'"));
    std::fs::create_dir(place.path().join("foreign")).expect("made");
    Found::of(&foreign).expect(Id::OutputImpossible, Severity::Broken);
    let hook =
        |program: &str| story.copy(&format!("[[hook]]\nname = 'reload'\nrun = ['{program}', '--now']\n"));
    Found::of(&hook("/bin/true")).expect(Id::HookReady, Severity::Fine);
    Found::of(&hook("/nowhere/reload")).expect(Id::HookMissing, Severity::Warning);
    Found::of(&hook("/etc/passwd")).expect(Id::HookMissing, Severity::Warning);
}

#[test]
fn a_disk_without_room_or_read_only() {
    let story = Story::new();
    let Some(disk) = Disk::new(512) else { return };
    let agent = story.copy("");
    run(
        &format!(
            "cp -a state {0}/; sed -i \"s,state_dir = .*,state_dir = '{0}/state',\" config.toml",
            disk.path().display()
        ),
        &agent,
    );
    Found::of(&agent).expect(Id::DiskRoom, Severity::Warning);
    disk.leave(100);
    Found::of(&agent).expect(Id::DiskRoom, Severity::Broken);
    let Some(_lock) = ReadOnly::make(disk.path()) else { return };
    Found::of(&agent).expect(Id::DiskReadonly, Severity::Broken);
}

#[test]
fn a_daemon_that_runs_is_silent_or_is_two() {
    let story = Story::new();
    let (one, other) = (story.copy(""), story.copy(""));
    Found::of(&one).expect(Id::DaemonAbsent, Severity::Fine);
    let daemon = one.daemon();
    let state = one.state().join("state.json");
    let said = || std::fs::metadata(&state).and_then(|meta| meta.modified()).expect("it is there");
    let before = said();
    eventually("the daemon has said how things are", SOON, || said() > before);
    Found::of(&one).expect(Id::DaemonRunning, Severity::Fine);
    Found::of(&one).expect(Id::InstanceSingle, Severity::Fine);
    let twice = Found::of(&other);
    twice.expect(Id::InstanceDuplicate, Severity::Broken);
    assert!(twice.message(Id::InstanceDuplicate).contains(&daemon.0.id().to_string()), "{twice}");
    run("touch -d '2 hours ago' state/state.json", &one);
    Found::of(&one).expect(Id::DaemonStale, Severity::Warning);
}
