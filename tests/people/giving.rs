//! Nobody gives what they do not have, changes who has more than they, or gets more through a side door.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, said, text};

/// Somebody who looks after people, and may do nothing else.
fn clerk(office: &Office) -> String {
    office.role("clerk", &["user.read", "user.manage"]);
    let carl = office.user("carl", &["clerk"]);
    office.key(&carl, &["user.read", "user.manage"])
}

#[test]
fn a_clerk_gives_what_a_clerk_has_and_no_more() {
    let office = Office::open();
    let clerk = clerk(&office);
    office.user("ann", &["operator"]);
    let try_to = |method: Method, path: &str, body: Value| said(&office.edit(method, &clerk, path, &body));
    for (method, path, body, want) in [
        (Method::POST, "/users", json!({ "name": "bob" }), "ok"),
        (Method::POST, "/users", json!({ "name": "bea", "roles": ["clerk"] }), "ok"),
        (Method::POST, "/users", json!({ "name": "boss", "roles": ["administrator"] }), "capability-missing"),
        (Method::POST, "/users", json!({ "name": "boss", "roles": ["no-such"] }), "unacceptable"),
        (Method::POST, "/groups", json!({ "name": "bosses", "roles": ["operator"] }), "capability-missing"),
        (Method::POST, "/groups", json!({ "name": "clerks", "roles": ["clerk"] }), "ok"),
        (
            Method::POST,
            "/roles",
            json!({ "name": "boss", "capabilities": ["audit.read"] }),
            "capability-missing",
        ),
        (
            Method::POST,
            "/roles",
            json!({ "name": "boss", "capabilities": ["master.manage"] }),
            "unacceptable",
        ),
        (Method::POST, "/roles", json!({ "name": "boss", "capabilities": [] }), "unacceptable"),
        (Method::PATCH, "/users/bob", json!({ "roles": ["clerk"], "fullName": "Bob" }), "ok"),
        (Method::PATCH, "/users/bob", json!({ "roles": ["operator"] }), "capability-missing"),
        (Method::PATCH, "/users/ann", json!({ "fullName": "Ann" }), "capability-missing"),
        (Method::PATCH, "/users/carl", json!({ "roles": ["administrator"] }), "capability-missing"),
        (Method::PATCH, "/users/administrator", json!({ "enabled": false }), "capability-missing"),
        (Method::PATCH, "/roles/operator", json!({ "description": "x" }), "unacceptable"),
        (
            Method::PATCH,
            "/roles/clerk",
            json!({ "capabilities": ["user.read", "key.read"] }),
            "capability-missing",
        ),
        (Method::DELETE, "/users/administrator", json!({}), "capability-missing"),
        (Method::DELETE, "/users/ann", json!({}), "capability-missing"),
        (Method::PUT, "/users/ann/password", json!({ "password": "correct horse" }), "capability-missing"),
        (Method::PUT, "/users/bob/password", json!({ "password": "correct horse" }), "ok"),
        (Method::PUT, "/users/bob/password", json!({ "password": "short" }), "unacceptable"),
    ] {
        let said = try_to(method.clone(), &format!("/api/v1{path}"), body.clone());
        assert_eq!(said, want, "{method} {path} {body}");
    }
}

#[test]
fn a_narrow_key_of_somebody_mighty_is_no_way_to_their_might() {
    let office = Office::open();
    let narrow =
        json!({ "kind": "personal", "name": "narrow", "capabilities": ["token.create", "user.read"] });
    let narrow: Value = office.post(&office.admin, "/api/v1/apikeys", &narrow).read();
    let narrow = text(&narrow, "secret");
    let token = json!({ "name": "mighty", "roles": ["administrator"] });
    let made: Value = office.post(&office.admin, "/api/v1/tokens", &token).read();
    let path = format!("/api/v1/tokens/{}", text(&made["token"], "id"));
    let password = json!({ "password": "correct horse" });
    let own = "/api/v1/users/administrator/password";
    assert_eq!(said(&office.edit(Method::PUT, &narrow, own, &password)), "capability-missing");
    assert_eq!(said(&office.post(&narrow, &format!("{path}/unlock"), &json!({}))), "capability-missing");
    assert_eq!(said(&office.patch(&narrow, &path, &json!({ "networks": [] }))), "capability-missing");
    let another = json!({ "name": "another", "roles": ["administrator"] });
    assert_eq!(said(&office.post(&narrow, "/api/v1/tokens", &another)), "capability-missing");
    assert_eq!(office.sees_agents(&text(&made, "jwt")), "ok", "nothing has happened to it");
}

#[test]
fn somebody_may_always_do_everything() {
    let office = Office::open();
    let own = "/api/v1/users/administrator";
    let refused = |change: Value| said(&office.patch(&office.admin, own, &change));
    for change in [json!({ "enabled": false }), json!({ "roles": ["operator"] })] {
        assert_eq!(refused(change), "unacceptable");
    }
    assert_eq!(said(&office.delete(&office.admin, own)), "unacceptable");
    let group = json!({ "name": "admins", "roles": ["administrator"] });
    office.post(&office.admin, "/api/v1/groups", &group).read::<Value>();
    assert_eq!(refused(json!({ "roles": [], "groups": ["admins"] })), "ok", "one still, through a group");
    let admins = "/api/v1/groups/admins";
    assert_eq!(said(&office.patch(&office.admin, admins, &json!({ "roles": [] }))), "unacceptable");
    office.user("second", &["administrator"]);
    assert_eq!(said(&office.patch(&office.admin, admins, &json!({ "roles": [] }))), "ok");
    assert_eq!(office.sees_agents(&office.admin), "capability-missing", "the first one is none any more");
}
