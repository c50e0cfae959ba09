//! The REST interface as programs need it: two editors do not undo each other, a creation whose answer was lost is sent
//! again, a list is read to its end while it changes, a change is explained where that is wanted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Master, MasterOptions};

const KEYS: &str = "/api/v1/apikeys";

/// The first administrator.
struct Admin {
    caller: Caller,
    key: String,
}

impl Admin {
    fn of(master: &Master) -> Self {
        let key = std::fs::read_to_string(master.dir().join("admin.key")).expect("a key");
        Self { caller: Caller::of(master), key: key.trim().to_owned() }
    }

    fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        self.caller.send_with(method, path, headers, Some(&self.key), body)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::POST, path, headers, body)
    }

    fn get(&self, path: &str) -> Value {
        self.caller.get(path, &self.key).read()
    }

    /// Its path.
    fn key(&self, name: &str) -> String {
        let made: Value = self.post(KEYS, &[], &new_key(name)).read();
        format!("{KEYS}/{}", made["key"]["id"].as_str().expect("an id"))
    }
}

fn new_key(name: &str) -> Value {
    json!({ "kind": "service", "name": name, "groups": ["hosts"], "capabilities": ["agent.enrol"] })
}

#[test]
fn the_second_of_two_editors_is_told() {
    let master = Master::start();
    let admin = Admin::of(&master);
    let key = admin.key("shared");
    let read = admin.caller.get(&key, &admin.key);
    let tag = read.header("etag").expect("a version").to_owned();
    assert_eq!(tag, format!("\"{}\"", read.read::<Value>()["version"]));
    let edit = |headers: &[(&str, &str)], text: &str| {
        admin.send(Method::PATCH, &key, headers, &json!({ "description": text }))
    };
    assert_eq!(edit(&[], "first").code(), "precondition-required");
    let first = edit(&[("if-match", &tag)], "first");
    let next = first.header("etag").expect("a version").to_owned();
    assert_ne!(next, tag);
    assert_eq!(edit(&[("if-match", &tag)], "second").code(), "precondition-failed");
    assert_eq!(admin.get(&key)["description"], "first");
    assert_eq!(edit(&[("if-match", &format!("W/{next}"))], "weak").code(), "precondition-failed");
    assert_eq!(edit(&[("if-match", "nonsense")], "bad").code(), "precondition-failed");
    assert_eq!(edit(&[("if-match", &next)], "second").status, 200);
    assert_eq!(edit(&[("if-match", "*")], "third").status, 200);

    let suspend = format!("{key}/suspend");
    assert_eq!(admin.post(&suspend, &[("if-match", &next)], &Value::Null).code(), "precondition-failed");
    assert_eq!(admin.post(&suspend, &[], &Value::Null).status, 200);
}

#[test]
fn a_creation_whose_answer_was_lost_gives_the_same_secret_again() {
    let mut master = Master::start();
    let admin = Admin::of(&master);
    let again = [("idempotency-key", "the-first-attempt")];
    let first: Value = admin.post(KEYS, &again, &new_key("once")).read();
    let second = admin.post(KEYS, &again, &new_key("once"));
    assert_eq!(second.status, 201);
    let second: Value = second.read();
    assert_eq!(second, first, "the same key with the same secret");
    assert_eq!(
        admin.get(KEYS)["items"].as_array().expect("a list").len(),
        2,
        "the administrator's and this one"
    );
    let other = admin.post(KEYS, &again, &new_key("other"));
    assert_eq!(other.code(), "idempotency-mismatch");
    let independent: Value = admin.post(KEYS, &[("idempotency-key", "another")], &new_key("two")).read();
    assert_ne!(independent["secret"], first["secret"]);
    assert_eq!(
        admin.post(KEYS, &[("idempotency-key", "with space")], &new_key("three")).code(),
        "bad-request"
    );

    // The master dies after it has created the key and before it has answered.
    master.kill();
    master.restart(vec![("GATEPASS_MASTER_STOP_AT", "key-create.after-commit".to_owned())]);
    let admin = Admin::of(&master);
    let lost = [("idempotency-key", "lost")];
    let died =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| admin.post(KEYS, &lost, &new_key("lost"))));
    assert!(died.is_err(), "there is no answer");
    master.restart(Vec::new());
    let admin = Admin::of(&master);
    let made: Value = admin.post(KEYS, &lost, &new_key("lost")).read();
    assert_eq!(admin.post(KEYS, &[], &new_key("lost")).code(), "name-taken", "it is there once");
    let secret = made["secret"].as_str().expect("a secret");
    let csr = crate::support::key_pair().csr();
    assert_eq!(admin.caller.enrol(secret, &csr).status, 200, "and its secret is good");
}

#[test]
fn a_refused_creation_claims_nothing() {
    let master = Master::start();
    let admin = Admin::of(&master);
    admin.key("taken");
    let again = [("idempotency-key", "mine")];
    assert_eq!(admin.post(KEYS, &again, &new_key("taken")).code(), "name-taken");
    assert_eq!(admin.post(KEYS, &again, &new_key("free")).status, 201);
}

#[test]
fn other_things_are_created_once_too() {
    let master = Master::start();
    let admin = Admin::of(&master);
    for (path, body) in [
        ("/api/v1/users", json!({ "name": "mara", "roles": ["auditor"] })),
        ("/api/v1/groups", json!({ "name": "batch" })),
        ("/api/v1/roles", json!({ "name": "Key Reader", "capabilities": ["key.read"] })),
        ("/api/v1/tokens", json!({ "name": "report", "roles": ["administrator"] })),
    ] {
        let again = [("idempotency-key", path)];
        let first = admin.post(path, &again, &body);
        assert_eq!(first.status, 201, "{path}: {first:?}");
        let second = admin.post(path, &again, &body);
        assert_eq!(second.status, 201, "{path}: {second:?}");
        assert_eq!(admin.post(path, &[], &body).code(), "name-taken", "{path}");
    }
}

#[test]
fn a_list_is_read_to_its_end_while_others_add_to_it() {
    let master = Master::start();
    let admin = Admin::of(&master);
    let before: Vec<_> = (0..25).map(|n| admin.key(&format!("key {n}"))).collect();
    for order in ["id", "expires", "created"] {
        let mut seen = Vec::new();
        let mut after = String::new();
        for page in 0.. {
            let answer = admin.get(&format!("{KEYS}?sort={order}&limit=4{after}"));
            let items = answer["items"].as_array().expect("items");
            assert!(items.len() <= 4);
            seen.extend(items.iter().map(|key| format!("{KEYS}/{}", key["id"].as_str().expect("an id"))));
            admin.key(&format!("{order} {page}"));
            let Some(next) = answer["next"].as_str() else { break };
            after = format!("&after={next}");
            assert!(page < 100, "it ends");
        }
        for key in &before {
            assert_eq!(seen.iter().filter(|one| *one == key).count(), 1, "{order}: {key}");
        }
    }
    assert_eq!(admin.caller.get(&format!("{KEYS}?after=nonsense!"), &admin.key).code(), "bad-request");
}

#[test]
fn the_audit_is_asked_for_page_by_page() {
    let master = Master::start();
    let admin = Admin::of(&master);
    let key = admin.key("watched");
    for change in ["suspend", "resume", "suspend", "revoke"] {
        admin.post(&format!("{key}/{change}"), &[], &json!({ "annotation": { "text": change } }));
    }
    let subject = format!("apikey:{}", key.rsplit('/').next().expect("an id"));
    let told = |query: &str| {
        let page = admin.get(&format!("/api/v1/audit?{query}"));
        let items = page["items"].as_array().expect("records").clone();
        items.iter().map(|record| record["action"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let whole = ["key.create", "key.suspend", "key.resume", "key.suspend", "key.revoke"];
    assert_eq!(told(&format!("subject={subject}")), whole);
    assert_eq!(told(&format!("subject={subject}&action=key.suspend")).len(), 2);
    assert_eq!(told(&format!("subject={subject}&user=administrator&limit=2")).len(), 2);
    assert!(told("user=nobody").is_empty());
    assert!(told("until=2001-01-01T00:00:00Z").is_empty());
    assert!(told("since=2100-01-01T00:00:00Z").is_empty());
    let mut records = Vec::new();
    let mut after = String::new();
    loop {
        let page = admin.get(&format!("/api/v1/audit?limit=3{after}"));
        records.extend(page["items"].as_array().expect("records").clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let records: Vec<_> =
        records.into_iter().map(|record| serde_json::from_value(record).expect("a record")).collect();
    let head = gatepass_contract::audit::verify(gatepass_contract::audit::Head::EMPTY, records);
    assert!(head.expect("the chain holds").seq >= 6);
    for bad in ["limit=0", "limit=501", "after=x", "since=yesterday", "page=2"] {
        assert_eq!(
            admin.caller.get(&format!("/api/v1/audit?{bad}"), &admin.key).code(),
            "bad-request",
            "{bad}"
        );
    }
}

#[test]
fn changes_are_explained_where_policy_wants_it() {
    let config = "\n[audit]\nannotation_required = [\"key.revoke\", \"group.*\"]\n";
    let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
    let admin = Admin::of(&master);
    let key = admin.key("explained");
    let revoke = format!("{key}/revoke");
    assert_eq!(admin.post(&revoke, &[], &Value::Null).code(), "annotation-required");
    assert_eq!(admin.post(&revoke, &[], &json!({ "annotation": { "text": " " } })).code(), "unacceptable");
    assert_eq!(admin.post("/api/v1/groups", &[], &json!({ "name": "batch" })).code(), "annotation-required");
    assert_eq!(admin.post(&format!("{key}/suspend"), &[], &Value::Null).status, 200, "not this one");
    let why = json!({ "annotation": { "category": "incident", "text": "stolen laptop", "ticket": "INC-7" } });
    assert_eq!(admin.post(&revoke, &[], &why).status, 200);
    let page = admin.get("/api/v1/audit?action=key.revoke");
    let outcomes: Vec<_> =
        page["items"].as_array().expect("records").iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["annotation-required", "unacceptable", "done"]);
    let detail: Value =
        serde_json::from_str(page["items"][2]["detail"].as_str().expect("text")).expect("JSON");
    assert_eq!(detail["annotation"], why["annotation"]);
}
