//! The master says no: what is held stays and works, and a person is called. And what has ended comes back by itself
//! while the master allows it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use gatepass_contract::wire::path;

use crate::support::{
    Agent, Caller, Identity, Master, MasterOptions, Output, eventually, program, real_now, tool,
};

const HUMAN: i32 = 4;
const SOON: Duration = Duration::from_secs(30);

fn whole(agent: &Agent) -> Identity {
    let identity = agent.identity().expect("an identity");
    identity.assert_whole();
    identity
}

#[test]
fn a_revoked_agent_keeps_what_it_holds_and_calls_for_a_person() {
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    agent.run(&["download"]).expect(0);
    let held = whole(&agent);
    master.ctl(&["agent", "revoke", "test-host", "--yes"]).expect(0);
    let refused = agent.run(&["renew"]).expect(HUMAN);
    assert!(refused.stdout.contains("agent-revoked") && refused.stdout.contains("hint"), "{refused:?}");
    assert_eq!(whole(&agent), held);
    let status = agent.run(&["status", "--json"]).expect(HUMAN).json();
    assert_eq!(status["verdict"], "needs-human");
    assert!(
        status["trouble"]["message"].as_str().is_some_and(|said| said.contains("agent-revoked")),
        "{status}"
    );
    let known = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(known["items"].as_array().map(Vec::len), Some(1), "it does not enrol anew by itself");
}

#[test]
fn a_suspended_key_stops_who_enrols_and_nobody_else() {
    let master = Master::start();
    let key = master.api_key("hosts", &[]);
    let (held, late) = (Agent::new(&[master.url()], &key), Agent::new(&[master.url()], &key));
    held.run(&["download"]).expect(0);
    master.ctl(&["key", "suspend", "hosts"]).expect(0);
    held.run(&["renew"]).expect(0);
    let token = whole(&held).token;
    assert_eq!(Caller::of(&master).get(path::SELF, &token).status, 200, "what it holds works");
    let refused = late.run(&["download"]).expect(HUMAN);
    assert!(refused.stdout.contains("api-key-suspended") && refused.stdout.contains("resume"), "{refused:?}");
    assert_eq!(late.identity(), None);
    master.ctl(&["key", "resume", "hosts"]).expect(0);
    late.run(&["download"]).expect(0);
}

#[test]
fn a_master_with_another_ca_gets_nothing_and_what_is_held_stays() {
    let (ours, other) = (Master::start(), Master::start());
    let key = ours.api_key("hosts", &[]);
    let agent = Agent::new(&[ours.url()], &key);
    agent.run(&["download"]).expect(0);
    let held = whole(&agent);
    agent.configure(&[other.url()], &key, "");
    let refused = agent.run(&["renew"]).expect(HUMAN);
    assert!(refused.stdout.contains("signed by another CA than those that are trusted here"), "{refused:?}");
    assert_eq!(whole(&agent), held);
    let status = agent.run(&["status", "--json"]).expect(HUMAN).json();
    assert_eq!(status["verdict"], "needs-human");
    assert!(status["identity"].is_object(), "{status}");
    agent.configure(&[ours.url()], &key, "");
    agent.run(&["renew"]).expect(0);
}

const SHORT: MasterOptions = MasterOptions {
    lifetime: "10s",
    token_lifetime: "10s",
    env: Vec::new(),
    init: &[],
    config: "",
    database: None,
    listen: "127.0.0.1",
    within: None,
    address: None,
};

/// Waits until that long after the end of the certificate.
fn ended(agent: &Agent, since: Duration) {
    let until = whole(agent).chain().validity().until();
    eventually("it has ended", SOON, || real_now() > until + since);
}

/// Every record of the audit with that text in it.
fn audited(master: &Master, text: &str) -> Vec<String> {
    let mut export = Command::new(program("gatepass-master"));
    let export = Output::of(export.args(["audit", "export", "--dir"]).arg(master.dir())).expect(0);
    export.stdout.lines().filter(|record| record.contains(text)).map(str::to_owned).collect()
}

#[test]
fn what_has_ended_comes_back_without_any_secret() {
    let master = Master::with(SHORT);
    let key = master.api_key("hosts", &["--uses", "1"]);
    let agent = Agent::new(&[master.url()], &key);
    agent.run(&["download"]).expect(0);
    fs::remove_file(key).expect("it is not needed any more");
    let before = whole(&agent);
    ended(&agent, Duration::ZERO);
    assert_eq!(agent.status()["verdict"], "no-identity");
    agent.run(&["download"]).expect(0);
    let after = whole(&agent);
    assert_ne!(after.key, before.key, "a new key");
    assert_eq!(after.chain().agent(), before.chain().agent(), "the same agent");
    assert_eq!(agent.status()["verdict"], "good");
    assert!(audited(&master, "agent.renew").iter().any(|record| !record.contains("\"expiredSince\":null")));
}

#[test]
fn what_ended_too_long_ago_needs_the_key_again() {
    let master = Master::with(MasterOptions { config: "grace = \"1s\"\n", ..SHORT });
    let key = master.api_key("hosts", &[]);
    let agent = Agent::new(&[master.url()], &key);
    agent.run(&["download"]).expect(0);
    let away = key.with_extension("away");
    agent.configure(&[master.url()], &away, "");
    let before = whole(&agent);
    ended(&agent, Duration::from_secs(2));
    let refused = agent.run(&["download"]).expect(HUMAN);
    assert!(refused.stdout.contains("grace-over"), "the reason, not the missing key: {refused:?}");
    assert_eq!(whole(&agent), before, "nothing was thrown away");
    assert!(!audited(&master, "grace-over").is_empty());
    fs::rename(key, away).expect("an administrator brings it back");
    agent.run(&["download"]).expect(0);
    assert_ne!(whole(&agent).chain().agent(), before.chain().agent(), "a new agent");
}

/// In a mount namespace of its own the host looks like another one.
#[test]
fn what_has_ended_does_not_come_back_on_another_host() {
    let master = Master::with(SHORT);
    let key = master.api_key("hosts", &["--uses", "1"]);
    let agent = Agent::new(&[master.url()], &key);
    agent.run(&["download"]).expect(0);
    let other = agent.path().join("machine-id");
    std::io::Write::write_all(
        &mut fs::File::create(&other).expect("a file"),
        b"0123456789abcdef0123456789abcdef\n",
    )
    .expect("written");
    let script = "mount --bind \"$1\" /etc/machine-id && shift && exec \"$@\"";
    let mut elsewhere = tool("unshare");
    elsewhere.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(other);
    let command = agent.command(&["download"]);
    elsewhere.arg(command.get_program()).args(command.get_args());
    if Output::of(tool("unshare").args(["--mount", "true"])).code != Some(0) {
        println!("SKIPPED: no mount namespace can be made here");
        return;
    }
    fs::remove_file(key).expect("it is not needed any more");
    ended(&agent, Duration::ZERO);
    let refused = Output::of(&mut elsewhere).expect(HUMAN);
    assert!(refused.stdout.contains("host-changed"), "{refused:?}");
    agent.run(&["download"]).expect(0);
    whole(&agent);
}
