//! The main job: one API key in, a living identity out, that other people's tools accept.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use gatepass_contract::pki::KeyKind;
use gatepass_contract::wire::path;
use serde_json::Value;

use crate::support::{Agent, Identity, Master, MasterOptions, Output, eventually, tool};

const SOON: Duration = Duration::from_secs(20);

/// An agent that was enrolled just now.
fn enrolled(master: &Master) -> (Agent, Identity) {
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    agent.run(&["download"]).expect(0);
    let identity = agent.identity().expect("an identity");
    (agent, identity)
}

#[test]
fn a_key_becomes_an_identity_that_openssl_accepts() {
    let master = Master::start();
    let (agent, identity) = enrolled(&master);
    for purpose in ["sslclient", "sslserver"] {
        assert!(verified(&agent, purpose).expect(0).stdout.contains("OK"));
    }
    assert_eq!(identity.chain().certificates().len(), 2, "leaf and issuing CA; the root is in ca.crt");
    let id = identity.chain().agent().expect("an agent's certificate");
    let text = printed(&agent);
    for want in [
        "Subject: CN = test-host\n",
        &format!("URI:spiffe://gatepass/agent/{id}\n"),
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "Public-Key: (256 bit)",
    ] {
        assert!(text.contains(want), "{want} in {text}");
    }
}

fn verified(agent: &Agent, purpose: &str) -> Output {
    let current = agent.state().join("current");
    let (anchors, chain) = (current.join("ca.crt"), current.join("tls.crt"));
    let mut openssl = tool("openssl");
    openssl.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(anchors);
    Output::of(openssl.arg("-untrusted").arg(&chain).arg(&chain))
}

fn printed(agent: &Agent) -> String {
    let mut openssl = tool("openssl");
    openssl.args(["x509", "-noout", "-text", "-in"]).arg(agent.state().join("current/tls.crt"));
    Output::of(&mut openssl).expect(0).stdout
}

#[test]
fn the_files_are_where_they_should_be_and_nobody_elses() {
    let master = Master::start();
    let (agent, _) = enrolled(&master);
    let us = rustix::process::geteuid().as_raw();
    let owned = |path: &Path, mode: u32| {
        let found = path.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((found.uid(), found.permissions().mode() & 0o7777), (us, mode), "{}", path.display());
    };
    let current = agent.state().join("current");
    assert_eq!(std::fs::read_link(&current).expect("a link"), Path::new("generations/000001"));
    owned(&agent.state(), 0o700);
    owned(&agent.state().join("generations"), 0o700);
    owned(&agent.state().join("generations/000001"), 0o700);
    for file in ["tls.key", "tls.crt", "ca.crt", "agent.jwt", "meta.json"] {
        owned(&current.join(file), 0o600);
    }
    owned(&agent.state().join("state.json"), 0o600);
    let inside = std::fs::read_dir(current).expect("a directory").count();
    assert_eq!(inside, 5, "nothing else lies there");
    assert!(!agent.state().join("pending.key").exists(), "the request is over");
}

#[test]
fn every_kind_of_key_is_issued_for_and_renewed() {
    let master = Master::start();
    let api_key = master.api_key("hosts", &[]);
    for (name, kind) in [("ed25519", KeyKind::Ed25519), ("rsa3072", KeyKind::Rsa3072)] {
        let agent = Agent::with(&[master.url()], &api_key, &format!("key = {{ kind = {name:?} }}"));
        agent.run(&["download"]).expect(0);
        let first = agent.identity().expect("an identity");
        agent.run(&["renew"]).expect(0);
        let second = agent.identity().expect("an identity");
        assert_ne!(first.key, second.key);
        assert_eq!(first.chain().agent(), second.chain().agent());
        assert_eq!(second.chain().key().kind(), kind);
        second.assert_whole();
        verified(&agent, "sslclient").expect(0);
        whoami(&master, &agent).expect(0);
    }
}

/// What the master says to curl with the client certificate.
fn whoami(master: &Master, agent: &Agent) -> Output {
    let current = agent.state().join("current");
    let mut curl = curl(master, path::SELF);
    Output::of(curl.arg("--cert").arg(current.join("tls.crt")).arg("--key").arg(current.join("tls.key")))
}

fn curl(master: &Master, path: &str) -> std::process::Command {
    let mut curl = tool("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "20", "--cacert"]);
    curl.arg(master.dir().join("root-ca.crt")).arg(format!("{}{path}", master.url()));
    curl
}

#[test]
fn curl_is_let_in_with_the_certificate_and_with_the_token() {
    let master = Master::start();
    let (agent, identity) = enrolled(&master);
    let by_certificate = whoami(&master, &agent).expect(0).json();
    let authorization = format!("Authorization: Bearer {}", identity.token.trim());
    let by_token = Output::of(curl(&master, path::SELF).args(["--header", &authorization])).expect(0).json();
    assert_eq!(by_certificate, by_token);
    assert_eq!(by_token["id"], identity.chain().agent().expect("an agent").to_string());
    assert_eq!((&by_token["name"], &by_token["groups"][0]), (&"test-host".into(), &"hosts".into()));
    let nobody = Output::of(&mut curl(&master, path::SELF)).expect(22).json();
    assert_eq!(nobody["code"], "unauthenticated");
    let (signed, signature) = authorization.rsplit_once('.').expect("three parts");
    let spoilt = format!("{signed}.{}", "A".repeat(signature.len()));
    Output::of(curl(&master, path::SELF).args(["--header", &spoilt])).expect(22);
}

/// Opens a token as a service in Python would: with the published keys, for an audience, from an issuer.
const PYTHON: &str = r#"
import json, sys, jwt
token, keys = open(sys.argv[1]).read(), jwt.PyJWKSet.from_dict(json.load(open(sys.argv[2])))
header = jwt.get_unverified_header(token)
key = next(key for key in keys.keys if key.key_id == header["kid"])
claims = jwt.decode(token, key.key, algorithms=[sys.argv[5]], audience=sys.argv[3], issuer=sys.argv[4],
    options={"require": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"]})
print(json.dumps({"header": header, "claims": claims}))
"#;

/// What Python makes of the agent's token, with the keys that the master publishes.
fn opened(master: &Master, agent: &Agent, audience: &str, issuer: &str, algorithm: &str) -> Output {
    let keys = agent.path().join("jwks.json");
    Output::of(curl(master, path::JWKS).arg("--output").arg(&keys)).expect(0);
    let mut python = tool("/usr/bin/python3");
    python.args(["-c", PYTHON]).arg(agent.state().join("current/agent.jwt")).arg(&keys);
    Output::of(python.args([audience, issuer, algorithm]))
}

const ISSUER: &str = "https://localhost";

#[test]
fn another_language_verifies_the_token_with_the_published_keys() {
    let master = Master::start();
    let (agent, identity) = enrolled(&master);
    let token = opened(&master, &agent, "gatepass", ISSUER, "ES256").expect(0).json();
    let claims = &token["claims"];
    let seconds = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name} in {claims}"));
    assert_eq!((&token["header"]["typ"], &token["header"]["alg"]), (&"JWT".into(), &"ES256".into()));
    assert_eq!(claims["sub"], identity.chain().agent().expect("an agent").to_string());
    assert_eq!(claims["aud"], serde_json::json!(["gatepass"]));
    assert_eq!(claims["cnf"]["jkt"], identity.chain().key().thumbprint().to_string());
    assert_eq!((&claims["upn"], &claims["groups"]), (&"test-host".into(), &serde_json::json!(["hosts"])));
    assert_eq!(seconds("exp") - seconds("iat"), 3600);
    assert!((0..=1).contains(&(seconds("iat") - seconds("nbf"))), "backdated by the doubt: {claims}");
    for (audience, issuer) in [("other", ISSUER), ("gatepass", "https://elsewhere")] {
        assert_ne!(opened(&master, &agent, audience, issuer, "ES256").code, Some(0), "{audience} {issuer}");
    }
}

#[test]
fn tokens_are_signed_as_the_master_was_set_up_to() {
    for init in [&["--jwt-algorithm", "EdDSA"], &["--jwt-algorithm", "RS256"]] {
        let master = Master::with(MasterOptions { init, ..MasterOptions::default() });
        let (agent, identity) = enrolled(&master);
        let token = opened(&master, &agent, "gatepass", ISSUER, init[1]).expect(0).json();
        assert_eq!(token["header"]["alg"], init[1]);
        assert_ne!(opened(&master, &agent, "gatepass", ISSUER, "ES256").code, Some(0));
        let authorization = format!("Authorization: Bearer {}", identity.token.trim());
        Output::of(curl(&master, path::SELF).args(["--header", &authorization])).expect(0);
    }
}

#[test]
fn a_fresh_token_comes_with_the_same_key_and_certificate() {
    let options = MasterOptions { token_lifetime: "10s", ..MasterOptions::default() };
    let master = Master::with(options);
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    let _daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    let first = agent.identity().expect("just seen");
    eventually("another token", SOON, || agent.identity().is_some_and(|now| now.token != first.token));
    let second = agent.identity().expect("just seen");
    assert_eq!((&first.key, &first.certificate), (&second.key, &second.certificate));
    assert_eq!(generation(&agent), 1);
}

fn generation(agent: &Agent) -> u64 {
    agent.status()["identity"]["generation"].as_u64().expect("a generation")
}

#[test]
fn the_daemon_renews_before_the_end_and_stops_when_told() {
    let options = MasterOptions { lifetime: "10s", token_lifetime: "10s", ..MasterOptions::default() };
    let master = Master::with(options);
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    let mut daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    let first = agent.identity().expect("just seen");
    eventually("another key", SOON, || agent.identity().is_some_and(|now| now.key != first.key));
    assert_eq!(generation(&agent), 2);
    assert_eq!(agent.run(&["status"]).code, Some(0), "{}", agent.log());
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
    assert!(agent.log().contains("stopped"), "{}", agent.log());
}

#[test]
fn renew_brings_a_new_key_with_a_daemon_and_without() {
    let master = Master::start();
    let (agent, first) = enrolled(&master);
    agent.run(&["renew"]).expect(0);
    let second = agent.identity().expect("an identity");
    assert_ne!(first.key, second.key);
    let mut daemon = agent.daemon();
    eventually("the daemon reports", SOON, || confirmed(&master) == 2);
    let status = agent.run(&["renew", "--json"]).expect(0);
    assert!(status.stderr.contains("the daemon was asked"), "{status:?}");
    let third = agent.identity().expect("an identity");
    assert!(third.key != second.key && third.key != first.key);
    assert_eq!(status.json()["identity"]["generation"], 3);
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
}

/// The generation that the master has seen its one agent use.
fn confirmed(master: &Master) -> u64 {
    let agents = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    agents["items"][0]["confirmed"].as_u64().expect("one agent")
}

#[test]
fn status_and_check_say_by_their_exit_codes_how_things_are() {
    let options = MasterOptions { lifetime: "10s", token_lifetime: "10s", ..MasterOptions::default() };
    let master = Master::with(options);
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    let look = |status: i32, check: i32| {
        agent.run(&["status"]).expect(status);
        agent.run(&["check"]).expect(check);
        let (status, check) =
            (agent.run(&["status", "--json"]).expect(status), agent.run(&["check", "--json"]).expect(check));
        (status.json()["verdict"].clone(), findings(&check.json()))
    };
    let (verdict, found) = look(1, 3);
    assert_eq!(verdict, "no-identity");
    assert!(found.contains(&("identity.none".to_owned(), "warning".to_owned())), "{found:?}");
    assert!(agent.identity().is_none(), "looking changes nothing");
    agent.run(&["download"]).expect(0);
    let identity = agent.identity().expect("an identity");
    let (verdict, found) = look(0, 0);
    assert_eq!(verdict, "good");
    assert!(found.contains(&("identity.accepted".to_owned(), "fine".to_owned())), "{found:?}");
    eventually("the end", SOON, || agent.run(&["status"]).code == Some(1));
    let (verdict, found) = look(1, 4);
    assert_eq!(verdict, "no-identity");
    assert!(found.contains(&("identity.certificate".to_owned(), "broken".to_owned())), "{found:?}");
    assert_eq!(agent.identity(), Some(identity), "what has ended is still there");
}

fn findings(check: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let each = check.as_array().expect("a list").iter();
    each.map(|finding| (text(&finding["id"]), text(&finding["severity"]))).collect()
}
