//! The audit: every issue, renewal, refusal and key change is in it, under the id its caller saw, in a chain that shows
//! when somebody touched it.

use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{
    Answer, Caller, FakeClock, Master, MasterOptions, Output, eventually, key_pair, program, write,
};

/// An answer's id, and what the audit should hold under it: action, outcome, actor's kind, subject's kind.
type Expected = (String, [&'static str; 4]);

fn audit(master: &Master, what: &str) -> Output {
    Output::of(Command::new(program("gatepass-master")).args(["audit", what, "--dir"]).arg(master.dir()))
}

fn records(master: &Master) -> Vec<Value> {
    let exported = audit(master, "export").expect(0).stdout;
    exported.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_else(|| panic!("{field} of {record}"))
}

fn kind(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

/// Enrols, renews, refuses, changes keys; tells what should be remembered of it.
fn history(master: &Master) -> Vec<Expected> {
    let caller = Caller::of(master);
    let read = |file| std::fs::read_to_string(file).expect("a key").trim().to_owned();
    let (key, admin) = (read(master.api_key("hosts", &[])), read(master.dir().join("admin.key")));
    let (first, next) = (key_pair(), key_pair());
    let mut expected = Vec::new();
    let mut note = |answer: &Answer, what| expected.push((answer.request_id(), what));
    let enrolled = caller.enrol(&key, &first.csr());
    let agent = enrolled.issued().agent;
    note(&enrolled, ["agent.enrol", "done", "user", "agent"]);
    note(&caller.renew(agent, (1, &first), &next), ["agent.renew", "done", "agent", "agent"]);
    note(&caller.renew(agent, (2, &next), &next), ["agent.refresh", "done", "agent", "agent"]);
    note(&caller.renew(agent, (1, &first), &next), ["agent.renew", "key-superseded", "agent", "agent"]);
    note(&caller.renew(agent, (2, &key_pair()), &next), ["agent.renew", "proof-refused", "anonymous", ""]);
    note(&caller.enrol(&key, "no request"), ["agent.enrol", "csr-refused", "user", "apikey"]);
    let change = |what: &str, id: &str| {
        let path = format!("/api/v1/{what}").replace("{id}", id);
        caller.send(reqwest::Method::POST, &path, Some(&admin), None)
    };
    let shown = master.ctl(&["key", "show", "hosts", "--json"]).expect(0).json();
    let id = shown["id"].as_str().expect("an id");
    note(&change("apikeys/{id}/suspend", id), ["key.suspend", "done", "user", "apikey"]);
    note(&caller.enrol(&key, &key_pair().csr()), ["agent.enrol", "api-key-suspended", "user", "apikey"]);
    note(&change("apikeys/{id}/resume", id), ["key.resume", "done", "user", "apikey"]);
    note(&change("apikeys/{id}/resume", id), ["key.resume", "illegal-move", "user", "apikey"]);
    note(&change("apikeys/{id}/revoke", id), ["key.revoke", "done", "user", "apikey"]);
    note(&change("apikeys/{id}/revoke", "AAAAAAAAAAAAAAAA"), ["key.revoke", "not-found", "user", ""]);
    note(&change("agents/{id}/revoke", "nobody"), ["agent.revoke", "not-found", "user", ""]);
    note(&caller.enrol(&key, &key_pair().csr()), ["agent.enrol", "api-key-refused", "user", "apikey"]);
    note(&caller.get("/api/v1/apikeys", &key), ["read", "api-key-refused", "user", "apikey"]);
    note(&change("agents/{id}/revoke", &agent.to_string()), ["agent.revoke", "done", "user", "agent"]);
    note(&caller.renew(agent, (2, &next), &next), ["agent.renew", "agent-revoked", "agent", "agent"]);
    expected
}

#[test]
fn every_action_is_there_under_the_id_its_caller_saw() {
    let master = Master::start();
    let expected = history(&master);
    let records = records(&master);
    for (request, want) in &expected {
        let found: Vec<_> = records.iter().filter(|record| text(record, "request") == request).collect();
        let [record] = found.as_slice() else { panic!("{want:?} is {} times there", found.len()) };
        let (actor, subject) = (kind(text(record, "actor")), kind(text(record, "subject")));
        assert_eq!([text(record, "action"), text(record, "outcome"), actor, subject], *want);
        assert_eq!(text(record, "from"), "127.0.0.1");
    }
    assert_eq!((text(&records[0], "action"), text(&records[0], "actor")), ("master.found", "master"));
    assert_eq!(text(&records[1], "action"), "key.create");
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record["seq"], seq);
    }
    let verified = audit(&master, "verify").expect(0).stdout;
    let last = text(records.last().expect("records"), "hash");
    assert_eq!(verified, format!("{} records, the last one has the hash {last}\n", records.len()));
}

/// Runs SQL on the database of a master that has ended, with the guards against just that taken away.
fn tamper(master: &Master, sql: &str) {
    let database = Connection::open(master.dir().join("gatepass.db")).expect("the database");
    let guards = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_shortened;";
    database.execute_batch(guards).expect("the guards go");
    let changed = database.execute(sql, []).expect("a change");
    assert_eq!(changed, 1, "{sql}");
}

#[test]
fn whoever_touches_a_record_is_found_out() {
    for (sql, said) in [
        (
            "UPDATE audit SET detail = replace(detail, 'hosts', 'hostz') WHERE seq = 2",
            "audit record 2 was changed",
        ),
        ("UPDATE audit SET at = at + 1 WHERE seq = 4", "audit record 4 was changed"),
        (
            "UPDATE audit SET outcome = 'done' WHERE outcome = 'api-key-suspended'",
            " was changed after it was written",
        ),
        ("DELETE FROM audit WHERE seq = 5", "audit record 5 is missing or out of place"),
        ("UPDATE audit SET previous = zeroblob(32) WHERE seq = 3", "audit record 3 does not follow"),
    ] {
        let mut master = Master::start();
        history(&master);
        master.process().signal("TERM");
        assert_eq!(master.process().ended(Duration::from_secs(20)), Some(0));
        audit(&master, "verify").expect(0);
        tamper(&master, sql);
        let broken = audit(&master, "verify").expect(1);
        assert!(broken.stderr.contains(said), "{sql}: {}", broken.stderr);
        assert!(broken.stdout.is_empty());
    }
}

#[test]
fn the_database_itself_refuses_to_change_a_record() {
    let master = Master::start();
    let database = Connection::open(master.dir().join("gatepass.db")).expect("the database");
    for sql in ["UPDATE audit SET at = 0", "DELETE FROM audit"] {
        let refused = database.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.contains("append only"), "{refused}");
    }
    audit(&master, "verify").expect(0);
}

const DAY: i64 = 86_400;

/// A master that has lived three days ago and now, and keeps its audit for one.
fn aged() -> Master {
    let config = "\n[audit]\nretention = \"1d\"\n";
    let past = FakeClock::ahead_by(-3 * DAY);
    let mut master = Master::with(MasterOptions { config, env: past.env(), ..MasterOptions::default() });
    master.api_key("hosts", &[]);
    for change in ["suspend", "resume", "suspend"] {
        master.ctl(&["key", change, "hosts"]).expect(0);
    }
    master.process().signal("TERM");
    assert_eq!(master.process().ended(Duration::from_secs(20)), Some(0));
    master.restart(Vec::new());
    eventually("old records are dropped", Duration::from_secs(20), || {
        audit(&master, "export").expect(0).stdout.contains("\"audit.prune\"")
    });
    master.ctl(&["key", "resume", "hosts"]).expect(0);
    master
}

#[test]
fn what_retention_leaves_still_proves_itself() {
    let mut master = aged();
    let left = records(&master);
    let [pruned, resumed] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!((text(pruned, "action"), text(resumed, "action")), ("audit.prune", "key.resume"));
    let cut: Value = serde_json::from_str(text(pruned, "detail")).expect("JSON");
    assert_eq!(
        (cut["seq"].as_u64(), &cut["hash"]),
        (pruned["seq"].as_u64().map(|seq| seq - 1), &pruned["previous"])
    );
    let said = audit(&master, "verify").expect(0).stdout;
    assert!(said.contains("those before were dropped as the audit itself tells"), "{said}");
    let export = master.path("audit.jsonl");
    write(&export, audit(&master, "export").expect(0).stdout);
    let offline = Output::of(Command::new(program("gatepass-master")).args(["audit", "verify"]).arg(&export));
    assert_eq!(offline.expect(0).stdout, said);

    master.process().signal("TERM");
    assert_eq!(master.process().ended(Duration::from_secs(20)), Some(0));
    tamper(&master, &format!("DELETE FROM audit WHERE seq = {}", pruned["seq"]));
    let broken = audit(&master, "verify").expect(1);
    assert!(broken.stderr.contains("no record tells that those before were dropped"), "{}", broken.stderr);
}

#[test]
fn the_database_itself_refuses_to_drop_what_retention_has_left() {
    let master = aged();
    let database = Connection::open(master.dir().join("gatepass.db")).expect("the database");
    let refused = database.execute("DELETE FROM audit", []).expect_err("it is guarded").to_string();
    assert!(refused.contains("append only"), "{refused}");
}
