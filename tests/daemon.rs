//! The daemon and its surroundings: signals, systemd, the node exporter.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::outputs::{copy, host, output};
use crate::support::{Agent, Master, Program, eventually};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn sighup_takes_a_new_configuration_and_keeps_the_old_one_when_it_is_broken() {
    let master = Master::start();
    let (agent, api_key) = host(&master, |_| String::new());
    let mut daemon = agent.daemon();
    eventually("the first identity", SOON, || agent.log().contains("bundle published"));
    let dir = agent.path().join("nginx");
    agent.configure(&[master.url()], &api_key, &output(&dir));
    daemon.signal("HUP");
    eventually("the new output", SOON, || copy(&dir).is_some());
    assert_eq!(copy(&dir), agent.identity());
    agent.configure(&[master.url()], &api_key, "state_dri = '/nowhere'");
    daemon.signal("HUP");
    eventually("a word about it", SOON, || agent.log().contains("the configuration stays as it was"));
    assert!(agent.log().contains("did you mean `state_dir`?"), "{}", agent.log());
    let before = agent.identity();
    daemon.signal("USR1");
    eventually("a renewal all the same", SOON, || agent.identity() != before);
    eventually("the output with it", SOON, || copy(&dir) == agent.identity());
    // A file that is fine in itself but cannot be begun with: the daemon lives on.
    agent.configure(&[master.url()], &api_key, "ca_file = '/nowhere'");
    daemon.signal("HUP");
    eventually("a word about that", SOON, || agent.log().contains("/nowhere cannot be read"));
    let before = agent.identity();
    daemon.signal("USR1");
    eventually("a renewal even then", SOON, || agent.identity() != before);
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
}

/// The service manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, heard: Vec::new() }
    }

    /// How often a line that begins like that was said so far.
    fn count(&mut self, start: &str) -> usize {
        let mut message = [0; 4096];
        while let Ok(size) = self.socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..size]).into_owned();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        self.heard.iter().filter(|line| line.starts_with(start)).count()
    }

    fn place(&self, line: &str) -> Option<usize> {
        self.heard.iter().position(|heard| heard == line)
    }
}

#[test]
fn systemd_hears_ready_status_watchdog_reload_and_the_end() {
    let master = Master::start();
    let (mut agent, _) = host(&master, |_| String::new());
    let socket = agent.path().join("notify");
    let mut manager = Manager::listen(&socket);
    agent.set_env("NOTIFY_SOCKET", socket.to_str().expect("a path of ours"));
    agent.set_env("WATCHDOG_USEC", "400000");
    let mut daemon = agent.daemon();
    eventually("it is ready", SOON, || manager.count("READY=1") == 1);
    assert!(agent.identity().is_some(), "what is ordered after it finds an identity");
    eventually("the watchdog is fed", SOON, || manager.count("WATCHDOG=1") >= 4);
    let id = agent.identity().expect("an identity").chain().agent().expect("an agent");
    assert!(manager.count(&format!("STATUS=agent {id}, generation 1")) > 0, "{:?}", manager.heard);
    daemon.signal("HUP");
    eventually("it says that it reads again", SOON, || manager.count("RELOADING=1") == 1);
    assert!(manager.count("MONOTONIC_USEC=") == 1, "{:?}", manager.heard);
    eventually("and that it has", SOON, || manager.count("READY=1") == 2);
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
    assert_eq!(manager.count("STOPPING=1"), 1);
    assert!(manager.place("READY=1") < manager.place("STOPPING=1"));
}

#[test]
fn the_master_tells_systemd_too() {
    let mut master = Master::start();
    let socket = master.path("notify");
    let mut manager = Manager::listen(&socket);
    master.kill();
    master.restart(vec![("NOTIFY_SOCKET", socket.to_str().expect("a path of ours").to_owned())]);
    eventually("it is ready", SOON, || manager.count("READY=1") == 1);
    assert_eq!(manager.count(&format!("STATUS=listening on {}", master.url())), 1);
    master.process().signal("TERM");
    assert_eq!(master.process().ended(SOON), Some(0));
    assert_eq!(manager.count("STOPPING=1"), 1);
}

#[test]
fn the_node_exporter_finds_metrics() {
    let master = Master::start();
    let file = |agent: &Agent| agent.path().join("gatepass.prom");
    let (agent, _) = host(&master, |agent| format!("metrics_file = '{}'", file(agent).display()));
    agent.run(&["download"]).expect(0);
    let metrics = std::fs::read_to_string(file(&agent)).expect("metrics");
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
        line.rsplit_once(' ').expect("a value").1.parse().expect("a number")
    };
    assert_eq!((value("gatepass_up"), value("gatepass_failures")), (1.0, 0.0));
    let until = agent.identity().expect("an identity").chain().validity().until().seconds();
    assert_eq!(format!("{:.0}", value("gatepass_certificate_expiry_seconds")), until.to_string());
    assert!(value("gatepass_clock_ahead_seconds").abs() < 5.0, "{metrics}");
}

#[test]
fn sigterm_ends_a_daemon_that_waits_for_a_master() {
    let master = Master::start();
    let (agent, api_key) = host(&master, |_| String::new());
    agent.configure(&["https://127.0.0.1:1"], &api_key, "");
    let mut daemon: Program = agent.daemon();
    eventually("it has tried", SOON, || agent.log().contains("will be tried again"));
    daemon.signal("TERM");
    assert_eq!(daemon.ended(SOON), Some(0));
}
