//! A password for a key that enrols one host: what a host is set up with that was given no API key.

use gatepass::clock::{MasterTime, SystemClock};
use gatepass::keys::KeyPair;
use gatepass::master::{Client, Endpoint, Trust};
use gatepass_contract::pki::{Anchors, KeyKind};
use gatepass_contract::secret::Password;
use gatepass_contract::wire::path;
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Office, said, text};
use crate::support::{Answer, Output, program, tool};

const PASSWORD: &str = "correct horse battery";

fn ask(office: &Office, user: &str, password: &str) -> Answer {
    let body = json!({ "user": user, "password": password, "name": "db7" }).to_string();
    office.caller.send(Method::POST, path::ENROLMENT_KEY, None, Some(body))
}

fn csr() -> String {
    KeyPair::generate(KeyKind::EcdsaP256).csr()
}

#[test]
fn a_password_enrols_one_host_and_is_kept_nowhere() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    office.session(&ann, PASSWORD);
    let made: Value = ask(&office, "ann", PASSWORD).read();
    let key = text(&made, "secret");
    assert_eq!(said(&office.caller.enrol(&key, &csr())), "ok");
    assert_eq!(said(&office.caller.enrol(&key, &csr())), "api-key-used-up");
    assert_eq!(office.sees_agents(&key), "capability-missing", "it can do nothing else");
    let shown: Value =
        office.caller.get(&format!("/api/v1/apikeys/{}", text(&made, "id")), &office.admin).read();
    assert_eq!(
        (&shown["owner"], &shown["creator"], &shown["uses"]),
        (&"ann".into(), &"ann".into(), &1.into())
    );
    assert!(text(&shown, "description").contains("db7"), "{shown}");
    assert_eq!(shown["expires"]["at"], made["expires"]);
    let created: Value = office.caller.get("/api/v1/audit?action=key.create", &office.admin).read();
    let last = created["items"].as_array().expect("records").last().expect("one").clone();
    assert_eq!((&last["actor"], &last["outcome"]), (&"user:ann/password".into(), &"done".into()));
    let everywhere = Output::of(tool("grep").arg("-rl").arg(PASSWORD).arg(office.master.dir()));
    assert_eq!((everywhere.code, office.master.log().contains("horse")), (Some(1), false), "{everywhere:?}");
}

#[test]
fn a_password_that_is_not_right_is_answered_and_counted_as_for_signing_in() {
    let office = Office::with("[limits]\nfailed_attempts = 5\n");
    let ann = office.user("ann", &["operator"]);
    office.session(&ann, PASSWORD);
    let wrong = ask(&office, "ann", "wrong horse battery");
    assert_eq!(wrong.code(), "unauthenticated");
    assert_eq!(ask(&office, "nobody", PASSWORD).without_request_id(), wrong.without_request_id());
    office.patch(&office.admin, "/api/v1/users/ann", &json!({ "enabled": false })).read::<Value>();
    assert_eq!(ask(&office, "ann", PASSWORD).without_request_id(), wrong.without_request_id());
    office.sign_in("ann", "wrong horse battery");
    office.sign_in("ann", "wrong horse battery");
    assert_eq!(said(&ask(&office, "ann", PASSWORD)), "rate-limited", "however it was tried");
}

#[test]
fn a_password_gets_around_no_rule() {
    let office = Office::with("[approval]\ncreation = ['personal']\n");
    office.user("bob", &["auditor"]);
    let (ann, bob) = (office.user("ann", &["operator"]), "bob".parse().expect("a name"));
    office.session(&ann, PASSWORD);
    office.session(&bob, PASSWORD);
    assert_eq!(said(&ask(&office, "bob", PASSWORD)), "capability-missing");
    let waits = ask(&office, "ann", PASSWORD);
    assert!(waits.code() == "unacceptable" && waits.body.contains("consent"), "{waits:?}");
    let refused: Value = office.caller.get("/api/v1/audit?action=key.create", &office.admin).read();
    for (user, outcome) in [("ann", "unacceptable"), ("bob", "capability-missing")] {
        let told = refused["items"].as_array().expect("records").iter();
        let mut told = told.filter(|record| record["subject"] == format!("user:{user}"));
        assert!(told.any(|record| record["outcome"] == outcome), "{refused}");
    }
}

#[test]
fn the_agents_client_gets_such_a_key_sees_how_it_stands_and_what_it_pins() {
    let office = Office::open();
    let ann = office.user("ann", &["operator"]);
    office.session(&ann, PASSWORD);
    let root = std::fs::read_to_string(office.master.dir().join("root-ca.crt")).expect("a root");
    let endpoint = Endpoint {
        masters: vec![office.master.url().parse().expect("a URL")],
        trust: Trust::Pinned(Anchors::from_pem(&root).expect("anchors")),
        gateways: Vec::new(),
        egress: gatepass::net::Egress::default(),
        connect_timeout: std::time::Duration::from_secs(5),
        timeout: std::time::Duration::from_secs(10),
    };
    let client = Client::new(endpoint, MasterTime::new(std::sync::Arc::new(SystemClock)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let key = runtime.block_on(async {
        let password = Password::new(Zeroizing::new(PASSWORD.to_owned()));
        let key = client.enrolment_key(ann.clone(), password, "db7".parse().expect("a name"));
        let key = key.await.expect("a key");
        let own = client.own_key(&key).await.expect("how it stands");
        assert_eq!((own.id, own.uses_left, own.refusal, own.owner), (key.id(), Some(1), None, ann));
        assert_eq!(client.offered().await.expect("anchors"), [key.pin()]);
        key
    });
    assert_eq!(said(&office.caller.enrol(&key.reveal(), &csr())), "ok");
    let own = runtime.block_on(client.own_key(&key)).expect("how it stands");
    assert_eq!(own.refusal.expect("used up").code.as_str(), "api-key-used-up");
    let bad = Output::of(tool(program("gatepassctl")).args(["audit", "list", "--request", "nonsense"]));
    assert!(bad.code == Some(2) && bad.stderr.contains("a request id"), "{bad:?}");
}
