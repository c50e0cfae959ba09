//! `gatepass install` and what undoes it, on fresh hosts.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;
use std::time::Duration;

use gatepass_contract::pki::Chain;

use crate::support::{
    Agent, FakeClock, HERE, Host, Identity, Lab, Machine, Master, MasterOptions, Output, Program, eventually,
    program,
};

const STATE: &str = "/var/lib/gatepass";
const KEY: &str = "/root/key";

/// A fresh host with an API key of that master in `/root/key`.
fn host(master: &Master, name: &str) -> Option<Host> {
    let host = Host::fresh()?;
    let key = std::fs::read_to_string(master.api_key(name, &[])).expect("a key");
    host.put(KEY, key);
    Some(host)
}

fn install_args(url: &str) -> Vec<&str> {
    vec!["install", "--master", url, "--apikey-file", KEY, "--wait", "0s"]
}

fn install(host: &Host, master: &Master) -> Output {
    host.gatepass(&install_args(master.url()))
}

/// In what states the master has how many agents.
fn agents(master: &Master, state: &str) -> usize {
    let list = master.ctl(&["--json", "agent", "list"]).expect(0).json();
    let agents = list.as_array().or_else(|| list["agents"].as_array()).or_else(|| list["items"].as_array());
    agents.unwrap_or_else(|| panic!("{list}")).iter().filter(|agent| agent["state"] == state).count()
}

fn identity(host: &Host) -> Option<Identity> {
    Identity::find(&host.path(STATE))
}

#[test]
fn what_is_done_on_a_fresh_host_is_listed_and_does_not_reach_this_one() {
    let Some(host) = Host::fresh() else { return };
    assert_eq!(host.changes(), Vec::<String>::new());
    host.sh("mkdir /etc/of-a-test && echo one >/etc/of-a-test/file && rm /etc/hostname").expect(0);
    assert_eq!(host.changes(), ["/etc/hostname", "/etc/of-a-test", "/etc/of-a-test/file"]);
    assert!(!std::path::Path::new("/etc/of-a-test").exists());
    assert!(std::path::Path::new("/etc/hostname").exists());
    assert_eq!(host.read("/etc/of-a-test/file").as_deref(), Some("one\n"));
}

#[test]
fn a_host_is_installed_once_and_leaves_without_a_trace() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    let args = install_args(master.url());
    let dry = host.gatepass(&[&args[..], &["--dry-run"]].concat()).expect(0);
    assert!(dry.stderr.contains("make the system user gatepass: would be done"), "{}", dry.stderr);
    assert_eq!(
        (dry.stdout.as_str(), host.changes()),
        ("6 of 6 steps would change something; nothing was changed\n", vec![])
    );

    let first = install(&host, &master).expect(0);
    assert!(first.stderr.contains("no systemd runs here"), "{}", first.stderr);
    assert_eq!(first.stdout, "6 of 6 steps changed something; everything is in place\n");
    identity(&host).expect("enrolled").assert_whole();
    let passwd = host.read("/etc/passwd").expect("there");
    let user = passwd.lines().find(|line| line.starts_with("gatepass:")).expect("a user");
    let found = std::fs::metadata(host.path(STATE)).expect("a directory");
    assert_eq!(
        (found.uid().to_string(), found.mode() & 0o777),
        (user.split(':').nth(2).expect("a number").to_owned(), 0o700)
    );
    assert!(host.read("/etc/gatepass/config.toml").expect("written").contains(master.url()));

    let before = host.changes();
    for args in [&args[..], &["install"]] {
        let again =
            host.command("/usr/local/bin/gatepass").args(args).stdin(Stdio::null()).output().expect("run");
        assert_eq!(
            String::from_utf8_lossy(&again.stdout),
            "nothing to do: everything is in place\n",
            "{again:?}"
        );
    }
    assert_eq!((host.changes(), agents(&master, "active")), (before, 1));

    let out = host.gatepass(&["uninstall"]).expect(0);
    assert_eq!(out.stdout, "removed\n");
    assert_eq!((host.changes(), agents(&master, "active")), (vec![], 0));
    host.gatepass(&["uninstall"]).expect(0);
}

#[test]
fn two_at_once_make_one_agent() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    let start = || {
        let mut command = host.command("gatepass");
        command
            .args(install_args(master.url()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let ended = [start(), start()].map(|child| child.wait_with_output().expect("ended"));
    let mut said = ended.map(|out| {
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    });
    said.sort();
    assert_eq!(
        said,
        [
            "6 of 6 steps changed something; everything is in place\n",
            "nothing to do: everything is in place\n"
        ]
    );
    assert_eq!(agents(&master, "active"), 1);
}

/// `kill -9` before, after and between, then the same command again.
#[test]
fn an_installation_that_is_stopped_anywhere_is_resumed() {
    let master = Master::start();
    let mut enrolled = 0;
    for step in 1..=6 {
        for point in ["begun", "acted"] {
            let name = format!("{point}-{step}");
            let Some(host) = host(&master, &name) else { return };
            let mut command = host.command("gatepass");
            command
                .args(install_args(master.url()))
                .env("GATEPASS_STOP_AT", format!("install.{point}.{step}"));
            let stopped = Output::of(&mut command);
            assert_ne!(stopped.code, Some(0), "{name}: {stopped:?}");
            assert!(!stopped.stderr.contains("undone"), "{name}: it was stopped, it did not fail");
            let again = install(&host, &master).expect(0);
            assert!(
                again.stderr.contains(&format!("resuming at step {step} of 6")),
                "{name}: {}",
                again.stderr
            );
            identity(&host).expect("enrolled").assert_whole();
            enrolled += 1;
            assert_eq!(agents(&master, "active"), enrolled, "{name}: one agent for one host");
            if step % 3 == 0 {
                host.gatepass(&["uninstall", "--force"]).expect(0);
                assert_eq!(host.changes(), Vec::<String>::new(), "{name}");
                enrolled -= 1;
            }
        }
    }
}

#[test]
fn the_child_that_enrols_may_die_anywhere_and_the_host_is_as_it_was_before() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    for point in ["pending-key.saved", "answered", "publish.after-rename"] {
        let mut command = host.command("gatepass");
        let failed = Output::of(command.args(install_args(master.url())).env("GATEPASS_STOP_AT", point));
        assert_ne!(failed.code, Some(0), "{point}: {failed:?}");
        assert!(failed.stderr.contains("this host is as it was before"), "{point}: {}", failed.stderr);
        assert_eq!(host.changes(), Vec::<String>::new(), "{point}");
    }
    install(&host, &master).expect(0);
}

#[test]
fn a_failure_leaves_the_host_as_it_was() {
    let mut master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    let unchanged = |host: &Host, output: Output, code: i32, says: &str| {
        let output = output.expect(code);
        assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
        assert!(output.stderr.contains("gatepass: hint: "), "{says}: {}", output.stderr);
        assert_eq!(host.changes(), Vec::<String>::new(), "{says}");
    };
    unchanged(&host, host.gatepass(&install_args("https://nowhere.invalid:31116")), 3, "nowhere.invalid");
    let two = host.gatepass(&["install", "--master", master.url()]).expect(4);
    assert!(two.stderr.contains("no API key"), "{}", two.stderr);
    host.put("/root/refused", "gpk_0000");
    let three =
        host.gatepass(&["install", "--master", master.url(), "--apikey-file", "/root/refused"]).expect(4);
    assert!(three.stderr.contains("is not an API key"), "{}", three.stderr);
    master.ctl(&["key", "suspend", "hosts"]).expect(0);
    unchanged(&host, install(&host, &master), 4, "refuses");
    master.ctl(&["key", "resume", "hosts"]).expect(0);
    master.kill();
    unchanged(&host, install(&host, &master), 3, "could not be enrolled");
    host.read_only("/etc");
    let four = install(&host, &master).expect(1);
    assert!(four.stderr.contains("this host is as it was before"), "{}", four.stderr);
    assert_eq!(host.changes(), Vec::<String>::new());
}

#[test]
fn a_master_that_dies_in_the_middle_is_waited_for_and_counts_one_agent() {
    let mut master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    master.kill();
    master.restart(vec![("GATEPASS_MASTER_STOP_AT", "enrol.after-commit".to_owned())]);
    let mut args = install_args(master.url());
    *args.last_mut().expect("the wait") = "1min";
    let mut command = host.command("gatepass");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let installing = command.spawn().expect("started");
    master.process().ended(Duration::from_secs(20));
    master.restart(Vec::new());
    let ended = installing.wait_with_output().expect("ended");
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(agents(&master, "active"), 1, "the answer that was lost was asked for again");
}

#[test]
fn a_full_disk_is_said_and_nothing_is_left() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    host.full("/var/lib");
    let full = install(&host, &master).expect(1);
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
    assert_eq!(host.changes(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(host.path("/var/lib")).expect("read").count(), 1, "only what filled it");
}

#[test]
fn a_clock_that_is_a_year_off_stops_no_installation() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    for years in [-1, 1] {
        let clock = FakeClock::ahead_by(years * 365 * 86_400);
        let offset = std::fs::read_to_string(&clock.env()[1].1).expect("the offset");
        host.put("/root/offset", offset);
        let mut command = host.command("gatepass");
        command
            .args(install_args(master.url()))
            .envs(clock.env())
            .env("FAKETIME_TIMESTAMP_FILE", "/root/offset");
        let output = Output::of(&mut command).expect(0);
        assert!(output.stdout.contains("everything is in place"), "{output:?}");
        identity(&host).expect("enrolled").assert_whole();
        host.gatepass(&["uninstall"]).expect(0);
    }
}

#[test]
fn a_host_can_always_be_cleaned_and_somebody_knows() {
    let mut master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    install(&host, &master).expect(0);
    let before = host.changes();
    let agent =
        host.gatepass(&["--json", "status"]).json()["identity"]["agent"].as_str().expect("an id").to_owned();
    master.kill();
    let refused = host.gatepass(&["uninstall"]).expect(3);
    assert!(refused.stderr.contains(&agent) && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(host.changes(), before, "nothing is removed before the master knows");
    let forced = host.gatepass(&["uninstall", "--force"]).expect(0);
    assert!(forced.stderr.contains(&format!("gatepassctl agent revoke {agent}")), "{}", forced.stderr);
    assert_eq!(host.changes(), Vec::<String>::new());
}

#[test]
fn credentials_that_are_kept_are_taken_up_again() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    install(&host, &master).expect(0);
    let before = identity(&host).expect("enrolled");
    host.gatepass(&["uninstall", "--keep-credentials"]).expect(0);
    assert!(!host.path("/usr/local/bin/gatepass").exists());
    assert_eq!((identity(&host), agents(&master, "active")), (Some(before.clone()), 1));
    host.sh(&format!("rm {KEY}")).expect(0);
    host.gatepass(&["install"]).expect(0);
    assert_eq!((identity(&host), agents(&master, "active")), (Some(before), 1));
    host.gatepass(&["uninstall"]).expect(0);
    assert_eq!(host.changes(), Vec::<String>::new());
}

#[test]
fn machines_read_every_event() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    let output = host.gatepass(&[&["--json"], &install_args(master.url())[..]].concat()).expect(0);
    let events: Vec<serde_json::Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let steps = events.iter().filter(|event| event["event"] == "step" && event["did"] == "changed").count();
    assert_eq!((steps, &events.last().expect("some")["event"]), (6, &serde_json::json!("finished")));
}

#[test]
fn a_sealed_image_knows_nothing_but_its_configuration() {
    let master = Master::start();
    let Some(host) = host(&master, "hosts") else { return };
    install(&host, &master).expect(0);
    let config = host.read("/etc/gatepass/config.toml");
    let daemon = host.command("gatepass").arg("run").stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut daemon = Program(daemon.expect("started"));
    let id = daemon.0.id().to_string();
    eventually("the daemon holds its directory", Duration::from_secs(20), || {
        host.read("/var/lib/gatepass/lock").is_some_and(|holder| holder.trim() == id)
    });
    let refused = host.gatepass(&["seal"]).expect(1);
    assert!(refused.stderr.contains("an agent is at work"), "{}", refused.stderr);
    daemon.signal("TERM");
    daemon.ended(Duration::from_secs(20));
    let dry = host.gatepass(&["seal", "--dry-run"]).expect(0);
    assert!(dry.stderr.contains("would be forgotten") && identity(&host).is_some(), "{}", dry.stderr);
    let sealed = host.gatepass(&["seal"]).expect(0);
    assert!(sealed.stderr.contains("the master still knows agent"), "{}", sealed.stderr);
    assert_eq!(std::fs::read_dir(host.path(STATE)).expect("there").count(), 0);
    assert_eq!(host.read("/etc/gatepass/config.toml"), config);
    assert_eq!(host.gatepass(&["seal"]).expect(0).stdout, "nothing to forget: this host is sealed\n");
    install(&host, &master).expect(0);
    assert_eq!(agents(&master, "active"), 2, "whoever starts from it is a host of its own");
}

/// Certificates of somebody else in the host's directory of that name.
fn foreign_certificates(host: &Host, master: &Master, dir: &str) {
    let agent = Agent::new(&[master.url()], &master.api_key("others", &[]));
    agent.run(&["download"]).expect(0);
    let Identity { key, certificate, anchors, .. } = agent.identity().expect("one of its own");
    host.put(&format!("{dir}/tls.crt"), certificate);
    host.put(&format!("{dir}/tls.key"), key);
    host.put(&format!("{dir}/ca.crt"), anchors);
}

#[test]
fn adopted_certificates_are_watched_without_a_master() {
    let master = Master::start();
    let Some(host) = Host::fresh() else { return };
    foreign_certificates(&host, &master, "/opt/twa/TWSDATA/ssl/certs");
    let before = agents(&master, "active");
    let said = host.gatepass(&["adopt", "/opt/twa"]).expect(0);
    assert!(said.stderr.contains("the certificate in /opt/twa/TWSDATA/ssl/certs ends"), "{}", said.stderr);
    assert_eq!(
        host.gatepass(&["adopt", "/opt/twa"]).expect(0).stdout,
        "nothing to do: everything is in place\n"
    );
    let step = host.gatepass(&["download"]).expect(0);
    assert!(step.stdout.contains("adopted      /opt/twa/TWSDATA/ssl/certs"), "{}", step.stdout);
    assert!(step.stderr.contains("adopted certificates end soon"), "seven days are soon: {}", step.stderr);
    let status = host.gatepass(&["--json", "status"]).expect(0).json();
    assert!(status["adopted"]["until"].is_number() || status["adopted"]["until"].is_string(), "{status}");
    assert_eq!((status["verdict"].as_str(), agents(&master, "active")), (Some("good"), before));
    host.gatepass(&["adopt", "/etc"]).expect(2);
}

#[test]
fn adopted_certificates_give_way_when_a_renewal_of_theirs_is_due() {
    let master = Master::with(MasterOptions { lifetime: "15s", ..MasterOptions::default() });
    let Some(host) = host(&master, "hosts") else { return };
    foreign_certificates(&host, &master, "/opt/certs");
    let theirs = host.read("/opt/certs/tls.crt");
    host.put(
        "/etc/gatepass/config.toml",
        format!("masters = ['{}']\nrenewal = {{ floor = '1s', after = 90, spread = 1 }}\n", master.url()),
    );
    host.gatepass(&["adopt", "/opt/certs"]).expect(0);
    let mut command = host.command("gatepass");
    command.args(["run", "--apikey-file", KEY]).stdin(Stdio::null()).stderr(Stdio::null());
    let daemon = Program(command.spawn().expect("started"));
    eventually("the agent's own take their place", Duration::from_secs(20), || {
        host.read("/opt/certs/tls.crt") != theirs && host.read("/opt/certs/tls.sth").is_some()
    });
    assert_eq!(host.read("/opt/certs.before-gatepass/tls.crt"), theirs, "kept beside them");
    drop(daemon);
    let from =
        |pem: Option<String>| Chain::from_pem(&pem.expect("there")).expect("a chain").validity().from();
    let (own, theirs) = (from(host.read("/opt/certs/tls.crt")), from(theirs));
    // They live for 15 s and are dated back by a minute; nine tenths of that are over 7 s after they were made.
    assert!(own.since(theirs) >= Duration::from_secs(6), "not before it was due: {theirs} {own}");
}

/// What an installation under systemd comes to, and what is left when it has gone again.
#[test]
fn under_systemd_the_service_enrols_and_leaves_without_a_trace() {
    Lab::run(|lab| {
        let mut master = Master::with(MasterOptions { address: Some(HERE), ..MasterOptions::default() });
        let host = lab.boot("db8", 8);
        let key = std::fs::read(master.api_key("hosts", &[])).expect("it was just made");
        host.write(KEY, 0o600, key);
        host.copy(&program("gatepass"), "/root/gatepass");
        let before = files(&host);
        let url = master.url().to_owned();
        let install = ["/root/gatepass", "install", "--master", &url, "--apikey-file", KEY, "--wait", "20s"];
        // Refused first: nothing is left, not even what systemd makes for a service.
        master.ctl(&["key", "suspend", "hosts"]).expect(0);
        let refused = host.run(&install).expect(4);
        assert!(refused.stderr.contains("this host is as it was before"), "{}", refused.stderr);
        assert_eq!(files(&host), before);
        master.ctl(&["key", "resume", "hosts"]).expect(0);

        let installed = host.run(&install).expect(0);
        assert!(installed.stdout.ends_with("everything is in place\n"), "{installed:?}");
        let held = host.run(&["gatepass", "--json", "status"]).json()["identity"].clone();
        assert!(held.is_object(), "{held}");
        let state = ["ActiveState", "UnitFileState"].map(|name| host.show("gatepass.service", name));
        assert_eq!(state, ["active", "enabled"]);
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
        assert_eq!(
            host.sh("stat -Lc '%U %a' /var/lib/gatepass /etc/credstore/gatepass.apikey"),
            "gatepass 700\nroot 600\n"
        );
        let pid = host.show("gatepass.service", "MainPID");
        let again = host.run(&install).expect(0);
        assert_eq!(again.stdout, "nothing to do: everything is in place\n", "{}", again.stderr);
        assert_eq!(host.show("gatepass.service", "MainPID"), pid, "it goes on undisturbed");

        // The master is away: everything stays, and the service runs again.
        master.kill();
        let stays = host.run(&["gatepass", "uninstall"]).expect(3);
        assert!(stays.stderr.contains("could not be told"), "{}", stays.stderr);
        assert_eq!(host.show("gatepass.service", "ActiveState"), "active");
        master.restart(Vec::new());
        host.run(&["gatepass", "uninstall"]).expect(0);
        assert_eq!((files(&host), agents(&master, "active")), (before, 0));
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
    });
}

/// The service may read, and one day replace, what belongs to somebody else; nothing else changes for it.
#[test]
fn under_systemd_a_service_takes_over_the_certificates_of_somebody_else() {
    Lab::run(|lab| {
        let options = MasterOptions { address: Some(HERE), lifetime: "25s", ..MasterOptions::default() };
        let master = Master::with(options);
        let host = lab.boot("db9", 9);
        let key = std::fs::read(master.api_key("hosts", &[])).expect("it was just made");
        host.write(KEY, 0o600, key);
        host.copy(&program("gatepass"), "/root/gatepass");
        let agent = Agent::new(&[master.url()], &master.api_key("others", &[]));
        agent.run(&["download"]).expect(0);
        let Identity { key, certificate, anchors, .. } = agent.identity().expect("one of its own");
        for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &anchors)] {
            host.write(&format!("/opt/twa/TWSDATA/ssl/certs/{name}"), 0o600, text);
        }
        host.sh("useradd --system wauser; chmod 0700 /opt/twa; chown -R wauser:wauser /opt/twa");
        host.run(&["/root/gatepass", "adopt", "/opt/twa"]).expect(0);
        let hurry = "renewal = { floor = '1s', after = 90, spread = 1 }";
        host.sh(&format!("printf \"{hurry}\\n\" | cat - /etc/gatepass/config.toml >/root/new; cp /root/new /etc/gatepass/config.toml"));
        host.run(&["/root/gatepass", "install", "--master", master.url(), "--apikey-file", KEY]).expect(0);
        let certs = "/opt/twa/TWSDATA/ssl/certs";
        eventually("the agent's own take their place", Duration::from_mins(1), || {
            host.run(&["test", "-s", &format!("{certs}/tls.sth")]).code == Some(0)
        });
        assert_eq!(host.sh(&format!("stat -Lc '%U %a' {certs}/tls.key {certs}")), "wauser 600\nwauser 750\n");
        assert_eq!(host.sh(&format!("cat {certs}.before-gatepass/tls.crt")), certificate);
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
    });
}

/// Every file there, but what the system keeps about itself and account tools leave behind.
fn files(host: &Machine) -> BTreeSet<String> {
    let found = host.sh(
        "find / \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
         -o -path /var/log -o -path /var/lib/systemd \\) -prune -o -print",
    );
    let residue = |file: &&str| file.starts_with("/etc/") && file.ends_with('-') || *file == "/etc/.pwd.lock";
    found.lines().filter(|file| !residue(file)).map(str::to_owned).collect()
}
