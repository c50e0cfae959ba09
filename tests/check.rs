//! `gatepass check`: every finding provoked for real, nothing changed by looking, no secret in the support archive.

mod archive;
mod here;
mod there;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gatepass::check::{Id, Severity};
use serde_json::Value;

use crate::support::{Agent, Master, Output, tool};

const SOON: Duration = Duration::from_secs(20);

/// A master, and a host that it has enrolled.
struct Story {
    master: Master,
    agent: Agent,
}

impl Story {
    fn new() -> Self {
        let master = Master::start();
        let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
        agent.run(&["download"]).expect(0);
        Self { master, agent }
    }

    /// A copy of that host, configured anew with these lines: what a story does to it does not matter to the next one.
    fn copy(&self, more: &str) -> Agent {
        let copy = Agent::with(&[self.master.url()], &self.master.path("hosts.key"), more);
        Output::of(tool("cp").arg("-a").arg(self.agent.state()).arg(copy.path())).expect(0);
        copy
    }
}

/// What one check found.
struct Found(Vec<(Id, Severity, Value)>);

impl Found {
    #[track_caller]
    fn of(agent: &Agent) -> Self {
        Self::said(&agent.run(&["check", "--json"]))
    }

    /// The exit code is that of the worst finding; what is not fine says what to do.
    #[track_caller]
    fn said(check: &Output) -> Self {
        let all = check.json();
        let all: Vec<_> = all.as_array().expect("a list").iter().map(read).collect();
        let worst = all.iter().map(|(_, severity, _)| *severity).max().expect("something is always found");
        let exit = match worst {
            Severity::Fine => 0,
            Severity::Warning => 3,
            Severity::Broken => 4,
        };
        assert_eq!(check.code, Some(exit), "{check:?}");
        for (id, severity, finding) in &all {
            assert!(
                *severity == Severity::Fine || finding["hint"].is_string() || id.remedy().is_empty(),
                "{finding}"
            );
        }
        Self(all)
    }

    fn ids(&self) -> Vec<&'static str> {
        self.0.iter().map(|(id, ..)| id.as_str()).collect()
    }

    /// How bad that is; the worst, where it was found more than once.
    fn severity(&self, id: Id) -> Option<Severity> {
        self.0.iter().filter(|(found, ..)| *found == id).map(|(_, severity, _)| *severity).max()
    }

    #[track_caller]
    fn message(&self, id: Id) -> String {
        let (_, _, finding) =
            self.0.iter().find(|(found, ..)| *found == id).unwrap_or_else(|| panic!("{self}"));
        finding["message"].as_str().expect("text").to_owned()
    }

    #[track_caller]
    fn expect(&self, id: Id, severity: Severity) {
        assert_eq!(self.severity(id), Some(severity), "{id}: {self}");
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(_, _, finding)| writeln!(f, "{finding}"))
    }
}

fn read(finding: &Value) -> (Id, Severity, Value) {
    let id = *Id::ALL.iter().find(|id| finding["id"] == id.as_str()).unwrap_or_else(|| panic!("{finding}"));
    let severity = match finding["severity"].as_str() {
        Some("fine") => Severity::Fine,
        Some("warning") => Severity::Warning,
        Some("broken") => Severity::Broken,
        _ => panic!("{finding}"),
    };
    (id, severity, finding.clone())
}

/// Every file with its mode, its time and its content.
fn everything(dir: &Path) -> BTreeMap<String, String> {
    let script = "find . -printf '%P %M %U %T@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort";
    let all = Output::of(tool("sh").arg("-c").arg(script).current_dir(dir)).expect(0).stdout;
    all.lines().enumerate().map(|(number, line)| (format!("{number:03}"), line.to_owned())).collect()
}

/// What the master holds that a check could have changed.
fn at_the_master(master: &Master) -> (Value, Value, usize) {
    let (key, agents) =
        (master.ctl(&["key", "show", "hosts", "--json"]), master.ctl(&["agent", "list", "--json"]));
    let audit = master.ctl(&["audit", "list", "--json"]).expect(0).json();
    (key.expect(0).json(), agents.expect(0).json(), audit["items"].as_array().expect("records").len())
}

#[test]
fn an_id_keeps_its_meaning_from_version_to_version() {
    let promised: Vec<_> = include_str!("check/ids.txt").lines().collect();
    let known: Vec<_> = Id::ALL.iter().map(|id| id.as_str()).collect();
    assert_eq!(known, promised, "an id that was there stays; a new one is added to tests/check/ids.txt");
}

#[test]
fn looking_changes_nothing_here_or_there_and_says_the_same_twice() {
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &["--uses", "1"]));
    let (here, there) = (everything(agent.path()), at_the_master(&master));
    let fresh = Found::of(&agent);
    fresh.expect(Id::IdentityNone, Severity::Warning);
    fresh.expect(Id::ApikeyStanding, Severity::Fine);
    assert!(fresh.message(Id::ApikeyQuota).contains("1 more"), "{fresh}");
    let usual = [
        "config.accepted",
        "state.missing",
        "disk.room",
        "identity.none",
        "apikey.format",
        "proxy.none",
        "name.resolved",
        "address.reached",
        "master.verified",
        "clock",
        "apikey.standing",
        "apikey.quota",
        "unit.none",
        "daemon.absent",
    ];
    assert_eq!(fresh.ids(), usual);
    assert_eq!(Found::of(&agent).ids(), fresh.ids());
    assert_eq!((everything(agent.path()), at_the_master(&master)), (here, there));

    agent.run(&["download"]).expect(0);
    let (here, there) = (everything(agent.path()), at_the_master(&master));
    let enrolled = Found::of(&agent);
    for id in
        [Id::IdentityFits, Id::IdentityAccepted, Id::IdentityToken, Id::StatePrivate, Id::InstanceSingle]
    {
        enrolled.expect(id, Severity::Fine);
    }
    enrolled.expect(Id::ApikeyQuota, Severity::Fine);
    assert_eq!((everything(agent.path()), at_the_master(&master).0), (here, there.0));
    agent.run(&["check"]).expect(0);
}

#[test]
fn what_the_host_says_the_administrator_finds_by_the_request() {
    let story = Story::new();
    let refused = |name: &str, more: &[&str], spoil: &[&str], want: &str| {
        let agent = Agent::new(&[story.master.url()], &story.master.api_key(name, more));
        if !spoil.is_empty() {
            story.master.ctl(spoil).expect(0);
        }
        let found = Found::of(&agent);
        found.expect(Id::ApikeyRefused, Severity::Broken);
        let message = found.message(Id::ApikeyRefused);
        assert!(message.contains(want), "{message}");
        let request = message.split_once("request ").expect("its id").1;
        let request: String = request.chars().take_while(char::is_ascii_alphanumeric).collect();
        let told = story.master.ctl(&["audit", "list", "--request", &request, "--json"]).expect(0).json();
        assert_eq!(told["items"].as_array().map(Vec::len), Some(1), "{message}: {told}");
        assert_eq!(told["items"][0]["outcome"], want, "{told}");
        assert_eq!(agent.run(&["status"]).code, Some(1), "nothing was tried");
    };
    refused("paused", &[], &["key", "suspend", "paused"], "api-key-suspended");
    refused("gone", &[], &["key", "revoke", "gone", "--yes"], "api-key-refused");
    refused("away", &["--network", "192.0.2.0/24"], &[], "network-not-allowed");
    let once = Agent::new(&[story.master.url()], &story.master.api_key("once", &["--uses", "1"]));
    once.run(&["download"]).expect(0);
    Found::of(&once).expect(Id::ApikeyRefused, Severity::Fine);
    let again = Agent::new(&[story.master.url()], &story.master.path("once.key"));
    let found = Found::of(&again);
    found.expect(Id::ApikeyQuota, Severity::Broken);
    found.expect(Id::ApikeyRefused, Severity::Broken);
}
