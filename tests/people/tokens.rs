//! API tokens: JWTs that others can verify and that the master can end.

use gatepass_contract::wire::path;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, names, said, text};
use crate::support::{Output, tool};

#[test]
fn a_token_works_until_it_is_ended_one_way_or_another() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let (id, first) = office.token(&ann, &["operator"]);
    let path = format!("/api/v1/tokens/{id}");
    let edit = |change: Value| said(&office.patch(&office.admin, &path, &change));
    assert_eq!(office.sees_agents(&first), "ok");
    let unlocked: Value = office.post(&office.admin, &format!("{path}/unlock"), &json!({})).read();
    let token = text(&unlocked, "jwt");
    assert_eq!(
        (office.sees_agents(&first), office.sees_agents(&token)),
        ("unauthenticated", "ok"),
        "superseded"
    );
    for (change, back, want) in [
        (json!({ "enabled": false }), json!({ "enabled": true }), "token-disabled"),
        (
            json!({ "networks": ["192.0.2.0/24"] }),
            json!({ "networks": ["127.0.0.1-127.0.0.9"] }),
            "network-not-allowed",
        ),
    ] {
        assert_eq!(edit(change), "ok");
        assert_eq!(office.sees_agents(&token), want);
        assert_eq!(edit(back), "ok");
        assert_eq!(office.sees_agents(&token), "ok");
    }
    office.post(&office.admin, &format!("{path}/expire"), &json!({})).read::<Value>();
    assert_eq!(office.sees_agents(&token), "token-expired");
    let shown: Value = office.caller.get(&path, &office.admin).read();
    assert_eq!((&shown["standing"], &shown["unlocked"]), (&"expired".into(), &2.into()));
    assert_eq!(shown["lastUsed"]["from"], "127.0.0.1");
    assert!(shown.get("jwt").is_none() && !shown.to_string().contains("eyJ"), "never shown again: {shown}");
    assert_eq!(said(&office.delete(&office.admin, &path)), "ok");
    assert_eq!(office.sees_agents(&token), "unauthenticated");
    assert_eq!(office.caller.get(&path, &office.admin).code(), "not-found");
}

#[test]
fn a_token_is_made_only_within_the_rules() {
    let office = Office::open();
    let ann = office.user("ann", &["operator", "user"]);
    let own = office.token(&ann, &["operator", "user"]).1;
    let make = |by: &str, body: Value| said(&office.post(by, "/api/v1/tokens", &body));
    for (by, body, want) in [
        (&own, json!({ "name": "mine", "roles": ["operator"] }), "ok"),
        (&own, json!({ "name": "mine", "roles": ["operator"] }), "name-taken"),
        (&own, json!({ "name": "more", "roles": ["auditor"] }), "capability-missing"),
        (&own, json!({ "name": "none", "roles": [] }), "unacceptable"),
        (
            &own,
            json!({ "name": "his", "user": "administrator", "roles": ["operator"] }),
            "capability-missing",
        ),
        (&own, json!({ "name": "ever", "roles": ["operator"], "expires": "never" }), "unacceptable"),
        (
            &own,
            json!({ "name": "past", "roles": ["operator"], "expires": { "at": "2020-01-01T00:00:00Z" } }),
            "unacceptable",
        ),
        (&office.admin, json!({ "name": "hers", "user": "ann", "roles": ["auditor"] }), "unacceptable"),
        (&office.admin, json!({ "name": "nobody's", "user": "nobody", "roles": ["user"] }), "bad-request"),
        (&office.admin, json!({ "name": "nobodys", "user": "nobody", "roles": ["user"] }), "unacceptable"),
    ] {
        assert_eq!(make(by, body.clone()), want, "{body}");
    }
    let operator = office.user("bob", &["operator"]);
    let by = office.key(&operator, &["agent.read"]);
    assert_eq!(
        make(&by, json!({ "name": "bobs", "roles": ["operator"] })),
        "capability-missing",
        "no token.create"
    );
}

#[test]
fn without_a_right_for_all_one_sees_ones_own_tokens_only() {
    let office = Office::open();
    let (ann, bob) = (office.user("ann", &["user"]), office.user("bob", &["user"]));
    let (_, hers) = office.token(&ann, &["user"]);
    let (other, _) = office.token(&bob, &["user"]);
    let list =
        |by: &str, query: &str| names(&office.caller.get(&format!("/api/v1/tokens{query}"), by).read());
    assert_eq!(list(&hers, ""), ["token of ann"]);
    assert_eq!(list(&hers, "?user=bob"), [""; 0]);
    let mut all = list(&office.admin, "");
    all.sort();
    assert_eq!(all, ["token of ann", "token of bob"]);
    assert_eq!(list(&office.admin, "?user=bob"), ["token of bob"]);
    let path = format!("/api/v1/tokens/{other}");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/unlock")),
        (Method::POST, format!("{path}/expire")),
    ] {
        assert_eq!(
            said(&office.edit(method.clone(), &hers, &path, &json!({}))),
            "not-found",
            "{method} {path}"
        );
    }
}

#[test]
fn tokens_and_passwords_survive_a_restart() {
    let mut office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let (_, token) = office.token(&ann, &["operator"]);
    let session = office.session(&ann, "correct horse battery");
    office.master.kill();
    office.master.restart(Vec::new());
    assert_eq!([&token, &session].map(|by| office.sees_agents(by)), ["ok"; 2]);
    assert_eq!(said(&office.sign_in("ann", "correct horse battery")), "ok");
}

#[test]
fn the_same_request_gets_the_same_token_again() {
    let office = Office::open();
    let body = json!({ "name": "ci", "roles": ["administrator"] }).to_string();
    let create = |body: &str| {
        let headers = [("idempotency-key", "once")];
        office.caller.send_with(
            Method::POST,
            "/api/v1/tokens",
            &headers,
            Some(&office.admin),
            Some(body.to_owned()),
        )
    };
    let (first, again): (Value, Value) = (create(&body).read(), create(&body).read());
    assert_eq!(first["token"]["id"], again["token"]["id"]);
    for made in [&first, &again] {
        assert_eq!(office.sees_agents(&text(made, "jwt")), "ok");
    }
    assert_eq!(create(&body.replace("ci", "cd")).code(), "idempotency-mismatch");
}

/// Opens a token as a service in Python would: with the published keys, for an audience, from an issuer.
const PYTHON: &str = r#"
import json, sys, jwt
token, keys = sys.argv[1], jwt.PyJWKSet.from_dict(json.loads(sys.argv[2]))
header = jwt.get_unverified_header(token)
key = next(key for key in keys.keys if key.key_id == header["kid"])
claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="gatepass", issuer="https://localhost",
    options={"require": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"]})
print(json.dumps({"header": header, "claims": claims}))
"#;

#[test]
fn another_language_verifies_a_token_with_the_published_keys() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let (id, token) = office.token(&ann, &["operator"]);
    let keys = office.caller.send(Method::GET, path::JWKS, None, None).body;
    let mut python = tool("/usr/bin/python3");
    let opened = Output::of(python.args(["-c", PYTHON, &token, &keys])).expect(0).json();
    assert_eq!(opened["header"]["typ"], "gatepass-api+jwt");
    let claims = &opened["claims"];
    assert_eq!((&claims["sub"], &claims["jti"]), (&"ann".into(), &format!("{id}.1").into()));
    assert_eq!(claims["scope"], "agent.enrol agent.read agent.revoke key.read");
    assert_eq!((&claims["roles"], &claims["name"]), (&json!(["operator"]), &"token of ann".into()));
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let spoilt = format!("{signed}.{}", "A".repeat(signature.len()));
    assert_eq!(office.sees_agents(&spoilt), "unauthenticated");
    assert_eq!(office.caller.get(path::SELF, &token).code(), "unauthenticated", "a user is no agent");
}
