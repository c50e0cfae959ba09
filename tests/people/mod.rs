//! Users, roles, sessions and API tokens over REST: whatever is changed about somebody is felt by the very next request of
//! theirs, and nobody gets more than they have.

mod giving;
mod once;
mod sessions;
mod tokens;

use gatepass_contract::name::{RoleName, UserName};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Master, MasterOptions};

/// A master with its first administrator.
struct Office {
    master: Master,
    caller: Caller,
    admin: String,
}

impl Office {
    fn open() -> Self {
        Self::with("")
    }

    fn with(config: &'static str) -> Self {
        let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
        let (caller, admin) = (Caller::of(&master), master.dir().join("admin.key"));
        let admin = std::fs::read_to_string(admin).expect("init wrote it").trim().to_owned();
        Self { master, caller, admin }
    }

    fn post(&self, by: &str, path: &str, body: &Value) -> Answer {
        self.caller.post(path, by, body)
    }

    /// A `PATCH` or a `PUT` of whatever version there is.
    fn edit(&self, method: Method, by: &str, path: &str, body: &Value) -> Answer {
        self.caller.send_with(method, path, &[("if-match", "*")], Some(by), Some(body.to_string()))
    }

    fn patch(&self, by: &str, path: &str, body: &Value) -> Answer {
        self.edit(Method::PATCH, by, path, body)
    }

    fn delete(&self, by: &str, path: &str) -> Answer {
        self.caller.send(Method::DELETE, path, Some(by), None)
    }

    /// A new user with these roles.
    fn user(&self, name: &str, roles: &[&str]) -> UserName {
        self.post(&self.admin, "/api/v1/users", &json!({ "name": name, "roles": roles })).read::<Value>();
        name.parse().expect("a user name")
    }

    /// A new role with these capabilities.
    fn role(&self, name: &str, capabilities: &[&str]) -> RoleName {
        let role = json!({ "name": name, "capabilities": capabilities });
        self.post(&self.admin, "/api/v1/roles", &role).read::<Value>();
        name.parse().expect("a role name")
    }

    /// A new personal key of that user.
    fn key(&self, owner: &UserName, capabilities: &[&str]) -> String {
        let key = json!({ "kind": "personal", "name": format!("key of {owner}"), "owner": owner, "capabilities": capabilities });
        text(&self.post(&self.admin, "/api/v1/apikeys", &key).read(), "secret")
    }

    /// A new token of that user: its id and its JWT.
    fn token(&self, user: &UserName, roles: &[&str]) -> (String, String) {
        let token = json!({ "name": format!("token of {user}"), "user": user, "roles": roles });
        let made: Value = self.post(&self.admin, "/api/v1/tokens", &token).read();
        (text(&made["token"], "id"), text(&made, "jwt"))
    }

    /// Gives a user a password and signs them in with it: the session's token.
    fn session(&self, user: &UserName, password: &str) -> String {
        let path = format!("/api/v1/users/{user}/password");
        self.edit(Method::PUT, &self.admin, &path, &json!({ "password": password })).read::<Value>();
        text(&self.sign_in(user.as_str(), password).read(), "token")
    }

    fn sign_in(&self, user: &str, password: &str) -> Answer {
        let body = json!({ "user": user, "password": password }).to_string();
        self.caller.send(Method::POST, "/api/v1/sessions", None, Some(body))
    }

    /// What a call that needs `agent.read` comes to: `ok`, or the code of the refusal.
    fn sees_agents(&self, by: &str) -> &'static str {
        said(&self.caller.get("/api/v1/agents", by))
    }
}

/// `ok`, or the code of the refusal.
fn said(answer: &Answer) -> &'static str {
    if answer.status < 300 { "ok" } else { answer.code() }
}

fn text(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap_or_else(|| panic!("{member} in {object}")).to_owned()
}

/// Every name on the first page of a list.
fn names(page: &Value) -> Vec<String> {
    page["items"].as_array().expect("items").iter().map(|item| text(item, "name")).collect()
}

#[test]
fn demotion_and_disabling_are_felt_by_the_very_next_request() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let (key, (_, token)) = (office.key(&ann, &["agent.read"]), office.token(&ann, &["operator"]));
    let session = office.session(&ann, "correct horse battery");
    let seen = || [&key, &token, &session].map(|by| office.sees_agents(by));
    assert_eq!(seen(), ["ok"; 3]);
    let edit = |change: Value| office.patch(&office.admin, "/api/v1/users/ann", &change).read::<Value>();
    edit(json!({ "roles": ["user"] }));
    assert_eq!(seen(), ["capability-missing"; 3]);
    edit(json!({ "roles": ["operator"] }));
    assert_eq!(seen(), ["ok"; 3]);
    edit(json!({ "enabled": false }));
    assert_eq!(seen()[..2], ["owner-inactive"; 2]);
    assert_eq!(seen()[2], "unauthenticated", "disabling ends the sessions");
    edit(json!({ "enabled": true }));
    assert_eq!(seen(), ["ok", "ok", "unauthenticated"]);
    assert_eq!(said(&office.delete(&office.admin, "/api/v1/users/ann")), "ok");
    assert_eq!(seen(), ["owner-inactive", "owner-inactive", "unauthenticated"]);
    assert_eq!(office.caller.get("/api/v1/users/ann", &office.admin).code(), "not-found");
    let again = office.post(&office.admin, "/api/v1/users", &json!({ "name": "ann" }));
    assert_eq!(again.code(), "name-taken", "nobody else ever bears the name");
}

#[test]
fn what_a_role_or_a_group_means_is_felt_by_all_who_have_it() {
    let office = Office::open();
    office.role("watch", &["agent.read"]);
    let group = json!({ "name": "night-shift", "roles": ["watch"] });
    office.post(&office.admin, "/api/v1/groups", &group).read::<Value>();
    let user = json!({ "name": "ann", "groups": ["night-shift"] });
    let made: Value = office.post(&office.admin, "/api/v1/users", &user).read();
    assert_eq!(made["capabilities"], json!(["agent.read"]));
    let ann: UserName = "ann".parse().expect("a name");
    let (key, (_, token)) = (office.key(&ann, &["agent.read"]), office.token(&ann, &["watch"]));
    let seen = || [&key, &token].map(|by| office.sees_agents(by));
    assert_eq!(seen(), ["ok"; 2]);
    let edit = |path: &str, change: Value| said(&office.patch(&office.admin, path, &change));
    assert_eq!(edit("/api/v1/roles/watch", json!({ "capabilities": ["audit.read"] })), "ok");
    assert_eq!(seen(), ["capability-missing"; 2]);
    assert_eq!(edit("/api/v1/roles/watch", json!({ "capabilities": ["agent.read"] })), "ok");
    assert_eq!(edit("/api/v1/groups/night-shift", json!({ "roles": [] })), "ok");
    assert_eq!(seen(), ["capability-missing"; 2]);
    assert_eq!(edit("/api/v1/groups/night-shift", json!({ "roles": ["watch"] })), "ok");
    assert_eq!(seen(), ["ok"; 2]);
    for path in ["/api/v1/groups/night-shift", "/api/v1/roles/watch"] {
        assert_eq!(said(&office.delete(&office.admin, path)), "in-use", "{path}");
    }
    assert_eq!(edit("/api/v1/users/ann", json!({ "groups": [] })), "ok");
    assert_eq!(said(&office.delete(&office.admin, "/api/v1/groups/night-shift")), "ok");
    assert_eq!(said(&office.delete(&office.admin, "/api/v1/roles/watch")), "ok");
    assert_eq!(seen(), ["capability-missing"; 2]);
}

#[test]
fn people_are_listed_by_name_in_pages() {
    let office = Office::open();
    for name in ["bob", "ann", "cid"] {
        office.user(name, &[]);
    }
    let page: Value = office.caller.get("/api/v1/users?limit=2", &office.admin).read();
    assert_eq!((names(&page), &page["next"]), (vec!["administrator".into(), "ann".into()], &"ann".into()));
    office.user("abe", &[]);
    let page: Value = office.caller.get("/api/v1/users?limit=2&after=ann", &office.admin).read();
    assert_eq!((names(&page), &page["next"]), (vec!["bob".into(), "cid".into()], &Value::Null));
    let roles: Value = office.caller.get("/api/v1/roles", &office.admin).read();
    let builtin =
        ["administrator", "approver", "auditor", "key-manager", "operator", "token-manager", "user"];
    assert_eq!(names(&roles), builtin);
}

#[test]
fn who_calls_is_told_and_what_everything_is_called_elsewhere() {
    let office = Office::open();
    let me: Value = office.caller.get("/api/v1/self", &office.admin).read();
    assert_eq!((&me["user"], &me["credential"]), (&"administrator".into(), &"apikey".into()));
    let table: Value = office.caller.get("/api/v1/capabilities", &office.admin).read();
    let rows = table.as_array().expect("a table");
    assert_eq!(rows.len(), me["capabilities"].as_array().expect("capabilities").len());
    let enrol = rows.iter().find(|row| row["capability"] == "agent.enrol").expect("it is there");
    let alias = json!({ "product": "workload-automation", "name": "AGENT_CERTIFICATE" });
    assert!(enrol["aliases"].as_array().expect("aliases").contains(&alias), "{enrol}");
}
