//! The master, stopped just before and just after every kind of commit.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use gatepass::bundle::Bundle;
use gatepass::clock::{MasterTime, SystemClock};
use gatepass::enrol::caller;
use gatepass::master::{Client, Endpoint, Master as _, Trust};
use gatepass::net::Egress;
use gatepass::store::Store;
use serde_json::Value;

use crate::support::{Agent, Caller, Master, Output, eventually, key_pair, program, tool};

pub(super) const SOON: Duration = Duration::from_secs(10);

/// What decides whether a point was forgotten: the program's own list.
const WRITER: &str = include_str!("../../crates/master/src/store/writer.rs");

const HANDLERS: &str = include_str!("../../crates/master/src/http/agent_api.rs");

/// The kinds of work, as the writer declares them, and the points between them.
fn points() -> BTreeSet<String> {
    let list = WRITER.split_once("points! {").expect("the writer lists its points").1;
    let lines = list.split_once('}').expect("a list").0.lines();
    let kinds = lines.filter_map(|line| line.split('"').nth(1));
    let commits = kinds.flat_map(|kind| MOMENTS.map(|(moment, _)| format!("{kind}.{moment}")));
    let others = HANDLERS.split("faults::point(\"").skip(1);
    commits.chain(others.map(|rest| rest.split('"').next().unwrap_or_default().to_owned())).collect()
}

/// A master with a host, an administrator's key that was never used, and a point at which it will stop.
struct Story {
    master: Master,
    agent: Agent,
    key: &'static str,
}

impl Story {
    fn new() -> Self {
        let mut master = Master::start();
        let agent = Agent::new(&[master.url()], &master.api_key("hosts", &["--uses", "1"]));
        master.kill();
        Self { master, agent, key: "hosts" }
    }

    /// The master runs, does `what`, and stops at the point.
    fn stop_at(&mut self, point: &str, what: impl FnOnce(&Master, &Agent)) {
        self.master.restart(vec![("GATEPASS_MASTER_STOP_AT", point.to_owned())]);
        what(&self.master, &self.agent);
        assert_eq!(self.master.process().ended(SOON), None, "{point} is reached");
        self.master.restart(Vec::new());
        audit_is_unbroken(&self.master);
    }

    /// Does something while nothing stops the master.
    fn before(mut self, what: impl FnOnce(&Master, &mut Agent)) -> Self {
        self.master.restart(Vec::new());
        what(&self.master, &mut self.agent);
        self.master.kill();
        self
    }

    fn key(&self) -> Value {
        self.master.ctl(&["key", "show", self.key, "--json"]).expect(0).json()
    }

    fn agents(&self) -> Vec<Value> {
        agents(&self.master)
    }

    /// How many records of that action, done or refused, the audit has.
    fn audited(&self, action: &str) -> usize {
        let export = ["audit", "export", "--dir"];
        let export = Output::of(Command::new(program("gatepass-master")).args(export).arg(self.master.dir()));
        let records: Vec<Value> =
            export.expect(0).stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        records.iter().filter(|record| record.to_string().contains(&format!("\"{action}\""))).count()
    }

    fn generation(&self) -> u64 {
        self.agent.status()["identity"]["generation"].as_u64().expect("a generation")
    }
}

pub(super) fn audit_is_unbroken(master: &Master) {
    let verify = ["audit", "verify", "--dir"];
    Output::of(Command::new(program("gatepass-master")).args(verify).arg(master.dir())).expect(0);
}

fn agents(master: &Master) -> Vec<Value> {
    let all = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    all["items"].as_array().expect("a list").clone()
}

/// Before the commit nothing happened, after it everything did.
pub(super) const MOMENTS: [(&str, bool); 2] = [("before-commit", false), ("after-commit", true)];
/// Further away from it, where something is issued.
const AROUND_A_COMMIT: [(&str, bool); 2] = [("signed", false), ("unanswered", true)];

fn enrolled(_: &Master, agent: &mut Agent) {
    agent.run(&["download"]).expect(0);
}

#[test]
fn every_point_has_a_story_here() {
    let kinds = [
        "found",
        "probe",
        "key-create",
        "key-move",
        "key-use",
        "enrol",
        "renew",
        "confirm",
        "report",
        "deregister",
        "revoke",
        "refuse",
    ];
    let elsewhere = ["keys-delete", "restore"];
    let kinds = kinds.into_iter().chain(super::changes::KINDS).chain(elsewhere);
    let named =
        |kind: &str, moments: [(&str, bool); 2]| moments.map(|(moment, _)| format!("{kind}.{moment}"));
    let commits = kinds.flat_map(|kind| named(kind, MOMENTS));
    let issues = ["enrol", "renew"].into_iter().flat_map(|kind| named(kind, AROUND_A_COMMIT));
    assert_eq!(points(), commits.chain(issues).collect());
}

#[test]
fn setting_up_is_all_or_nothing() {
    for (moment, _) in MOMENTS {
        let place = tempfile::tempdir().expect("a directory");
        let dir = place.path().join("master");
        let init = |stop_at: &str| {
            let mut init = Command::new(program("gatepass-master"));
            init.args(["init", "--name", "localhost", "--dir"])
                .arg(&dir)
                .env("GATEPASS_MASTER_STOP_AT", stop_at);
            Output::of(&mut init)
        };
        assert_eq!(init(&format!("found.{moment}")).code, None, "found.{moment} is reached");
        assert!(!dir.exists(), "{moment}: a master is there whole or not at all");
        init("nowhere").expect(0);
        assert!(dir.join("admin.key").exists());
    }
}

#[test]
fn an_enrolment_is_there_whole_or_not_at_all_and_the_retried_one_gets_the_same() {
    for (moment, done) in MOMENTS.into_iter().chain(AROUND_A_COMMIT) {
        let mut story = Story::new();
        story.stop_at(&format!("enrol.{moment}"), |_, agent| {
            agent.run(&["download"]).expect(3);
            assert_eq!(agent.identity(), None);
        });
        assert_eq!(story.agents().len(), usize::from(done), "{moment}");
        assert_eq!(story.key()["used"], u64::from(done), "{moment}");
        let known = story.agents().pop();
        story.agent.run(&["download"]).expect(0);
        story.agent.identity().expect("an identity").assert_whole();
        let agents = story.agents();
        assert_eq!((agents.len(), story.generation()), (1, 1), "{moment}: {agents:?}");
        assert_eq!(story.key()["used"], 1, "{moment}");
        if let Some(known) = known {
            assert_eq!(known["id"], agents[0]["id"], "the same agent again");
        }
    }
}

#[test]
fn a_renewal_is_there_whole_or_not_at_all_and_the_retried_one_gets_the_same() {
    for (moment, done) in MOMENTS.into_iter().chain(AROUND_A_COMMIT) {
        let mut story = Story::new().before(enrolled);
        let held = story.agent.identity();
        story.stop_at(&format!("renew.{moment}"), |_, agent| {
            agent.run(&["renew"]).expect(3);
            assert_eq!(agent.identity(), held, "what is held stays");
        });
        assert_eq!(story.agents()[0]["generation"], 1 + u64::from(done), "{moment}");
        story.agent.run(&["renew"]).expect(0);
        story.agent.identity().expect("an identity").assert_whole();
        assert_eq!((story.generation(), story.agents().len()), (2, 1), "{moment}");
    }
}

#[test]
fn a_report_that_is_lost_costs_nothing() {
    for (moment, _) in MOMENTS {
        let mut story = Story::new().before(enrolled);
        let held = story.agent.identity();
        story.stop_at(&format!("report.{moment}"), |_, agent| {
            agent.run(&["download"]).expect(0);
        });
        story.agent.run(&["download"]).expect(0);
        assert_eq!(story.agent.identity(), held, "{moment}");
        assert_eq!(story.agents()[0]["confirmed"], 1, "{moment}");
    }
}

/// The agent's first sign of life with a new key is a question: `check` asks who it is.
#[test]
fn a_generation_is_confirmed_or_not_and_the_agent_goes_on_either_way() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new().before(|_, agent| {
            agent.set_env("GATEPASS_STOP_AT", "publish.committed");
            assert_eq!(agent.run(&["download"]).code, None, "stopped before its first report");
            agent.set_env("GATEPASS_STOP_AT", "nowhere");
        });
        story.stop_at(&format!("confirm.{moment}"), |_, agent| {
            agent.run(&["check"]).expect(4);
        });
        assert_eq!(story.agents()[0]["confirmed"], u64::from(done), "{moment}");
        story.agent.run(&["renew"]).expect(0);
        assert_eq!((story.generation(), story.agents().len()), (2, 1), "{moment}");
    }
}

#[test]
fn a_key_is_made_whole_or_not_at_all() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new();
        let create = ["key", "create", "another", "--kind", "personal", "--capability", "agent.enrol"];
        story.stop_at(&format!("key-create.{moment}"), |master, _| {
            let lost = master.ctl(&create).expect(3);
            assert!(lost.stdout.is_empty(), "no secret is shown that is not kept");
        });
        let keys = story.master.ctl(&["key", "list", "--json"]).expect(0).json();
        let names: Vec<_> =
            keys["items"].as_array().expect("a list").iter().map(|key| &key["name"]).collect();
        assert_eq!(names.contains(&&Value::from("another")), done, "{moment}: {names:?}");
        let again = story.master.ctl(&create);
        assert_eq!(again.stderr.contains("name-taken"), done, "{moment}: {again:?}");
        assert_eq!(again.code == Some(0), !done, "{moment}: {again:?}");
    }
}

#[test]
fn a_revoked_key_is_revoked_or_not_and_stays_so() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new();
        let revoke = ["key", "revoke", "hosts", "--yes"];
        story.stop_at(&format!("key-move.{moment}"), |master, _| {
            master.ctl(&revoke).expect(3);
        });
        assert_eq!(story.key()["state"], if done { "revoked" } else { "active" }, "{moment}");
        story.master.ctl(&revoke);
        assert_eq!(story.key()["state"], "revoked", "{moment}");
        story.master.kill();
        story.master.restart(Vec::new());
        assert_eq!(story.key()["state"], "revoked", "{moment}");
        let refused = story.agent.run(&["download"]).expect(4);
        assert!(refused.stdout.contains("api-key-refused"), "{refused:?}");
    }
}

#[test]
fn a_revoked_agent_is_revoked_or_not_and_stays_so() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new().before(enrolled);
        let revoke = ["agent", "revoke", "test-host", "--yes"];
        story.stop_at(&format!("revoke.{moment}"), |master, _| {
            master.ctl(&revoke).expect(3);
        });
        assert_eq!(story.agents()[0]["state"], if done { "revoked" } else { "active" }, "{moment}");
        story.master.ctl(&revoke);
        story.master.kill();
        story.master.restart(Vec::new());
        assert_eq!(story.agents()[0]["state"], "revoked", "{moment}");
        story.agent.run(&["renew"]).expect(4);
    }
}

#[test]
fn a_farewell_is_heard_or_not_and_can_be_said_again() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new().before(enrolled);
        story.stop_at(&format!("deregister.{moment}"), |master, agent| {
            assert!(deregister(master, agent).is_err(), "the answer is lost");
        });
        assert_eq!(story.agents()[0]["state"], if done { "deregistered" } else { "active" }, "{moment}");
        assert_eq!(deregister(&story.master, &story.agent).is_ok(), !done, "{moment}");
        assert_eq!(story.agents()[0]["state"], "deregistered", "{moment}");
    }
}

fn deregister(master: &Master, agent: &Agent) -> Result<(), gatepass::master::MasterError> {
    let (_, parts) =
        Store::open(agent.state()).expect("opened").current().expect("read").expect("an identity");
    let held = Bundle::recall(parts).expect("whole");
    let endpoint = Endpoint {
        masters: vec![master.url().parse().expect("a URL")],
        trust: Trust::Pinned(held.anchors().clone()),
        gateways: Vec::new(),
        egress: Egress::default(),
        connect_timeout: SOON,
        timeout: SOON,
    };
    let client = Client::new(endpoint, MasterTime::new(std::sync::Arc::new(SystemClock)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(client.deregister(&caller(&held)))
}

#[test]
fn what_is_refused_is_in_the_audit_once_for_each_answer() {
    for (moment, done) in MOMENTS {
        let mut story = Story::new().before(|master, _| {
            master.ctl(&["key", "suspend", "hosts"]).expect(0);
        });
        story.stop_at(&format!("refuse.{moment}"), |_, agent| {
            agent.run(&["download"]).expect(3);
        });
        assert_eq!(story.audited("api-key-suspended"), usize::from(done), "{moment}");
        story.agent.run(&["download"]).expect(4);
        assert_eq!(story.audited("api-key-suspended"), 1 + usize::from(done), "{moment}");
        assert_eq!(story.agents(), Vec::<Value>::new());
    }
}

#[test]
fn neither_the_note_of_a_key_s_use_nor_a_probe_costs_more_than_itself() {
    for (moment, _) in MOMENTS {
        let mut story = Story::new();
        let mut reader = String::new();
        story = story.before(|master, _| {
            let create = ["key", "create", "reader", "--kind", "personal", "--capability", "key.read"];
            reader = master.ctl(&create).expect(0).stdout.trim().to_owned();
        });
        story.stop_at(&format!("key-use.{moment}"), |master, _| {
            // Answered or not: nobody waits for the note.
            ctl_with(master, &reader, &["key", "list"]);
        });
        ctl_with(&story.master, &reader, &["key", "list"]).expect(0);
        story.master.kill();
        story.stop_at(&format!("probe.{moment}"), |master, _| {
            Output::of(tool("curl").args(["--silent", "--insecure", &format!("{}/readyz", master.url())]));
        });
        let ready = Caller::of(&story.master).get("/readyz", "");
        assert_eq!(ready.status, 200, "{moment}: {ready:?}");
    }
}

fn ctl_with(master: &Master, key: &str, args: &[&str]) -> Output {
    let mut ctl = Command::new(program("gatepassctl"));
    ctl.args(["--master", master.url()]).args(args).env("GATEPASS_APIKEY", key);
    Output::of(&mut ctl)
}

/// A master that dies while many enrol: whoever was answered is known, and nobody is known twice.
#[test]
fn whoever_was_answered_before_a_master_died_is_known_after() {
    // Each moment is a lucky one or not: what is looked for lies between an answer and its commit.
    for _ in 0..4 {
        die_while_many_enrol(Master::start());
    }
}

fn die_while_many_enrol(mut master: Master) {
    let key = std::fs::read_to_string(master.api_key("many", &[])).expect("a key");
    let enrol_for_ever = || {
        let (caller, mut answered) = (Caller::of(&master), Vec::new());
        loop {
            let csr = key_pair().csr();
            match caller.try_enrol(key.trim(), &csr) {
                Some(answer) => answered.push((csr, answer.issued())),
                None => return answered,
            }
        }
    };
    let answered: Vec<_> = std::thread::scope(|scope| {
        let hosts: Vec<_> = (0..8).map(|_| scope.spawn(enrol_for_ever)).collect();
        eventually("a few are in", SOON, || agents(&master).len() > 30);
        Output::of(tool("kill").args(["-KILL", &master.id().to_string()])).expect(0);
        hosts.into_iter().flat_map(|host| host.join().expect("no panic")).collect()
    });
    master.kill();
    master.restart(Vec::new());
    let before = agents(&master).len();
    let caller = Caller::of(&master);
    for (csr, first) in &answered {
        let again = caller.enrol(key.trim(), csr).issued();
        assert_eq!((again.agent, again.generation, &again.chain), (first.agent, 1, &first.chain));
    }
    assert!(answered.len() > 20, "{}", answered.len());
    assert_eq!(agents(&master).len(), before, "nobody twice");
}
