//! The agent, stopped at each of its points.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use gatepass::faults::POINTS;
use serde_json::Value;

use crate::support::{Agent, Identity, Master, MasterOptions, Output, eventually, tool};

/// From here on consumers find the new bundle.
const COMMIT: &str = "publish.after-rename";
/// A token refresh makes no key.
const ONLY_WITH_A_NEW_KEY: [&str; 2] = ["pending-key.before-rename", "pending-key.saved"];

/// A host with a single-use key of its own, and an output.
struct Host {
    agent: Agent,
    key_name: String,
}

impl Host {
    fn new(master: &Master, point: &str) -> Self {
        let key_name = format!("for {point}");
        let key = master.api_key(&key_name, &["--uses", "1"]);
        let mut host = Self { agent: Agent::new(&[master.url()], &key), key_name };
        let output = format!("[[output]]\ndir = \"{}\"", host.copy().display());
        host.agent.configure(&[master.url()], &key, &output);
        host.agent.set_env("GATEPASS_STOP_AT", "nowhere");
        host
    }

    fn copy(&self) -> PathBuf {
        self.agent.path().join("copy")
    }

    fn enrolled(self) -> Self {
        self.agent.run(&["download"]).expect(0);
        self
    }

    /// Runs a command that is stopped at `point`; `false` when it ended without reaching it.
    fn stopped(&mut self, args: &[&str], point: &str) -> bool {
        self.agent.set_env("GATEPASS_STOP_AT", point);
        let ended = self.agent.run(args);
        self.agent.set_env("GATEPASS_STOP_AT", "nowhere");
        if ended.code.is_some() {
            ended.expect(0);
            return false;
        }
        true
    }

    fn whole(&self) -> Option<Identity> {
        let found = self.agent.identity();
        if let Some(identity) = &found {
            identity.assert_whole();
        }
        found
    }

    /// The next run: the host ends with a good identity, its copy is the same, and the master knows it once.
    fn recovers(&self, master: &Master, point: &str) -> Identity {
        self.agent.run(&["download"]).expect(0);
        let identity = self.whole().unwrap_or_else(|| panic!("{point}: an identity"));
        let copy = std::fs::read_to_string(self.copy().join("tls.key")).expect("the output");
        assert_eq!(copy, identity.key, "{point}: the output follows");
        let key = master.ctl(&["key", "show", &self.key_name, "--json"]).expect(0).json();
        assert_eq!(key["used"], 1, "{point}: {key}");
        let known = agents_of(master, &key["id"]);
        assert_eq!(known.len(), 1, "{point}: {known:?}");
        assert_eq!(known[0]["id"].as_str(), identity.chain().agent().map(|id| id.to_string()).as_deref());
        identity
    }

    fn generation(&self) -> u64 {
        self.agent.status()["identity"]["generation"].as_u64().expect("a generation")
    }
}

fn agents_of(master: &Master, key: &Value) -> Vec<Value> {
    let all = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    let all = all["items"].as_array().expect("a list");
    all.iter().filter(|agent| agent["enrolledWith"] == *key).cloned().collect()
}

fn is_before_commit(point: &str) -> bool {
    let place = |wanted: &str| POINTS.iter().position(|point| *point == wanted).expect("a point");
    place(point) < place(COMMIT)
}

fn all_points() -> BTreeSet<&'static str> {
    POINTS.iter().copied().collect()
}

#[test]
fn an_enrolment_stopped_anywhere_ends_in_one_agent_and_one_use_of_its_key() {
    let master = Master::start();
    let mut reached = BTreeSet::new();
    for point in POINTS {
        let mut host = Host::new(&master, point);
        if !host.stopped(&["download"], point) {
            continue;
        }
        reached.insert(*point);
        assert_eq!(host.whole().is_none(), is_before_commit(point), "{point}: nothing or all of it");
        host.recovers(&master, point);
        assert_eq!(host.generation(), 1, "{point}: the same generation again");
    }
    assert_eq!(reached, all_points());
}

#[test]
fn a_renewal_stopped_anywhere_leaves_the_old_identity_or_the_new_one() {
    let master = Master::start();
    let mut reached = BTreeSet::new();
    for point in POINTS {
        let mut host = Host::new(&master, point).enrolled();
        let before = host.whole().expect("just enrolled");
        if !host.stopped(&["renew"], point) {
            continue;
        }
        reached.insert(*point);
        let after = host.whole().unwrap_or_else(|| panic!("{point}: what was held is held"));
        assert_eq!(after == before, is_before_commit(point), "{point}: the old one or the new one");
        assert_eq!(host.recovers(&master, point), after, "{point}: nothing was due");
        host.agent.run(&["renew"]).expect(0);
        let want = if is_before_commit(point) { 2 } else { 3 };
        assert_eq!(
            host.generation(),
            want,
            "{point}: the key that has asked already gets the same generation"
        );
        assert_ne!(host.recovers(&master, point).key, after.key, "{point}");
    }
    assert_eq!(reached, all_points());
}

#[test]
fn a_token_refresh_stopped_anywhere_leaves_the_old_token_or_the_new_one() {
    let master = Master::with(MasterOptions { token_lifetime: "10s", ..Default::default() });
    let mut hosts: Vec<_> =
        POINTS.iter().map(|point| (*point, Host::new(&master, point).enrolled())).collect();
    let mut reached = BTreeSet::new();
    for (point, host) in &mut hosts {
        let before = host.whole().expect("just enrolled");
        eventually("the token is due", Duration::from_secs(30), || is_due(&host.agent));
        if !host.stopped(&["download"], point) {
            assert_ne!(host.whole().expect("an identity").token, before.token, "{point}: it was refreshed");
            continue;
        }
        reached.insert(*point);
        let after = host.whole().unwrap_or_else(|| panic!("{point}: what was held is held"));
        assert_eq!(
            after.token == before.token,
            is_before_commit(point),
            "{point}: the old one or the new one"
        );
        let last = host.recovers(&master, point);
        assert_eq!((&last.key, &last.certificate), (&before.key, &before.certificate), "{point}");
        assert_ne!(last.token, before.token, "{point}");
        assert_eq!(host.generation(), 1, "{point}");
    }
    let want = all_points().into_iter().filter(|point| !ONLY_WITH_A_NEW_KEY.contains(point)).collect();
    assert_eq!(reached, want);
}

fn is_due(agent: &Agent) -> bool {
    let status = agent.status();
    status["due"].as_str() <= status["now"].as_str()
}

#[test]
fn what_is_left_of_a_stop_is_cleared_away_and_never_readable_by_others() {
    let master = Master::start();
    for point in ["pending-key.before-rename", "publish.meta.json", "publish.before-rename"] {
        let mut host = Host::new(&master, point);
        assert!(host.stopped(&["download"], point));
        let open =
            Output::of(tool("find").arg(host.agent.state()).args(["-perm", "/077", "-not", "-type", "l"]));
        assert_eq!(open.expect(0).stdout, "", "{point}");
        host.recovers(&master, point);
        let generations = std::fs::read_dir(host.agent.state().join("generations")).expect("read");
        assert_eq!(generations.count(), 1, "{point}");
        let beside = std::fs::read_dir(host.agent.state()).expect("read");
        let new = beside
            .filter(|entry| entry.as_ref().expect("read").path().extension().is_some_and(|end| end == "new"));
        assert_eq!(new.count(), 0, "{point}");
    }
}
