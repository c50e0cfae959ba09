//! Signing in and out; what fails too often has to wait.

use gatepass_contract::secret::{ApiKey, Secret};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, said, text};
use crate::support::program;

const PASSWORD: &str = "correct horse battery";

#[test]
fn a_password_signs_in_until_signed_out() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let session = office.session(&ann, PASSWORD);
    let me: Value = office.caller.get("/api/v1/self", &session).read();
    assert_eq!((&me["user"], &me["credential"]), (&"ann".into(), &"session".into()));
    assert_eq!(me["capabilities"], json!(["agent.enrol", "agent.read", "agent.revoke", "key.read"]));
    let listed: Value = office.caller.get("/api/v1/tokens", &office.admin).read();
    assert_eq!(listed["items"], json!([]), "a session is no API token");
    assert_eq!(said(&office.delete(&session, "/api/v1/sessions/self")), "ok");
    assert_eq!(office.sees_agents(&session), "unauthenticated");
    assert_eq!(
        said(&office.delete(&office.admin, "/api/v1/sessions/self")),
        "unacceptable",
        "a key is no session"
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_alike() {
    let office = Office::open();
    let ann = office.user("ann", &[]);
    office.session(&ann, PASSWORD);
    office.user("nopass", &[]);
    let wrong = office.sign_in("ann", "wrong horse battery");
    assert_eq!(wrong.code(), "unauthenticated");
    let wrong = wrong.without_request_id();
    for (user, password) in
        [("nobody", PASSWORD), ("nopass", PASSWORD), ("ann", ""), ("ann", &"x".repeat(9000))]
    {
        assert_eq!(office.sign_in(user, password).without_request_id(), wrong, "{user}");
    }
    office.patch(&office.admin, "/api/v1/users/ann", &json!({ "enabled": false })).read::<Value>();
    assert_eq!(office.sign_in("ann", PASSWORD).without_request_id(), wrong, "disabled");
    assert!(!office.master.log().contains("horse"), "no password in the log");
}

#[test]
fn a_new_password_ends_all_other_sessions() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    let (first, second) =
        (office.session(&ann, PASSWORD), text(&office.sign_in("ann", PASSWORD).read(), "token"));
    let path = "/api/v1/users/ann/password";
    let set = |by: &str, body: Value| said(&office.edit(Method::PUT, by, path, &body));
    let next = "another horse battery";
    assert_eq!(set(&first, json!({ "password": next })), "unacceptable", "the present one is missing");
    assert_eq!(set(&first, json!({ "password": next, "present": "wrong horse" })), "unacceptable");
    assert_eq!(set(&first, json!({ "password": next, "present": PASSWORD })), "ok");
    assert_eq!([&first, &second].map(|by| office.sees_agents(by)), ["ok", "unauthenticated"]);
    assert_eq!(said(&office.sign_in("ann", PASSWORD)), "unauthenticated");
    assert_eq!(said(&office.sign_in("ann", next)), "ok");
    let without_version =
        office.caller.send(Method::PUT, path, Some(&first), Some(json!({ "password": next }).to_string()));
    assert_eq!(without_version.code(), "precondition-required");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long somebody else takes is what is compared here")]
fn an_unknown_user_costs_as_much_as_a_wrong_password() {
    let office = Office::open();
    let ann = office.user("ann", &[]);
    office.session(&ann, PASSWORD);
    let took = |user: &str| {
        let since = std::time::Instant::now();
        assert_eq!(said(&office.sign_in(user, "wrong horse battery")), "unauthenticated");
        since.elapsed()
    };
    let (mut known, mut unknown): (Vec<_>, Vec<_>) = (0..7).map(|_| (took("ann"), took("nobody"))).unzip();
    known.sort();
    unknown.sort();
    // Far less than what hashing takes, and far more than what a busy machine adds to one of them alone.
    assert!(unknown[3] * 2 > known[3], "{unknown:?} {known:?}");
}

/// The same key with another secret.
fn spoilt(key: &str) -> String {
    let key = ApiKey::parse(key).expect("a key");
    ApiKey::new(key.id(), Secret::new([7; 32]), key.pin()).reveal().to_string()
}

#[test]
fn who_fails_too_often_waits_and_a_right_key_does_not() {
    let office = Office::with("[limits]\nfailed_attempts = 5\n");
    let wrong = spoilt(&office.admin);
    for attempt in 0..5 {
        assert_eq!(office.sees_agents(&wrong), "api-key-refused", "{attempt}");
    }
    for _ in 0..3 {
        let limited = office.caller.get("/api/v1/agents", &wrong);
        assert_eq!((limited.status, limited.code()), (429, "rate-limited"));
        let wait: u64 = limited.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(office.sees_agents(&office.admin), "ok", "a right key is let in");
    assert_eq!(
        said(&office.sign_in("administrator", PASSWORD)),
        "rate-limited",
        "before any work is done for it"
    );
    let export = std::process::Command::new(program("gatepass-master"))
        .args(["audit", "export", "--dir"])
        .arg(office.master.dir())
        .output()
        .expect("it runs");
    let audit = String::from_utf8(export.stdout).expect("text");
    assert_eq!(audit.matches("\"outcome\":\"rate-limited\"").count(), 1, "written down once:\n{audit}");
    assert_eq!(audit.matches("\"outcome\":\"api-key-refused\"").count(), 5);
}
