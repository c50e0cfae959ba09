//! Gateways: agents that relay for hosts which cannot reach the master, and can read nothing of it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use gatepass_contract::name::MASTER_BEHIND_GATEWAY;
use gatepass_contract::secret::PREFIX;

use crate::support::{
    Agent, Ca, Caller, ConnectProxy, Manners, Master, MasterOptions, Mishap, Net, Program, Proxy, Tap,
    application, balancer, days, eventually, key_pair, tls_records, write,
};

const HUMAN: i32 = 4;
const LATER: i32 = 3;
const SOON: Duration = Duration::from_secs(20);
const IMPATIENT: &str = "http = { connect_timeout = \"1s\", timeout = \"5s\" }";

/// A host that relays.
struct Gateway {
    agent: Agent,
    process: Program,
}

impl Gateway {
    /// Relays to those masters; `more` goes into `[gateway]`.
    fn start(key: &std::path::Path, masters: &[&str], listen: &str, more: &str) -> Self {
        let table = format!("{IMPATIENT}\n[gateway]\nlisten = {listen:?}\n{more}");
        let agent = Agent::with(masters, key, &table);
        let process = agent.daemon();
        let gateway = Self { agent, process };
        eventually("the gateway listens", SOON, || gateway.view()["listening"] == true);
        gateway
    }

    fn local(master: &Master, name: &str, masters: &[&str], more: &str) -> Self {
        Self::start(&master.api_key(name, &[]), masters, "127.0.0.1:0", more)
    }

    fn view(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.agent.state().join("state.json")).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text)
            .map(|state| state["gateway"].clone())
            .unwrap_or_default()
    }

    /// What it has counted, told anew.
    fn counted(&self, what: &str, at_least: u64) {
        eventually(what, SOON, || {
            self.process.signal("USR1");
            self.view()[what].as_u64().is_some_and(|count| count >= at_least)
        });
    }

    /// `host:port`.
    fn place(&self) -> String {
        self.view()["listen"].as_str().expect("it listens").to_owned()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.place()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("set");
        stream
    }
}

/// Names those gateways and no master.
fn behind(key: &std::path::Path, gateways: &[&str]) -> Agent {
    Agent::with(&[], key, &format!("{IMPATIENT}\ngateways = {gateways:?}"))
}

#[test]
fn a_host_with_no_way_but_the_gateway_lives_by_it() {
    let Some(net) = Net::new(&["server", "gate", "host"]) else { return };
    net.link(("server", &["10.77.0.1/24"]), ("gate", &["10.77.0.2/24"]));
    net.link(("gate", &["10.78.0.1/24"]), ("host", &["10.78.0.2/24"]));
    let options =
        MasterOptions { listen: "0.0.0.0", init: &["--name", "10.77.0.1"], ..MasterOptions::default() };
    let master = net.within("server", || Master::with(options));
    let url = format!("https://10.77.0.1:{}", master.port());
    let (own, key) = net.within("server", || (master.api_key("gate", &[]), master.api_key("hosts", &[])));
    let gateway = net.within("gate", || Gateway::start(&own, &[&url], "10.78.0.1:0", ""));
    let place = gateway.place();
    net.within("host", || {
        let lost = Agent::with(&[&url], &key, IMPATIENT).run(&["download"]).expect(LATER);
        assert!(lost.stdout.contains("no connection") || lost.stdout.contains("does not answer"), "{lost:?}");
        // Nothing known but the gateway, and the master's own URL known as well: other names, the same master.
        let named = Agent::with(&[&url], &key, &format!("gateways = [{place:?}]"));
        for agent in [behind(&key, &[&place]), named] {
            agent.run(&["download"]).expect(0);
            agent.run(&["renew"]).expect(0);
            agent.identity().expect("an identity").assert_whole();
        }
    });
    gateway.counted("relayed", 4);
    let seen = net.within("server", || master.ctl(&["audit", "list", "--json"])).expect(0).stdout;
    assert!(seen.contains("10.77.0.2") && !seen.contains("10.78.0.2"), "the master sees the gateway: {seen}");
}

#[test]
fn nothing_but_tls_passes_the_gateway_and_nothing_goes_elsewhere() {
    let master = Master::start();
    let tap = Tap::before(master.url());
    let gateway = Gateway::local(&master, "gate", &[&tap.url()], "");
    let agent = behind(&master.api_key("hosts", &[]), &[&gateway.place()]);
    let before = tap.heard().len();
    agent.run(&["download"]).expect(0);
    agent.run(&["renew"]).expect(0);
    // Two connections to begin with, one for what the key's pin is compared with; then one.
    eventually("all of it was heard", SOON, || tap.heard().len() >= before + 6);
    let held = agent.identity().expect("an identity");
    let token = held.token.trim().rsplit('.').next().expect("a signature");
    for heard in tap.heard() {
        let kinds = tls_records(&heard);
        assert!(kinds.len() > 2 && kinds.contains(&23), "{kinds:?}");
        for secret in [PREFIX, "Bearer", "BEGIN", "HTTP/1.1", "test-host", token] {
            assert!(!heard.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} was heard");
        }
    }
    // Whoever asks it for another place gets the master's answer: this is no proxy.
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("set");
    let mut stream = gateway.connect();
    let place = elsewhere.local_addr().expect("bound");
    write!(stream, "CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("all of it");
    assert!(answer.contains("This port speaks HTTPS only"), "{answer}");
    assert_eq!(elsewhere.accept().expect_err("nobody came").kind(), ErrorKind::WouldBlock);
}

#[test]
fn when_one_gateway_dies_the_next_takes_over_in_the_middle_of_a_request() {
    let master = Master::start();
    let way = Proxy::before(master.url());
    let mut first = Gateway::local(&master, "one", &[&way.url()], "");
    let second = Gateway::local(&master, "two", &[master.url()], "id = \"GW1\"");
    let key = master.api_key("hosts", &["--uses", "1"]);
    let agent = behind(&key, &[&first.place(), &second.place()]);
    way.set_once(Mishap::LoseAnswer);
    agent.run(&["download"]).expect(0);
    assert_eq!(way.happened(), 1, "the first gateway's connection was cut after the master had answered");
    let known =
        || master.ctl(&["agent", "list", "--json"]).expect(0).json()["items"].as_array().map(Vec::len);
    let agents = known();
    assert_eq!(agent.status()["identity"]["generation"], 1, "asked again with the same key");
    first.process.signal("KILL");
    first.process.ended(SOON);
    agent.run(&["renew"]).expect(0);
    assert_eq!(agent.status()["identity"]["generation"], 2);
    assert_eq!(known(), agents);
    drop(second);
    let lost = agent.run(&["renew"]).expect(LATER);
    let named = |gateway: &Gateway| format!("by way of the gateway {}: no connection", gateway.place());
    assert!(lost.stdout.contains(&named(&first)) && lost.stdout.contains("[gateway]"), "{lost:?}");
}

#[test]
fn a_gateway_that_is_full_or_lost_says_so() {
    let master = Master::start();
    let key = master.api_key("hosts", &[]);
    let full = Gateway::local(&master, "full", &[master.url()], "max_connections = 1");
    let _held = full.connect();
    let shut = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nowhere = format!("https://localhost:{}", shut.local_addr().expect("bound").port());
    drop(shut);
    let lost = Gateway::local(&master, "lost", &[&nowhere], "");
    let (at_full, at_lost) = (full.place(), lost.place());
    eventually("the one place is taken", SOON, || {
        behind(&key, &[&at_full]).run(&["download"]).stdout.contains("takes no further connections now")
    });
    let ended = behind(&key, &[&at_full]).run(&["download"]).expect(LATER);
    assert!(
        ended.stdout.contains("takes no further connections now") && ended.stdout.contains("max_connections"),
        "{ended:?}"
    );
    let ended = behind(&key, &[&at_lost]).run(&["download"]).expect(LATER);
    assert!(ended.stdout.contains("cannot reach a master itself"), "{ended:?}");
    assert!(full.agent.log().matches("full and refuses").count() == 1, "told once: {}", full.agent.log());
    lost.counted("stuck", 1);
    let good = Gateway::local(&master, "good", &[master.url()], "");
    behind(&key, &[&at_full, &at_lost, &good.place()]).run(&["download"]).expect(0);
    // The agent of a full gateway goes its own way all the same.
    full.agent.run(&["check"]).expect(0);
}

#[test]
fn what_does_not_move_is_closed_and_half_a_connection_is_none_for_ever() {
    let master = Master::start();
    let gateway = Gateway::local(&master, "gate", &[master.url()], "idle_timeout = \"1s\"");
    for half in [false, true] {
        let mut stream = gateway.connect();
        if half {
            stream.write_all(&[22, 3, 1]).expect("sent");
            stream.shutdown(Shutdown::Write).expect("half of it");
        }
        let mut all = Vec::new();
        // Closed or reset; what counts is that it ends long before the master's own patience does.
        if let Err(error) = stream.read_to_end(&mut all) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "half: {half}");
        }
    }
}

#[test]
fn a_reload_starts_and_stops_the_relay_and_leaves_what_fits() {
    let master = Master::start();
    let key = master.api_key("gate", &[]);
    let gateway = Gateway::start(&key, &[master.url()], "127.0.0.1:0", "");
    let mut stream = gateway.connect();
    let reload = |more: &str| {
        gateway.agent.configure(&[master.url()], &key, more);
        gateway.process.signal("HUP");
    };
    let same = format!("{IMPATIENT}\n[gateway]\nlisten = \"127.0.0.1:0\"\n");
    let place = gateway.place();
    reload(&same);
    eventually("it has read it", SOON, || {
        gateway.agent.log().matches("gateway listens").count() == 1 && gateway.place() == place
    });
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("what was open goes on");
    assert!(answer.contains("HTTPS only"), "{answer}");
    reload(IMPATIENT);
    eventually("nobody listens any more", SOON, || TcpStream::connect(&place).is_err());
    eventually("status says nothing of it", SOON, || gateway.view().is_null());
    reload(&same);
    eventually("it listens again", SOON, || gateway.view()["listening"] == true);
    TcpStream::connect(gateway.place()).expect("it listens");
    // A relay to nowhere is not begun, and what runs goes on.
    gateway.agent.configure(&[], &key, &same);
    gateway.process.signal("HUP");
    eventually("it says so", SOON, || gateway.agent.log().contains("there are none"));
    TcpStream::connect(gateway.place()).expect("it listens still");
}

#[test]
fn a_gateway_goes_through_its_own_proxy_and_a_balancer_has_to_be_named() {
    let (master, ca) = (Master::start(), Ca::new());
    let proxy = ConnectProxy::start(Manners::Open);
    let root = std::fs::read_to_string(master.dir().join("root-ca.crt")).expect("the root");
    let url = balancer(ca.server("localhost", days(1, 1)), master.url(), &root);
    let file = master.path("company.pem");
    write(&file, ca.anchors());
    let trust = format!("ca_file = '{}'", file.display());
    let key = master.api_key("hosts", &[]);
    let agent = Agent::with(
        &[&url],
        &key,
        &format!(
            "{IMPATIENT}\n{trust}\nproxy = \"http://{}\"\n[gateway]\nlisten = \"127.0.0.1:0\"",
            proxy.place()
        ),
    );
    let process = agent.daemon();
    let gateway = Gateway { agent, process };
    eventually("the gateway listens", SOON, || gateway.view()["listening"] == true);
    let before = proxy.asked().len();
    let gateways = format!("{IMPATIENT}\n{trust}\ngateways = [{:?}]", gateway.place());
    let nameless = Agent::with(&[], &key, &gateways).run(&["download"]).expect(HUMAN);
    assert!(nameless.stdout.contains("name the master's own URL in `masters`"), "{nameless:?}");
    Agent::with(&[&url], &key, &gateways).run(&["download"]).expect(0);
    assert!(proxy.asked().len() > before, "by way of the gateway's proxy");
}

/// Whatever a profile grants and whatever a host claims.
#[test]
fn no_agent_is_ever_given_the_name_that_masters_have_behind_gateways() {
    let config = "[profile]\nhost_names = ['*', 'master.gatepass.internal']\n";
    let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
    let key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let mut request = application(&key_pair().csr());
    request.name = MASTER_BEHIND_GATEWAY.parse().expect("a name");
    request.facts.host_names = [MASTER_BEHIND_GATEWAY, "db7.example.com", "gatepass.internal"]
        .map(|name| name.parse().expect("a host name"))
        .into();
    let issued =
        Caller::of(&master).post(gatepass_contract::wire::path::AGENTS, key.trim(), &request).issued();
    let der = pem_of(&issued.chain);
    let contains =
        |name: &str| der.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()));
    assert!(contains("db7.example.com") && !contains("gatepass.internal"), "in no field of the certificate");
}

fn pem_of(chain: &str) -> Vec<u8> {
    gatepass_contract::pki::Chain::from_pem(chain).expect("a chain").certificates()[0].to_vec()
}
