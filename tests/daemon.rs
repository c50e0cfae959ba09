//! The daemon and its surroundings: signals, systemd, outputs, hooks, the node exporter.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Agent, Identity, Master, MasterOptions, Program, eventually};

const SOON: Duration = Duration::from_secs(20);

/// A host with these lines in its configuration besides the usual ones.
fn host(master: &Master, more: impl FnOnce(&Agent) -> String) -> (Agent, PathBuf) {
    let api_key = master.api_key("hosts", &[]);
    let agent = Agent::new(&[master.url()], &api_key);
    agent.configure(&[master.url()], &api_key, &more(&agent));
    (agent, api_key)
}

/// A master whose identities are renewed every few seconds.
fn brisk() -> Master {
    Master::with(MasterOptions { lifetime: "10s", token_lifetime: "10s", ..MasterOptions::default() })
}

fn output(dir: &Path) -> String {
    format!("[[output]]\ndir = '{}'\n", dir.display())
}

/// What a consumer of an output finds.
fn copy(dir: &Path) -> Option<Identity> {
    // One look at the link, so that all files are of one bundle.
    let link = std::fs::read_link(dir).ok()?;
    let dir = dir.with_file_name(link);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
    Some(Identity {
        key: read("tls.key")?,
        certificate: read("tls.crt")?,
        anchors: read("ca.crt")?,
        token: read("agent.jwt")?,
    })
}

#[test]
fn an_output_appears_whole_and_follows_each_renewal() {
    let master = brisk();
    let (agent, _) = host(&master, |agent| output(&agent.path().join("nginx")));
    let dir = agent.path().join("nginx");
    let _daemon = agent.daemon();
    eventually("the first copy", SOON, || copy(&dir).is_some());
    let mode = |name: &str| dir.join(name).metadata().expect("there").permissions().mode() & 0o7777;
    assert_eq!(
        (mode("tls.key"), mode("tls.crt"), mode("ca.crt"), mode("agent.jwt")),
        (0o600, 0o640, 0o640, 0o640)
    );
    let mut keys = Vec::new();
    eventually("two more", SOON * 2, || {
        // A copy that is swept while it is read is looked at again.
        if let Some(found) = copy(&dir).filter(|found| !keys.contains(&found.key)) {
            found.assert_whole();
            keys.push(found.key);
        }
        keys.len() == 3
    });
    eventually("the latest", SOON, || copy(&dir) == agent.identity());
}

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

/// A hook that writes down what it was told, and fails while there is a file `fail-NAME`.
fn hook(agent: &Agent, name: &str, more: &str) -> String {
    let (log, fail) = (agent.path().join("hooks"), agent.path().join(format!("fail-{name}")));
    let (log, fail) = (log.display(), fail.display());
    format!(
        "[[hook]]\nname = '{name}'\nrun = ['/bin/sh', '-c', '''\
         echo {name} $GATEPASS_GENERATION $GATEPASS_REASON $GATEPASS_DIR $(head -c 10 $GATEPASS_DIR/tls.crt) >> {log}
         test ! -e {fail}''']\n{more}\n"
    )
}

fn hooks(agent: &Agent) -> Vec<String> {
    let told = std::fs::read_to_string(agent.path().join("hooks")).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
}

fn touch(path: &Path) {
    std::fs::File::create(path).expect("a file").write_all(b"").expect("nothing is always written");
}

#[test]
fn hooks_run_in_order_and_know_what_changed() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| {
        let on_token = hook(agent, "third", "on = ['token']");
        format!("{}{}{on_token}", hook(agent, "first", ""), hook(agent, "second", "required = true"))
    });
    touch(&agent.path().join("fail-first"));
    agent.run(&["download"]).expect(0);
    let dir = agent.state().join("current").display().to_string();
    let want =
        ["first", "second", "third"].map(|name| format!("{name} 1 certificate,token {dir} -----BEGIN"));
    assert_eq!(hooks(&agent), want);
    let status = agent.status();
    let ok: Vec<_> = (0..3).map(|n| status["hooks"][n]["ok"].as_bool().expect("a result")).collect();
    assert_eq!(ok, [false, true, true], "one that is not required fails alone");
    agent.run(&["download"]).expect(0);
    assert_eq!(hooks(&agent).len(), 3, "nothing changed, nothing runs");
    let seen = master.ctl(&["agent", "show", "test-host", "--json"]).expect(0).json();
    assert_eq!(seen["hooks"][0]["name"], "first", "the master hears of it: {seen}");
}

#[test]
fn a_required_hook_that_fails_puts_the_identity_before_back() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| {
        format!(
            "{}{}{}",
            output(&agent.path().join("nginx")),
            hook(agent, "nginx", "required = true"),
            hook(agent, "later", "")
        )
    });
    agent.run(&["download"]).expect(0);
    let (first, fail) = (agent.identity().expect("an identity"), agent.path().join("fail-nginx"));
    touch(&fail);
    let failed = agent.run(&["renew"]).expect(3);
    assert!(failed.stdout.contains("the required hook `nginx` failed"), "{failed:?}");
    assert_eq!(agent.identity().as_ref(), Some(&first));
    assert_eq!(copy(&agent.path().join("nginx")).as_ref(), Some(&first), "the output goes back with it");
    let told = hooks(&agent);
    assert_eq!(told.len(), 3, "what stands behind it does not run: {told:?}");
    assert_eq!(agent.run(&["status"]).code, Some(3), "it works, and something is wrong");
    std::fs::remove_file(fail).expect("it is there");
    agent.run(&["renew"]).expect(0);
    let second = agent.identity().expect("an identity");
    assert_ne!(first.key, second.key);
    second.assert_whole();
    assert_eq!(copy(&agent.path().join("nginx")), Some(second));
    agent.run(&["status"]).expect(0);
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
