//! Full disks, read-only ones, two processes in one directory, doors left open: what is held stays, the reason is named,
//! and when it is over the programs go on by themselves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{
    Agent, Caller, Disk, Identity, Master, MasterOptions, Output, Program, ReadOnly, eventually, key_pair,
    program, tool,
};

const SOON: Duration = Duration::from_secs(30);
const NO_SPACE: &str = "No space left on device";
const READ_ONLY: &str = "Read-only file system";

/// A host whose state directory is on that disk.
fn host_on(disk: &Disk, master: &Master, key: &Path) -> Agent {
    let agent = Agent::new(&[master.url()], key);
    let state = disk.path().join("state");
    fs::create_dir(&state).expect("made");
    open_to(&state, 0o700);
    symlink(&state, agent.state()).expect("linked");
    agent
}

fn open_to(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

fn whole(agent: &Agent) -> Identity {
    let identity = agent.identity().expect("an identity");
    identity.assert_whole();
    identity
}

fn uses(master: &Master, key: &str) -> serde_json::Value {
    master.ctl(&["key", "show", key, "--json"]).expect(0).json()["used"].clone()
}

#[test]
fn a_full_disk_uses_no_key_up_costs_no_identity_and_passes() {
    let Some(disk) = Disk::new(512) else { return };
    let master = Master::start();
    let agent = host_on(&disk, &master, &master.api_key("once", &["--uses", "1"]));
    disk.fill();
    let full = agent.run(&["download"]).expect(3);
    assert!(full.stdout.contains(NO_SPACE) && full.stdout.contains("/state/"), "path and reason: {full:?}");
    assert_eq!((agent.identity(), uses(&master, "once")), (None, 0.into()));
    disk.empty();
    agent.run(&["download"]).expect(0);
    let held = whole(&agent);
    disk.fill();
    let full = agent.run(&["renew"]).expect(3);
    assert!(full.stdout.contains(NO_SPACE) && full.stdout.contains("/state/"), "path and reason: {full:?}");
    assert_eq!(whole(&agent), held);
    disk.empty();
    agent.run(&["renew"]).expect(0);
    assert_ne!(whole(&agent).key, held.key);
}

/// With room for one file more each time, so that every write there is fails once.
#[test]
fn a_disk_that_is_full_after_any_file_leaves_a_whole_generation() {
    let Some(disk) = Disk::new(512) else { return };
    let master = Master::start();
    let agent = host_on(&disk, &master, &master.api_key("once", &["--uses", "1"]));
    agent.run(&["download"]).expect(0);
    let (mut failed, mut succeeded) = (0, 0);
    for pages in 0..12 {
        let held = whole(&agent);
        disk.leave(4 * pages);
        let ended = agent.run(&["renew"]);
        match ended.code {
            Some(0) => succeeded += 1,
            Some(3) => {
                failed += 1;
                assert!(ended.stdout.contains(NO_SPACE), "{ended:?}");
                assert_eq!(whole(&agent), held, "with {pages} pages");
            }
            _ => panic!("with {pages} pages: {ended:?}"),
        }
        whole(&agent);
        disk.empty();
        agent.run(&["renew"]).expect(0);
    }
    assert!(failed >= 5 && succeeded >= 1, "{failed} failed, {succeeded} succeeded");
}

#[test]
fn a_daemon_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new(512) else { return };
    let master =
        Master::with(MasterOptions { lifetime: "15s", token_lifetime: "15s", ..MasterOptions::default() });
    let agent = host_on(&disk, &master, &master.api_key("once", &["--uses", "1"]));
    let mut daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    let held = whole(&agent);
    disk.fill();
    eventually("it says so", SOON, || agent.log().contains(NO_SPACE));
    assert_eq!(whole(&agent), held);
    disk.empty();
    eventually("it renews", SOON, || whole(&agent).key != held.key);
    eventually("all is well", SOON, || agent.status()["verdict"] == "good");
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
}

#[test]
fn a_read_only_state_directory_is_named_and_what_is_held_stays() {
    let master =
        Master::with(MasterOptions { lifetime: "15s", token_lifetime: "15s", ..MasterOptions::default() });
    let agent = Agent::new(&[master.url()], &master.api_key("once", &["--uses", "1"]));
    let daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    let held = whole(&agent);
    let Some(read_only) = ReadOnly::make(&agent.state()) else { return };
    eventually("the daemon says so", SOON, || {
        let log = agent.log();
        log.contains(READ_ONLY) && log.contains(agent.state().to_str().expect("a path of ours"))
    });
    assert_eq!(whole(&agent), held);
    drop(read_only);
    eventually("it renews", SOON, || whole(&agent).key != held.key);
    drop(daemon);
    let held = whole(&agent);
    let _read_only = ReadOnly::make(&agent.state()).expect("it worked before");
    let refused = agent.run(&["renew"]).expect(1);
    assert!(refused.stderr.contains(READ_ONLY) && refused.stderr.contains("/state/lock"), "{refused:?}");
    assert_eq!(whole(&agent), held);
    assert!(agent.status()["identity"].is_object(), "looking needs no writing");
}

/// Logs go somewhere too: a daemon must not die of being unable to complain.
#[test]
fn a_log_that_cannot_be_written_ends_nobody() {
    let mut master =
        Master::with(MasterOptions { lifetime: "10s", token_lifetime: "10s", ..MasterOptions::default() });
    let agent = Agent::new(&[master.url()], &master.api_key("once", &["--uses", "1"]));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a disk that is always full");
    let mut run = agent.command(&["run"]);
    run.stdin(Stdio::null()).stderr(full);
    let mut daemon = Program(run.spawn().expect("it starts"));
    eventually("the first identity", SOON, || agent.identity().is_some());
    let held = whole(&agent);
    master.kill();
    eventually("it has failed once", SOON, || agent.status()["failures"].as_u64() > Some(0));
    master.restart(Vec::new());
    eventually("it renews", SOON, || whole(&agent).key != held.key);
    assert_eq!(daemon.0.try_wait().expect("ours"), None, "it lives");
}

#[test]
fn a_master_on_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new(4 * 1024) else { return };
    let options = MasterOptions { within: Some(disk.path().to_owned()), ..MasterOptions::default() };
    let mut master = Master::with(options);
    let key_file = master.api_key("many", &[]);
    let key = fs::read_to_string(&key_file).expect("a key");
    let key = key.trim();
    let agent = Agent::new(&[master.url()], &key_file);
    agent.run(&["download"]).expect(0);
    let held = whole(&agent);
    disk.fill();
    let caller = Caller::of(&master);
    // The log of the database may have some room left inside: what is acknowledged until then has to last.
    let mut acknowledged = Vec::new();
    let refused = loop {
        let csr = key_pair().csr();
        let answer = caller.enrol(key, &csr);
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push((csr, answer.issued()));
    };
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(refused.headers.iter().any(|(name, _)| name == "retry-after"), "{refused:?}");
    agent.run(&["renew"]).expect(3);
    assert_eq!(whole(&agent), held);
    assert_eq!(caller.get("/readyz", "").status, 503, "it says that it is not ready");
    assert_eq!(caller.get("/livez", "").status, 200, "and that it lives");
    assert_eq!(master.ctl(&["key", "revoke", "many", "--yes"]).code, Some(3));
    disk.empty();
    eventually("it is ready again", SOON, || caller.get("/readyz", "").status == 200);
    agent.run(&["renew"]).expect(0);
    for restarted in [false, true] {
        for (csr, first) in &acknowledged {
            let again = caller.enrol(key, csr).issued();
            assert_eq!((again.agent, &again.chain), (first.agent, &first.chain), "restarted: {restarted}");
        }
        master.kill();
        master.restart(Vec::new());
    }
    let known = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(known["items"].as_array().map(Vec::len), Some(acknowledged.len() + 1), "nothing half done");
    let mut verify = std::process::Command::new(program("gatepass-master"));
    Output::of(verify.args(["audit", "verify", "--dir"]).arg(master.dir())).expect(0);
}

#[test]
fn a_master_in_a_read_only_directory_does_not_start_and_says_why() {
    let mut master = Master::start();
    master.kill();
    let Some(read_only) = ReadOnly::make(&master.dir()) else { return };
    let mut serve = std::process::Command::new(program("gatepass-master"));
    let refused = Output::of(serve.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(master.dir()));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(READ_ONLY) && refused.stderr.contains("gatepass.db"), "{refused:?}");
    drop(read_only);
    master.restart(Vec::new());
    master.ctl(&["key", "list"]).expect(0);
}

#[test]
fn of_two_daemons_the_second_names_the_first_and_ends() {
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("once", &["--uses", "1"]));
    let first = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    for command in ["run", "download"] {
        let second = agent.run(&[command]).expect(1);
        let said =
            format!("another gatepass works in {} (process {})", agent.state().display(), first.0.id());
        assert!(second.stderr.contains(&said), "{second:?}");
    }
    drop(first);
    agent.run(&["download"]).expect(0);
}

#[test]
fn two_downloads_at_once_make_one_identity_and_one_agent() {
    let master = Master::start();
    for round in 0..5 {
        let name = format!("round {round}");
        let agent = Agent::new(&[master.url()], &master.api_key(&name, &["--uses", "1"]));
        let codes: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| agent.run(&["download"]))).collect();
            runs.into_iter().map(|run| run.join().expect("no panic")).collect()
        });
        assert!(codes.iter().any(|run| run.code == Some(0)), "{codes:?}");
        for run in codes.iter().filter(|run| run.code != Some(0)) {
            assert!(run.code == Some(1) && run.stderr.contains("another gatepass works"), "{run:?}");
        }
        whole(&agent);
        assert_eq!(uses(&master, &name), 1);
    }
    let known = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(known["items"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_state_directory_or_a_key_that_others_may_read_is_refused_and_left_as_it_is() {
    let master = Master::start();
    let key = master.api_key("many", &[]);
    let by_root = format!("ca_file = {:?}", master.dir().join("root-ca.crt"));
    for trust in ["", &by_root] {
        let agent = Agent::with(&[master.url()], &key, trust);
        agent.run(&["download"]).expect(0);
        let held = whole(&agent);
        let agents =
            || master.ctl(&["agent", "list", "--json"]).expect(0).json()["items"].as_array().map(Vec::len);
        let before = agents();
        let tls_key = agent.state().join("current").join("tls.key");
        for (path, right, wrong) in [(agent.state(), 0o700, 0o750), (tls_key, 0o600, 0o644)] {
            open_to(&path, wrong);
            for command in ["download", "renew", "status", "run"] {
                let refused = agent.run(&[command]).expect(1);
                let said = format!("is open to others (mode {wrong:04o})");
                assert!(refused.stderr.contains(&said), "{command}: {refused:?}");
                assert!(refused.stderr.contains("chmod"), "what to do: {refused:?}");
            }
            open_to(&path, right);
            assert_eq!((whole(&agent), agents()), (held.clone(), before), "nobody enrolled anew");
        }
        agent.run(&["renew"]).expect(0);
    }
}

#[test]
fn a_pending_key_that_others_may_read_is_not_used() {
    let master = Master::start();
    let mut agent = Agent::new(&[master.url()], &master.api_key("once", &["--uses", "1"]));
    agent.set_env("GATEPASS_STOP_AT", "pending-key.saved");
    assert_eq!(agent.run(&["download"]).code, None);
    agent.set_env("GATEPASS_STOP_AT", "nowhere");
    let pending = agent.state().join("pending.key");
    open_to(&pending, 0o644);
    let refused = agent.run(&["download"]);
    assert!(refused.stdout.contains("is open to others") && refused.code != Some(0), "{refused:?}");
    open_to(&pending, 0o600);
    agent.run(&["download"]).expect(0);
    Output::of(tool("test").args(["!", "-e"]).arg(pending)).expect(0);
}
