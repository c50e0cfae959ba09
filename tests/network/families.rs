//! Networks with one address family, and with two of which one is dead; and a balancer that opens TLS.

use std::time::{Duration, Instant};

use crate::support::{
    Agent, Ca, Fake, Master, MasterOptions, Net, Output, balancer, days, with_hosts, write,
};

const SERVER: (&str, &[&str]) = ("server", &["fd77::1/64"]);
const HOST: (&str, &[&str]) = ("host", &["fd77::2/64"]);

#[test]
fn with_ipv6_alone_everything_works() {
    let Some(net) = Net::new(&["server", "host"]) else { return };
    net.link(SERVER, HOST);
    let options = MasterOptions { listen: "[::]", init: &["--name", "fd77::1"], ..MasterOptions::default() };
    let master = net.within("server", || Master::with(options));
    let url = format!("https://[fd77::1]:{}", master.port());
    let (key, elsewhere) = net.within("server", || {
        (
            master.api_key("hosts", &["--network", "fd77::/64"]),
            master.api_key("others", &["--network", "fd78::/64"]),
        )
    });
    let agent = Agent::new(&[&url], &key);
    net.within("host", || {
        let refused = Agent::new(&[&url], &elsewhere).run(&["download"]).expect(4);
        assert!(refused.stdout.contains("network"), "{refused:?}");
        for command in ["download", "renew", "check"] {
            agent.run(&[command]).expect(0);
        }
    });
    agent.identity().expect("an identity").assert_whole();
}

/// One of the two addresses of the master's name takes what is sent to it and is never heard of.
#[test]
fn a_dead_family_costs_a_moment() {
    let Some(net) = Net::new(&["server", "host"]) else { return };
    let both = |four: &'static str, six: &'static str| vec![four, six];
    net.link(("server", &both("10.77.0.1/24", "fd77::1/64")), ("host", &both("10.77.0.2/24", "fd77::2/64")));
    let options =
        MasterOptions { listen: "[::]", init: &["--name", "master.test"], ..MasterOptions::default() };
    let master = net.within("server", || Master::with(options));
    let key = net.within("server", || master.api_key("hosts", &[]));
    let url = format!("https://master.test:{}", master.port());
    for (dead, address) in [("ip6", "fd77::1"), ("ip", "10.77.0.1")] {
        let agent = Agent::with(&[&url], &key, "http = { connect_timeout = \"20s\" }");
        let hosts = agent.path().join("hosts");
        write(&hosts, "fd77::1 master.test\n10.77.0.1 master.test\n");
        let space = net.within("host", || Output::of(crate::support::tool("nft").args(["flush", "ruleset"])));
        space.expect(0);
        net.swallow("host", dead, address);
        let began = now();
        net.within("host", || Output::of(&mut with_hosts(&hosts, &agent.command(&["download"])))).expect(0);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{dead} is dead: {took:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a process took is what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// It takes the connection and then says nothing, as a path does that loses large packets: the other address is taken,
/// in the same step, and first from then on.
#[test]
fn an_address_that_only_takes_connections_is_passed_over() {
    let Some(net) = Net::new(&["server", "host"]) else { return };
    let (four, six) = (["10.77.0.1/24"], ["fd77::1/64"]);
    net.link(("server", &[four[0], six[0]]), ("host", &["10.77.0.2/24", "fd77::2/64"]));
    let options =
        MasterOptions { listen: "0.0.0.0", init: &["--name", "master.test"], ..MasterOptions::default() };
    let master = net.within("server", || Master::with(options));
    let key = net.within("server", || master.api_key("hosts", &[]));
    let _silent = net.within("server", || {
        std::net::TcpListener::bind(format!("[fd77::1]:{}", master.port())).expect("nobody else is there")
    });
    let url = format!("https://master.test:{}", master.port());
    let agent = Agent::with(&[&url], &key, "http = { connect_timeout = \"2s\" }");
    let hosts = agent.path().join("hosts");
    write(&hosts, "fd77::1 master.test\n10.77.0.1 master.test\n");
    let began = now();
    net.within("host", || Output::of(&mut with_hosts(&hosts, &agent.command(&["download"])))).expect(0);
    assert!(began.elapsed() < Duration::from_secs(15), "only the first try waits");
}

#[test]
fn behind_a_balancer_with_a_ca_of_its_own_the_proof_is_enough() {
    let (master, ca) = (Master::start(), Ca::new());
    let root = std::fs::read_to_string(master.dir().join("root-ca.crt")).expect("the root");
    let url = balancer(ca.server("localhost", days(1, 1)), master.url(), &root);
    let key = master.api_key("hosts", &["--uses", "1"]);
    let agent = Agent::new(&[&url], &key);
    let refused = agent.run(&["download"]).expect(4);
    assert!(refused.stdout.contains("signed by another CA than the pinned one"), "{refused:?}");
    let ca_file = agent.path().join("company.pem");
    write(&ca_file, ca.anchors());
    agent.configure(&[&url], &key, &format!("ca_file = '{}'", ca_file.display()));
    for command in ["download", "renew", "check"] {
        agent.run(&[command]).expect(0);
    }
    let held = agent.identity().expect("an identity");
    held.assert_whole();
    assert_eq!(held.anchors.trim(), root.trim(), "consumers trust the master's own root, not the balancer's");
    // The balancer's certificate is all it has: whoever else is signed by that CA is no master by that.
    let liar = Fake::start(Some(ca.server("elsewhere.example", days(1, 1))), |_: &str| None);
    agent.configure(&[&liar.url()], &key, &format!("ca_file = '{}'", ca_file.display()));
    let refused = agent.run(&["renew"]).expect(4);
    assert!(refused.stdout.contains("not for this host name but for"), "{refused:?}");
}
