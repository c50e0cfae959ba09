//! The main job: one API key in, a living identity out.

use std::time::Duration;

use crate::support::{Agent, Master, Output, eventually, tool};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_key_becomes_an_identity_that_openssl_accepts() {
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    agent.run(&["download"]).expect(0);
    let identity = agent.identity().expect("an identity");
    let current = agent.state().join("current");
    let verified = Output::of(
        tool("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile"])
            .arg(current.join("ca.crt"))
            .arg("-untrusted")
            .arg(current.join("tls.crt"))
            .arg(current.join("tls.crt")),
    );
    assert!(verified.expect(0).stdout.contains("OK"));
    assert!(identity.chain().agent().is_some());
}

#[test]
fn the_daemon_renews_before_the_end() {
    let options =
        crate::support::MasterOptions { lifetime: "10s", token_lifetime: "10s", ..Default::default() };
    let master = Master::with(options);
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    let mut daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.identity().is_some());
    let first = agent.identity().expect("just seen");
    eventually("another key", SOON, || agent.identity().is_some_and(|now| now.key != first.key));
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
}
