//! Servers that are no master, or not this one. Each alone, and each in front of a master that is one.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;

use gatepass_contract::secret::PREFIX;
use gatepass_contract::wire::path;
use tokio::net::TcpSocket;

use crate::support::{Agent, Ca, Fake, Master, Output, days, http, like_a_master, real_now};

/// Something that answers at a URL, or does not, and what the agent makes of it.
struct Place {
    what: &'static str,
    url: String,
    said: &'static str,
    exit: i32,
    server: Server,
}

/// Kept as long as the place is looked at.
enum Server {
    Nobody,
    Reserved { _port: TcpSocket },
    Silent { _listener: TcpListener },
    Fake { fake: Fake, is_verified: bool },
}

const LATER: i32 = 3;
const HUMAN: i32 = 4;
const IMPATIENT: &str = "http = { connect_timeout = \"1s\", timeout = \"1s\" }";

fn nowhere(what: &'static str, url: String, said: &'static str) -> Place {
    Place { what, url, said, exit: LATER, server: Server::Nobody }
}

fn fake(what: &'static str, fake: Fake, said: &'static str, exit: i32) -> Place {
    Place { what, url: fake.url(), said, exit, server: Server::Fake { fake, is_verified: false } }
}

/// Its certificate is good; what it says is not.
fn liar(
    what: &'static str,
    ca: &Ca,
    answer: fn(&str) -> Option<Vec<u8>>,
    said: &'static str,
    exit: i32,
) -> Place {
    let server = Fake::start(Some(ca.server("localhost", days(1, 1))), answer);
    let place = fake(what, server, said, exit);
    let Server::Fake { fake, .. } = place.server else { unreachable!("just made") };
    Place { server: Server::Fake { fake, is_verified: true }, ..place }
}

/// A port that is taken, so that no other test gets it, and where nobody listens.
fn deaf() -> Place {
    let port = TcpSocket::new_v4().expect("a socket");
    port.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let url = format!("https://localhost:{}", port.local_addr().expect("bound").port());
    Place { server: Server::Reserved { _port: port }, ..nowhere("nobody listens", url, "connection refused") }
}

fn honest(ca: &Ca) -> impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static {
    like_a_master(ca.anchors(), real_now, |_: &str| http("403 Forbidden", "", ""))
}

/// `ca` is trusted by the agent.
fn places(ca: &Ca) -> Vec<Place> {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("https://localhost:{}", silent.local_addr().expect("bound").port());
    let with = |name: &str, ago, ahead| Fake::start(Some(ca.server(name, days(ago, ahead))), honest(ca));
    let other_ca = Ca::new();
    let other = Fake::start(Some(other_ca.server("localhost", days(1, 1))), honest(&other_ca));
    let plain = Fake::start(None, |_: &str| http("400 Bad Request", "connection: close\r\n", "this is HTTP"));
    vec![
        deaf(),
        nowhere("an unknown name", "https://no-such-host.invalid".to_owned(), "cannot be resolved"),
        Place {
            what: "accepts and says nothing",
            url: silent_url,
            said: "does not answer within 1s",
            exit: LATER,
            server: Server::Silent { _listener: silent },
        },
        fake("plain HTTP", plain, "plain HTTP", HUMAN),
        fake("another CA", other, "signed by another CA", HUMAN),
        fake("an expired certificate", with("localhost", 30, -2), "expired on", HUMAN),
        fake("a certificate of tomorrow", with("localhost", -2, 30), "not valid before", HUMAN),
        fake("another name", with("elsewhere.example", 1, 1), "not for this host name but for", HUMAN),
        liar("silence inside TLS", ca, |_| None, "does not answer within 1s", LATER),
        liar(
            "a redirect",
            ca,
            |_| http("302 Found", "location: https://localhost:1/\r\n", ""),
            "redirect",
            HUMAN,
        ),
        liar(
            "a web page",
            ca,
            |_| http("200 OK", "", "<html>hello</html>"),
            "not one of a gatepass master",
            LATER,
        ),
        liar(
            "garbage",
            ca,
            |_| Some(b"\0\x01\x02garbage\r\n\r\nconnection: close".to_vec()),
            "cut off or is not HTTP",
            LATER,
        ),
        liar("half an answer", ca, half, "cut off", LATER),
        liar("too much", ca, too_much, "larger than", LATER),
        liar("an excuse of a proxy", ca, |_| http("502 Bad Gateway", "", "sorry"), "HTTP status 502", LATER),
        liar("a refusal of a stranger", ca, |_| http("404 Not Found", "", "no"), "HTTP status 404", HUMAN),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the other answer is silence")]
fn half(_: &str) -> Option<Vec<u8>> {
    Some(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{\"received\":".to_vec())
}

fn too_much(_: &str) -> Option<Vec<u8>> {
    http("200 OK", "", &" ".repeat(2 << 20))
}

/// A host that trusts both the given CA and the master's.
fn host(master: &Master, ca: &Ca, urls: &[&str], name: &str) -> (Agent, PathBuf) {
    let key = master.api_key(name, &["--uses", "1"]);
    let agent = Agent::new(urls, &key);
    let both = agent.path().join("both.crt");
    let root = std::fs::read_to_string(master.dir().join("root-ca.crt")).expect("the root");
    let mut file = std::fs::File::create(&both).expect("a file");
    file.write_all(format!("{root}{}", ca.anchors()).as_bytes()).expect("written");
    agent.configure(urls, &key, &format!("ca_file = \"{}\"\n{IMPATIENT}", both.display()));
    (agent, key)
}

/// Neither the key nor any other credential was sent to who could not show a good certificate, nor shown to anybody.
fn assert_nothing_leaked(place: &Place, ended: &Output, key: &std::path::Path) {
    let secret = std::fs::read_to_string(key).expect("a key");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!said.contains(secret.trim()) && !said.contains(PREFIX), "{}: {said}", place.what);
    if let Server::Fake { fake, is_verified } = &place.server {
        for request in fake.told() {
            assert!(!request.contains(PREFIX), "{}: {request}", place.what);
            let has_credential = request.to_ascii_lowercase().contains("authorization");
            assert!(!has_credential, "{} (verified: {is_verified}): {request}", place.what);
        }
    }
}

#[test]
fn each_is_told_apart_and_gets_no_secret() {
    let (master, ca) = (Master::start(), Ca::new());
    for place in places(&ca) {
        let (agent, key) = host(&master, &ca, &[&place.url], place.what);
        for command in ["download", "renew"] {
            let ended = agent.run(&[command]);
            assert_eq!(ended.code, Some(place.exit), "{}: {ended:?}", place.what);
            assert!(ended.stdout.contains(place.said), "{}: {ended:?}", place.what);
            assert!(ended.stdout.contains(&place.url), "{}: which one: {ended:?}", place.what);
            assert_nothing_leaked(&place, &ended, &key);
        }
        assert_eq!(agent.identity(), None, "{}", place.what);
        let check = agent.run(&["check"]).expect(HUMAN);
        assert!(check.stdout.contains(place.said), "{}: {check:?}", place.what);
    }
}

#[test]
fn each_is_passed_over_for_a_master_that_is_one() {
    let (master, ca) = (Master::start(), Ca::new());
    for place in places(&ca) {
        let (agent, key) = host(&master, &ca, &[&place.url, master.url()], place.what);
        let ended = agent.run(&["download"]);
        assert_eq!(ended.code, Some(0), "{}: {ended:?}", place.what);
        assert_nothing_leaked(&place, &ended, &key);
        let held = agent.identity().expect("an identity");
        held.assert_whole();
        agent.run(&["renew"]).expect(0);
        assert_ne!(agent.identity(), Some(held), "{}", place.what);
    }
}

#[test]
fn all_of_them_together_are_all_named_and_what_is_held_stays() {
    let (master, ca) = (Master::start(), Ca::new());
    let (agent, key) = host(&master, &ca, &[master.url()], "hosts");
    agent.run(&["download"]).expect(0);
    let held = agent.identity();
    let places = places(&ca);
    let urls: Vec<_> = places.iter().map(|place| place.url.as_str()).collect();
    let trust = format!("ca_file = {:?}\n{IMPATIENT}", agent.path().join("both.crt"));
    agent.configure(&urls, &key, &trust);
    let ended = agent.run(&["renew"]).expect(LATER);
    for place in &places {
        assert!(ended.stdout.contains(place.said), "{}: {ended:?}", place.what);
        assert_nothing_leaked(place, &ended, &key);
    }
    assert_eq!(agent.identity(), held);
    let status = agent.run(&["status"]).expect(LATER);
    assert!(status.stdout.contains("masters can be used"), "{status:?}");
}

/// First contact by the key's pin alone: nothing but the trust anchors is asked of who does not match it.
#[test]
fn only_the_pinned_master_is_given_the_key() {
    let (master, ca) = (Master::start(), Ca::new());
    let root = std::fs::read_to_string(master.dir().join("root-ca.crt")).expect("the root");
    let with_own = Fake::start(Some(ca.server("localhost", days(1, 1))), honest(&ca));
    let with_ours = Fake::start(
        Some(ca.server("localhost", days(1, 1))),
        like_a_master(root, real_now, |_: &str| http("403 Forbidden", "", "")),
    );
    let asked_for_trust = format!("GET {} HTTP/1.1", path::TRUST);
    for (server, said) in
        [(&with_own, "pinned fingerprint"), (&with_ours, "signed by another CA than the pinned one")]
    {
        let key = master.api_key(said, &[]);
        let agent = Agent::with(&[&server.url()], &key, IMPATIENT);
        let ended = agent.run(&["download"]).expect(HUMAN);
        assert!(ended.stdout.contains(said), "{ended:?}");
        assert_eq!(server.asked(), [asked_for_trust.as_str()], "and nothing else");
        agent.configure(&[&server.url(), master.url()], &key, IMPATIENT);
        agent.run(&["download"]).expect(0);
        assert_eq!(server.asked(), [asked_for_trust.as_str(), asked_for_trust.as_str()], "and nothing else");
    }
}

#[test]
fn a_redirect_leads_nowhere() {
    let ca = Ca::new();
    let target = Fake::start(Some(ca.server("localhost", days(1, 1))), honest(&ca));
    let location = format!("location: {}/api/v1/time\r\n", target.url());
    let elsewhere = move |_: &str| http("307 Temporary Redirect", &location, "");
    let server = Fake::start(
        Some(ca.server("localhost", days(1, 1))),
        like_a_master(ca.anchors(), real_now, elsewhere),
    );
    let master = Master::start();
    let (agent, _) = host(&master, &ca, &[&server.url()], "hosts");
    let ended = agent.run(&["download"]).expect(HUMAN);
    assert!(ended.stdout.contains("redirects elsewhere"), "{ended:?}");
    assert_eq!(target.asked(), Vec::<String>::new());
}
