//! The master, stopped just before and just after what administrators change, and in its own periodic work.

use std::process::Command;

use gatepass_contract::wire::path;
use reqwest::Method;
use serde_json::{Value, json};

use super::master::{MOMENTS, SOON, audit_is_unbroken};
use crate::support::{Caller, Master, MasterOptions, Output, program};

/// Kinds of commits whose stories are here.
pub(super) const KINDS: [&str; 11] = [
    "people",
    "token",
    "token-use",
    "session",
    "settle",
    "key-retire",
    "notices",
    "notice-claim",
    "notice-ends",
    "audit-prune",
    "notice-settle",
];

fn admin(master: &Master) -> String {
    std::fs::read_to_string(master.dir().join("admin.key")).expect("the first key").trim().to_owned()
}

/// The master stops at the point while it does that, and is started again.
fn stop_at(master: &mut Master, point: &str, method: Method, path: &str, bearer: &str, body: &Value) {
    master.kill();
    master.restart(vec![("GATEPASS_MASTER_STOP_AT", point.to_owned())]);
    // Some points come after the answer.
    Caller::of(master).try_send(method, path, bearer, body.to_string());
    assert_eq!(master.process().ended(SOON), None, "{point} is reached");
    master.restart(Vec::new());
    audit_is_unbroken(master);
}

#[test]
fn what_is_created_is_there_whole_or_not_at_all() {
    let user = json!({ "name": "ann", "roles": ["operator"], "password": "correct horse battery" });
    let token = json!({ "name": "nightly", "roles": ["administrator"] });
    for (kind, created, body, one) in [
        ("people", path::USERS, &user, "/api/v1/users/ann"),
        ("token", path::TOKENS, &token, "/api/v1/tokens?name=nightly"),
    ] {
        for (moment, done) in MOMENTS {
            let mut master = Master::start();
            let admin = admin(&master);
            stop_at(&mut master, &format!("{kind}.{moment}"), Method::POST, created, &admin, body);
            let caller = Caller::of(&master);
            let there = caller.get(one, &admin).body.contains("\"roles\":[");
            assert_eq!(there, done, "{kind} {moment}");
            let again = caller.post(created, &admin, body);
            assert_eq!(again.status, if done { 409 } else { 201 }, "{kind} {moment}: {again:?}");
        }
    }
}

#[test]
fn a_session_that_was_not_answered_is_worth_nothing_and_the_next_one_works() {
    for (moment, _) in MOMENTS {
        let mut master = Master::start();
        let admin = admin(&master);
        let sign_in = json!({ "user": "ann", "password": "correct horse battery" });
        let mut ann = sign_in.clone();
        ann["name"] = ann["user"].take();
        ann.as_object_mut().expect("an object").remove("user");
        assert_eq!(Caller::of(&master).post(path::USERS, &admin, &ann).status, 201);
        stop_at(&mut master, &format!("session.{moment}"), Method::POST, path::SESSIONS, &admin, &sign_in);
        assert_eq!(Caller::of(&master).post(path::SESSIONS, &admin, &sign_in).status, 201, "{moment}");
    }
}

#[test]
fn the_note_of_a_tokens_use_costs_no_more_than_itself() {
    for (moment, _) in MOMENTS {
        let mut master = Master::start();
        let admin = admin(&master);
        let made = Caller::of(&master).post(
            path::TOKENS,
            &admin,
            &json!({ "name": "nightly", "roles": ["administrator"] }),
        );
        let jwt = made.read::<Value>()["jwt"].as_str().expect("a token").to_owned();
        let point = format!("token-use.{moment}");
        stop_at(&mut master, &point, Method::GET, path::CALLER, &jwt, &Value::Null);
        assert_eq!(Caller::of(&master).get(path::CALLER, &jwt).status, 200, "{moment}");
    }
}

/// What the leading master does by itself, and all do when they start.
#[test]
fn periodic_work_that_was_interrupted_is_done_by_the_next_start() {
    for kind in BY_ITSELF {
        for (moment, _) in MOMENTS {
            let mut master = Master::with(MasterOptions { config: ALL_TASKS, ..MasterOptions::default() });
            // Its former secret is over at once; that is written down when the next master starts.
            let key = ["key", "create", "spent", "--kind", "personal", "--capability", "agent.enrol"];
            master.ctl(&key).expect(0);
            master.ctl(&["key", "rotate", "spent", "--overlap", "1ms"]).expect(0);
            master.kill();
            let point = format!("{kind}.{moment}");
            let mut serve = Command::new("timeout");
            serve.arg("20").arg(program("gatepass-master")).args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--dir",
            ]);
            let stopped = Output::of(serve.arg(master.dir()).env("GATEPASS_MASTER_STOP_AT", &point));
            assert!(!matches!(stopped.code, Some(0 | 124)), "{point} is reached: {stopped:?}");
            master.restart(Vec::new());
            audit_is_unbroken(&master);
            master.ctl(&["key", "list"]).expect(0);
        }
    }
}

#[test]
fn a_notice_outlives_every_attempt_to_deliver_it() {
    for kind in ["notice-claim", "notice-settle"] {
        for (moment, _) in MOMENTS {
            let mut master = Master::with(MasterOptions { config: ALL_TASKS, ..MasterOptions::default() });
            let admin = admin(&master);
            let test = json!({ "to": "ann@example.com" });
            let point = format!("{kind}.{moment}");
            stop_at(&mut master, &point, Method::POST, path::NOTICE_TEST, &admin, &test);
            let listed: Value = Caller::of(&master).get(path::NOTICES, &admin).read();
            assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{point}: {listed}");
            assert_eq!(listed["items"][0]["state"], "waiting", "{point}: {listed}");
        }
    }
}

const BY_ITSELF: [&str; 5] = ["settle", "key-retire", "notices", "notice-ends", "audit-prune"];

/// Nobody answers at that port.
const ALL_TASKS: &str = "\n[audit]\nretention = '1d'\n\n[notices]\nfrom = 'gatepass@example.com'\n\n\
    [notices.smtp]\nhost = '127.0.0.1'\nport = 1\nsecurity = 'none'\n";
