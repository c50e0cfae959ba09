//! The whole life of API keys over REST: what waits for approval admits nobody, a rotation ends when everybody has the new
//! secret or when its time is over, several keys go together or not at all, and agents that are enrolled notice nothing.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::wire::path;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Master, MasterOptions, application, eventually, key_pair};

const KEYS: &str = path::API_KEYS;
const SOON: Duration = Duration::from_secs(20);

/// A master with an administrator, and what everybody does with it.
struct Office {
    master: Master,
    caller: Caller,
    admin: String,
}

impl Office {
    fn with(config: &'static str) -> Self {
        let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
        let (caller, admin) = (Caller::of(&master), master.dir().join("admin.key"));
        let admin = std::fs::read_to_string(admin).expect("init wrote it").trim().to_owned();
        Self { master, caller, admin }
    }

    fn post(&self, by: &str, path: &str, body: &Value) -> Answer {
        self.caller.post(path, by, body)
    }

    /// Somebody with a key of their own that may all of this.
    fn person(&self, name: &str, role: &str, capabilities: &[&str]) -> String {
        self.post(&self.admin, path::USERS, &json!({ "name": name, "roles": [role] })).read::<Value>();
        let key = json!({ "kind": "personal", "name": format!("of {name}"), "owner": name, "capabilities": capabilities });
        secret(&self.post(&self.admin, KEYS, &key).read())
    }

    fn approver(&self) -> String {
        self.person("grace", "approver", &["key.read", "key.approve"])
    }

    /// A key for hosts: its id and its secret.
    fn key(&self, name: &str) -> (String, String) {
        let made: Value = self.post(&self.admin, KEYS, &hosts(name)).read();
        (made["key"]["id"].as_str().expect("an id").to_owned(), secret(&made))
    }

    fn act(&self, by: &str, id: &str, what: &str, body: &Value) -> Answer {
        self.post(by, &format!("{KEYS}/{id}/{what}"), body)
    }

    fn shown(&self, id: &str) -> Value {
        self.caller.get(&format!("{KEYS}/{id}"), &self.admin).read()
    }

    /// What an enrolment by that host comes to.
    fn enrol(&self, key: &str, host: u8) -> Answer {
        let mut request = application(&key_pair().csr());
        request.facts.machine = Some(Sha256([host; 32]));
        self.caller.post(path::AGENTS, key, &request)
    }
}

fn hosts(name: &str) -> Value {
    json!({ "kind": "service", "name": name, "groups": ["hosts"], "capabilities": ["agent.enrol"] })
}

fn secret(created: &Value) -> String {
    created["secret"].as_str().expect("it is shown once").to_owned()
}

#[test]
fn a_key_that_waits_admits_nobody_until_somebody_else_agrees() {
    let office = Office::with("\n[approval]\ncreation = [\"service\"]\n");
    let approver = office.approver();
    let (id, key) = office.key("wanted");
    let shown = office.shown(&id);
    assert_eq!((&shown["state"], &shown["pending"]["kind"]), (&"pending".into(), &"creation".into()));
    assert_eq!(office.enrol(&key, 1).code(), "api-key-pending");
    assert_eq!(office.act(&office.admin, &id, "approve", &json!({})).code(), "own-request");
    let reader = office.person("rita", "auditor", &["key.read"]);
    assert_eq!(office.act(&reader, &id, "approve", &json!({})).code(), "capability-missing");
    assert_eq!(office.act(&approver, &id, "reject", &json!({})).code(), "unacceptable");
    let waiting: Value = office.caller.get("/api/v1/approvals?state=pending", &approver).read();
    assert_eq!(
        (&waiting["items"][0]["keyName"], waiting["items"].as_array().map(Vec::len)),
        (&"wanted".into(), Some(1))
    );
    assert_eq!(
        office.act(&approver, &id, "approve", &json!({ "reason": "fine" })).read::<Value>()["state"],
        "active"
    );
    office.enrol(&key, 1).issued();
    let again = office.act(&approver, &id, "reject", &json!({ "reason": "no" }));
    assert_eq!(again.code(), "illegal-move");
    assert!(again.problem().detail.contains("active"), "it names the state");
    let (id, key) = office.key("unwanted");
    office.act(&approver, &id, "reject", &json!({ "reason": "use the other one" })).read::<Value>();
    assert_eq!(office.enrol(&key, 1).code(), "api-key-refused");
    let rejected: Value = office.caller.get("/api/v1/approvals?state=rejected", &office.admin).read();
    let told = &rejected["items"][0];
    assert_eq!((&told["reason"], &told["decidedBy"]), (&"use the other one".into(), &"grace".into()));
}

#[test]
fn a_rotation_ends_when_both_hosts_have_the_new_secret() {
    let office = Office::with("");
    let (id, old) = office.key("rotated");
    for host in [1, 2] {
        office.enrol(&old, host).issued();
    }
    let rotated: Value = office.act(&office.admin, &id, "rotate", &json!({})).read();
    assert_eq!(
        (&rotated["key"]["rotation"]["state"], &rotated["key"]["rotation"]["waiting"]),
        (&"ready".into(), &2.into())
    );
    let new = secret(&rotated);
    assert_ne!(new, old);
    assert_eq!(office.act(&office.admin, &id, "rotate", &json!({})).code(), "illegal-move");
    office.enrol(&new, 1).issued();
    let rotation = office.shown(&id)["rotation"].clone();
    assert_eq!((&rotation["state"], &rotation["waiting"]), (&"overlap".into(), &1.into()));
    office.enrol(&old, 2).issued();
    office.enrol(&new, 2).issued();
    assert_eq!(office.shown(&id)["rotation"], Value::Null);
    assert_eq!(office.enrol(&old, 2).code(), "api-key-refused");
    office.enrol(&new, 3).issued();
    let usage: Value = office.caller.get(&format!("{KEYS}/{id}/usage"), &office.admin).read();
    assert_eq!((&usage["agentsInAll"], usage["callers"].as_array().map(Vec::len)), (&6.into(), Some(3)));
    assert!(usage["callers"].as_array().expect("three").iter().all(|caller| caller["newestSecret"] == true));
}

#[test]
fn a_rotation_ends_at_its_deadline_whoever_is_left() {
    let office = Office::with("");
    let (id, old) = office.key("in a hurry");
    office.enrol(&old, 1).issued();
    let rotated: Value = office.act(&office.admin, &id, "rotate", &json!({ "overlap": "3s" })).read();
    office.enrol(&old, 2).issued();
    eventually("the time of both is over", SOON, || office.enrol(&old, 1).status == 401);
    office.enrol(&secret(&rotated), 1).issued();
    // Nobody needs to have written that down before the next one.
    office.act(&office.admin, &id, "rotate", &json!({ "overlap": "0s" })).read::<Value>();
    assert_eq!(office.enrol(&secret(&rotated), 1).code(), "api-key-refused");
}

#[test]
fn several_keys_are_deleted_together_or_not_at_all_even_when_the_master_dies() {
    let mut office = Office::with("");
    let ids: Vec<_> = (0..6).map(|n| office.key(&format!("old {n}")).0).collect();
    let (active, _) = office.key("active");
    for id in &ids {
        office.act(&office.admin, id, "revoke", &json!({})).read::<Value>();
    }
    let mut more = ids.clone();
    more.push(active.clone());
    let refused = office.post(&office.admin, path::API_KEYS_DELETE, &json!({ "ids": more }));
    assert_eq!(refused.code(), "illegal-move");
    assert!(refused.problem().detail.contains(&active), "{refused:?}");
    let left = |office: &Office| {
        let page: Value = office.caller.get(&format!("{KEYS}?state=revoked"), &office.admin).read();
        page["items"].as_array().expect("a page").len()
    };
    for (point, want) in
        [("keys-delete.half", 6), ("keys-delete.before-commit", 6), ("keys-delete.after-commit", 0)]
    {
        office.master.kill();
        office.master.restart(vec![("GATEPASS_MASTER_STOP_AT", point.to_owned())]);
        let body = json!({ "ids": ids }).to_string();
        let admin = office.admin.clone();
        let answer = office.caller.try_send(Method::POST, path::API_KEYS_DELETE, &admin, body);
        assert_eq!(answer, None, "the master dies at {point}");
        office.master.process().ended(SOON);
        office.master.restart(Vec::new());
        assert_eq!(left(&office), want, "{point}");
    }
    let gone = office.post(&office.admin, path::API_KEYS_DELETE, &json!({ "ids": ids }));
    assert_eq!(gone.code(), "not-found");
    office.key("old 0");
}

#[test]
fn enrolled_agents_notice_nothing_of_what_happens_to_their_key() {
    let office = Office::with("");
    let (id, key) = office.key("of the hosts");
    let held = key_pair();
    let agent = office.caller.enrol(&key, &held.csr()).issued();
    let renews = |what: &str| {
        let issued = office.caller.renew(agent.agent, (1, &held), &held);
        assert_eq!(issued.issued().generation, 1, "{what}");
    };
    for what in ["suspend", "resume", "rotate", "revoke"] {
        office.act(&office.admin, &id, what, &json!({})).read::<Value>();
        renews(what);
    }
    assert_eq!(office.caller.enrol(&key, &key_pair().csr()).code(), "api-key-refused");
    let path = format!("{KEYS}/{id}");
    assert_eq!(office.caller.send(Method::DELETE, &path, Some(&office.admin), None).status, 204);
    renews("delete");
    assert_eq!(office.caller.get(&path, &office.admin).code(), "not-found");
    let deleted: Value = office.caller.get(&format!("{KEYS}?state=deleted"), &office.admin).read();
    assert_eq!(deleted["items"][0]["id"], id.as_str());
}

#[test]
fn one_looks_after_ones_own_keys_and_does_not_see_those_of_others() {
    let office = Office::with("");
    let (others, _) = office.key("not hers");
    let ada = office.person("ada", "user", &["key.create"]);
    let mut own = hosts("hers");
    (own["kind"], own["capabilities"]) = ("personal".into(), json!(["key.create"]));
    let made: Value = office.post(&ada, KEYS, &own).read();
    let id = made["key"]["id"].as_str().expect("an id");
    assert_eq!(office.post(&ada, KEYS, &hosts("a service key")).code(), "capability-missing");
    assert_eq!(office.act(&ada, &others, "suspend", &json!({})).code(), "not-found");
    assert_eq!(office.caller.get(&format!("{KEYS}/{others}"), &ada).code(), "not-found");
    office.act(&ada, id, "suspend", &json!({})).read::<Value>();
    let list: Value = office.caller.get(KEYS, &ada).read();
    let names: Vec<_> =
        list["items"].as_array().expect("a page").iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(
        office.caller.get(&format!("{KEYS}?owner=administrator"), &ada).read::<Value>()["items"],
        json!([])
    );
    let summary: Value = office.caller.get(path::API_KEY_SUMMARY, &ada).read();
    assert_eq!((&summary["valid"], &summary["suspended"]), (&1.into(), &1.into()));
    let reader = office.person("rita", "auditor", &["key.read"]);
    assert_eq!(office.act(&reader, &others, "suspend", &json!({})).code(), "capability-missing");
}

#[test]
fn a_narrow_key_does_not_get_a_wider_one_of_the_same_owner() {
    let office = Office::with("");
    let (_, narrow) = office.key("for hosts");
    let myself: Value = office.caller.get(path::CALLER, &office.admin).read();
    let wide = myself["id"].as_str().expect("the administrator's own key");
    for what in ["rotate", "suspend", "revoke"] {
        assert_eq!(office.act(&narrow, wide, what, &json!({})).code(), "capability-missing", "{what}");
    }
    let manager = office.person("mary", "key-manager", &["key.read", "key.manage", "key.create"]);
    assert_eq!(office.act(&manager, wide, "rotate", &json!({})).code(), "capability-missing");
    let (own, _) = office.key("hosts of the administrator");
    assert_eq!(office.act(&manager, &own, "suspend", &json!({})).read::<Value>()["state"], "suspended");
}
