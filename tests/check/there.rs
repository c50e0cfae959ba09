//! What can be wrong on the way to the master, and with what answers there.

use std::time::{Duration, Instant};

use gatepass::check::{Id, Severity};
use tokio::net::TcpSocket;

use super::{Found, Story};
use crate::support::{
    Agent, Ca, Fake, FakeClock, Master, days, http, like_a_master, real_now, slow_way, write,
};

/// A port that is taken, and where nobody listens.
fn deaf() -> (TcpSocket, u16) {
    let port = TcpSocket::new_v4().expect("a socket");
    port.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let number = port.local_addr().expect("bound").port();
    (port, number)
}

/// A host that trusts `ca`.
fn host(story: &Story, url: &str, ca: &Ca) -> Agent {
    let agent = Agent::new(&[url], &story.master.path("hosts.key"));
    let anchors = agent.path().join("ca.crt");
    write(&anchors, ca.anchors());
    let more =
        format!("ca_file = '{}'\nhttp = {{ connect_timeout = '2s', timeout = '2s' }}", anchors.display());
    agent.configure(&[url], &story.master.path("hosts.key"), &more);
    agent
}

#[test]
fn places_that_cannot_be_reached() {
    let story = Story::new();
    let (_port, number) = deaf();
    let nowhere = Agent::new(&["https://no-such-host.invalid"], &story.master.path("hosts.key"));
    Found::of(&nowhere).expect(Id::NameUnresolved, Severity::Broken);
    let closed = Agent::new(&[&format!("https://127.0.0.1:{number}")], &story.master.path("hosts.key"));
    let found = Found::of(&closed);
    found.expect(Id::AddressUnreachable, Severity::Broken);
    found.expect(Id::MasterUnreachable, Severity::Broken);
    let proxy = format!("proxy = 'http://127.0.0.1:{number}'");
    let behind = Found::of(&Agent::with(&[story.master.url()], &story.master.path("hosts.key"), &proxy));
    behind.expect(Id::ProxyUsed, Severity::Fine);
    behind.expect(Id::AddressUnreachable, Severity::Broken);
    assert!(behind.message(Id::AddressUnreachable).starts_with("proxy "), "{behind}");
    let mut environment = Agent::new(&[story.master.url()], &story.master.path("hosts.key"));
    environment.set_env("https_proxy", format!("http://127.0.0.1:{number}"));
    let found = Found::of(&environment);
    assert!(found.message(Id::ProxyUsed).contains("https_proxy in the environment"), "{found}");
    environment.set_env("no_proxy", "localhost");
    let found = Found::of(&environment);
    assert!(found.message(Id::ProxyNone).contains("exempts it"), "{found}");
    found.expect(Id::MasterVerified, Severity::Fine);
    let gateway = format!("gateways = ['127.0.0.1:{number}']");
    let gateway = Found::of(&Agent::with(&[story.master.url()], &story.master.path("hosts.key"), &gateway));
    gateway.expect(Id::GatewayUsed, Severity::Fine);
    assert!(gateway.message(Id::AddressUnreachable).starts_with("gateway "), "{gateway}");
}

#[test]
fn servers_that_are_somebody_else() {
    let (story, ca, other) = (Story::new(), Ca::new(), Ca::new());
    let honest = |ca: &Ca| like_a_master(ca.anchors(), real_now, |_: &str| http("403 Forbidden", "", ""));
    let server =
        |of: &Ca, name: &str, ago, ahead| Fake::start(Some(of.server(name, days(ago, ahead))), honest(of));
    let plain = Fake::start(None, |_: &str| http("400 Bad Request", "connection: close\r\n", "this is HTTP"));
    for (server, id) in [
        (server(&other, "localhost", 1, 1), Id::TlsUntrusted),
        (server(&ca, "elsewhere.example", 1, 1), Id::TlsName),
        (server(&ca, "localhost", 30, -2), Id::TlsDates),
        (plain, Id::TlsBroken),
    ] {
        Found::of(&host(&story, &server.url(), &ca)).expect(id, Severity::Broken);
    }
    let another = Master::start();
    let wrong = Agent::new(&[another.url()], &story.master.path("hosts.key"));
    Found::of(&wrong).expect(Id::TlsPin, Severity::Broken);
    another.api_key("theirs", &[]);
}

#[test]
fn an_agent_that_was_cut_off() {
    let story = Story::new();
    let id = story.agent.status()["identity"]["agent"].as_str().expect("an id").to_owned();
    story.master.ctl(&["agent", "revoke", &id, "--yes"]).expect(0);
    let found = Found::of(&story.agent);
    found.expect(Id::IdentityRefused, Severity::Broken);
    assert!(found.message(Id::IdentityRefused).contains("request "), "{found}");
}

#[test]
fn a_wrong_clock_and_a_slow_way() {
    let story = Story::new();
    let clock = FakeClock::ahead_by(-3600);
    let mut agent = story.copy("");
    for (name, value) in clock.env() {
        agent.set_env(name, value);
    }
    Found::of(&agent).expect(Id::Clock, Severity::Warning);
    let slow = slow_way(story.master.url(), Duration::from_millis(1100));
    let slow = Found::of(&Agent::new(&[&slow], &story.master.path("hosts.key")));
    slow.expect(Id::NetworkDelay, Severity::Warning);
    slow.expect(Id::Clock, Severity::Warning);
}

/// Addresses that are nobody's (RFC 5737), some of which swallow what they are sent: waited for once, all together.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long somebody waits is what is asked here")]
fn what_does_not_answer_is_waited_for_once() {
    let story = Story::new();
    let nobody: Vec<_> = (1..=6).map(|n| format!("https://192.0.2.{n}:31116")).collect();
    let urls: Vec<_> = nobody.iter().map(String::as_str).collect();
    let more = "http = { connect_timeout = '1s', timeout = '1s' }";
    let agent = Agent::with(&urls, &story.master.path("hosts.key"), more);
    let since = Instant::now();
    let found = Found::of(&agent);
    let took = since.elapsed();
    found.expect(Id::MasterUnreachable, Severity::Broken);
    assert!(took < Duration::from_secs(5), "{took:?}, one by one it would have been twelve: {found}");
}
