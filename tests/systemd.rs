//! The Debian packages and their units on hosts with a real systemd.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::{HERE, Lab, Machine, Master, MasterOptions, Output, VERSIONS, eventually, package};

const SOON: Duration = Duration::from_secs(30);

/// One that hosts of the lab can reach.
fn master() -> Master {
    Master::with(MasterOptions { address: Some(HERE), ..MasterOptions::default() })
}

/// Installs packages as an administrator does who has the files.
fn install(host: &Machine, version: &str, names: &[&str]) -> Output {
    let mut dpkg = vec!["dpkg".to_owned(), "--install".to_owned()];
    for name in names {
        let file = format!("/tmp/{name}_{version}.deb");
        host.copy(&package(name, version), &file);
        dpkg.push(file);
    }
    host.run(&dpkg.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A host with the agent's package, its key and its configuration: all but started.
fn prepared(lab: &Lab, master: &Master, more: &str) -> Machine {
    let host = lab.boot("db7", 7);
    install(&host, VERSIONS[0], &["gatepass"]).expect(0);
    let key = std::fs::read(master.api_key("hosts", &[])).expect("it was just made");
    host.write("/etc/credstore/gatepass.apikey", 0o600, key);
    let config = format!("masters = ['{}']\nrenewal = {{ floor = '1s' }}\n{more}", master.url());
    host.write("/etc/gatepass/config.toml", 0o644, config);
    host
}

fn started(lab: &Lab, master: &Master, more: &str) -> Machine {
    let host = prepared(lab, master, more);
    host.sh("systemctl enable --now gatepass");
    host
}

/// What `gatepass status` knows of the identity.
#[track_caller]
fn identity(host: &Machine) -> Value {
    host.run(&["gatepass", "status", "--json"]).json()["identity"].clone()
}

fn main_pid(host: &Machine) -> String {
    host.show("gatepass.service", "MainPID")
}

/// Gives the unit lines of the administrator's own.
fn drop_in(host: &Machine, unit: &str, lines: &str) {
    host.write(&format!("/etc/systemd/system/{unit}.d/test.conf"), 0o644, format!("[Service]\n{lines}\n"));
    host.sh("systemctl daemon-reload");
}

/// Every file that a package could have left; not what the system keeps about itself.
fn files(host: &Machine) -> BTreeSet<String> {
    let found = host.sh(
        "find / \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
         -o -path /var/lib/dpkg -o -path /var/log \\) -prune -o -print",
    );
    found.lines().map(str::to_owned).collect()
}

#[test]
fn the_service_is_ready_with_an_identity_and_the_host_is_in_order() {
    Lab::run(|lab| {
        let master = master();
        let host = started(lab, &master, "");
        let held = identity(&host);
        assert!(held.is_object(), "`systemctl start` returns when an identity is there: {held}");
        let state = ["ActiveState", "SubState", "Result"].map(|name| host.show("gatepass.service", name));
        assert_eq!(state, ["active", "running", "success"]);
        let agent = held["agent"].as_str().expect("an id");
        let told = host.show("gatepass.service", "StatusText");
        assert!(told.starts_with(&format!("agent {agent}, generation 1")), "{told}");
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
        // Nothing of it belongs to root, and nobody else may look.
        assert_eq!(host.sh("stat -Lc '%U %a' /var/lib/gatepass").trim(), "gatepass 700");
        assert_eq!(host.sh("find -L /var/lib/gatepass ! -user gatepass"), "");
        // The key is the manager's to hand over: the process has it in a place of its own.
        let pid = main_pid(&host);
        let environ = host.sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ"));
        assert!(!environ.contains("gpk_") && environ.contains("CREDENTIALS_DIRECTORY="), "{environ}");
        assert_eq!(host.sh(&format!("grep -c '^Max core file size *0  *0 ' /proc/{pid}/limits")).trim(), "1");
    });
}

#[test]
fn the_journal_has_its_fields_and_a_reload_takes_new_settings() {
    Lab::run(|lab| {
        let master = master();
        let host = started(lab, &master, "");
        let pid = main_pid(&host);
        let entries = host.sh("journalctl -u gatepass -o json --no-pager SYSLOG_IDENTIFIER=gatepass");
        let entries: Vec<Value> =
            entries.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let published = entries.iter().find(|entry| {
            entry["MESSAGE"].as_str().is_some_and(|message| message.contains("bundle published"))
        });
        let published = published.unwrap_or_else(|| panic!("{entries:?}"));
        assert_eq!((&published["PRIORITY"], &published["_PID"]), (&"6".into(), &pid.as_str().into()));
        assert_eq!(published["_SYSTEMD_UNIT"], "gatepass.service");
        let message = published["MESSAGE"].as_str().expect("text");
        assert!(message.contains("generation=1 certificate_until="), "{message}");
        assert!(
            !message.contains("2026-11-23T") || !message.starts_with("20"),
            "the journal has the time: {message}"
        );
        host.sh("echo 'state_dri = \"/nowhere\"' >>/etc/gatepass/config.toml; systemctl reload gatepass");
        eventually("a warning, as a warning", SOON, || {
            let warnings =
                host.sh("journalctl -u gatepass -o cat -p warning --no-pager SYSLOG_IDENTIFIER=gatepass");
            warnings.contains("the configuration stays as it was") && !warnings.contains("bundle published")
        });
        host.sh("sed -i /state_dri/d /etc/gatepass/config.toml; echo '[log]\nformat = \"json\"' >>/etc/gatepass/config.toml");
        host.sh("systemctl reload gatepass");
        assert_eq!(main_pid(&host), pid, "it is told, not replaced");
        assert_eq!(host.show("gatepass.service", "ActiveState"), "active");
    });
}

#[test]
fn one_that_hangs_is_replaced_and_keeps_its_identity() {
    Lab::run(|lab| {
        let master = master();
        let host = started(lab, &master, "");
        let (held, pid) = (identity(&host), main_pid(&host));
        drop_in(&host, "gatepass.service", "WatchdogSec=2s\nRestartSec=100ms");
        host.sh("systemctl restart gatepass");
        assert_eq!(identity(&host)["serial"], held["serial"], "a restart keeps it");
        // The key is needed once.
        host.sh("rm /etc/credstore/gatepass.apikey");
        let hung = main_pid(&host);
        assert_ne!(hung, pid);
        host.sh(&format!("kill -STOP {hung}"));
        eventually("the watchdog bites", SOON, || {
            let now = main_pid(&host);
            now != "0" && now != hung && host.show("gatepass.service", "SubState") == "running"
        });
        assert_eq!(host.show("gatepass.service", "NRestarts"), "1");
        assert!(host.journal("gatepass").contains("Failed with result 'watchdog'"));
        assert_eq!(identity(&host)["serial"], held["serial"]);
        assert_eq!(
            host.sh("find / -xdev -name 'core*' -size +0 -newer /etc/gatepass/config.toml -type f"),
            ""
        );
        host.sh("systemctl is-system-running");
    });
}

/// As the unit's own text has it.
const RULE: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "gatepass"
        && action.lookup("unit") == "nginx.service" && action.lookup("verb") == "reload-or-restart") {
        return polkit.Result.YES;
    }
});
"#;

#[test]
fn a_hook_reloads_a_neighbour_where_polkit_lets_it() {
    Lab::run(|lab| {
        let master = master();
        let host = prepared(lab, &master, "[[hook]]\nname = 'nginx'\nreload = 'nginx.service'\n");
        let neighbour = "[Service]\nExecStart=sleep infinity\nExecReload=sh -c 'echo told >>/run/told'\n";
        host.write("/etc/systemd/system/nginx.service", 0o644, neighbour);
        host.sh("systemctl start nginx; systemctl enable --now gatepass");
        let status = || host.run(&["gatepass", "status", "--json"]).json();
        eventually("it was refused", SOON, || status()["hooks"][0]["ok"] == false);
        assert!(identity(&host).is_object(), "one that is not required does no harm");
        let unit = host.sh("cat /usr/lib/systemd/system/gatepass.service");
        let advice: String =
            unit.lines().filter_map(|line| Some(line.strip_prefix("#   ")?.to_owned() + "\n")).collect();
        assert!(advice.contains(RULE), "what helps stands in the unit: {advice}");
        host.write("/etc/polkit-1/rules.d/50-gatepass.rules", 0o644, RULE);
        eventually("it was told", SOON, || {
            host.run(&["gatepass", "renew"]);
            status()["hooks"][0]["ok"] == true
        });
        assert!(host.sh("cat /run/told").starts_with("told\n"));
        // That, and nothing else.
        let stop = host.run(&[
            "setpriv",
            "--reuid=gatepass",
            "--clear-groups",
            "systemctl",
            "stop",
            "nginx.service",
        ]);
        assert_ne!(stop.code, Some(0), "{stop:?}");
        assert_eq!(host.show("nginx.service", "ActiveState"), "active");
    });
}

#[test]
fn an_upgrade_restarts_what_it_can_read_and_a_downgrade_is_refused_what_it_cannot() {
    Lab::run(|lab| {
        let master = master();
        let host = started(lab, &master, "");
        let (held, pid) = (identity(&host), main_pid(&host));
        install(&host, VERSIONS[1], &["gatepass"]).expect(0);
        let upgraded = main_pid(&host);
        assert_ne!(upgraded, pid, "the new program runs");
        assert_eq!(identity(&host), held);
        // Back again, while nothing newer has been written.
        install(&host, VERSIONS[0], &["gatepass"]).expect(0);
        assert_eq!(identity(&host), held);
        let pid = main_pid(&host);
        host.sh("cp /etc/gatepass/config.toml /root/; echo 'state_dri = 1' >>/etc/gatepass/config.toml");
        let upgrade = install(&host, VERSIONS[1], &["gatepass"]);
        assert_ne!(upgrade.code, Some(0), "{upgrade:?}");
        assert!(upgrade.stderr.contains("did you mean `state_dir`?"), "{upgrade:?}");
        assert_eq!(main_pid(&host), pid, "what runs goes on");
        host.sh("cp /root/config.toml /etc/gatepass/; dpkg --configure gatepass");
        let pid = main_pid(&host);
        host.sh("echo 1000 >/var/lib/gatepass/format");
        let refused = install(&host, VERSIONS[0], &["gatepass"]);
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.stderr.contains("format 1000"), "{refused:?}");
        assert_eq!(
            host.sh("dpkg-query -Wf '${Version} ${Status}' gatepass"),
            format!("{} install ok installed", VERSIONS[1])
        );
        assert_eq!(main_pid(&host), pid, "and what runs goes on");
    });
}

#[test]
fn a_purge_leaves_nothing() {
    Lab::run(|lab| {
        let master = master();
        let host = lab.boot("db7", 7);
        let users = host.sh("getent passwd; getent group");
        let before = files(&host);
        install(&host, VERSIONS[0], &["gatepass", "gatepass-master", "gatepassctl"]).expect(0);
        let key = std::fs::read(master.api_key("hosts", &[])).expect("it was just made");
        host.write("/etc/credstore/gatepass.apikey", 0o600, key);
        host.write("/etc/gatepass/config.toml", 0o644, format!("masters = ['{}']\n", master.url()));
        drop_in(&host, "gatepass.service", "RestartSec=1s");
        host.sh("gatepass-master init --name localhost --dir /var/lib/gatepass-master; systemctl enable --now gatepass gatepass-master");
        host.sh("dpkg --purge gatepass gatepass-master gatepassctl");
        let left: Vec<_> = files(&host).difference(&before).cloned().collect();
        assert_eq!(left, [""; 0]);
        assert_eq!(host.sh("getent passwd; getent group"), users);
        assert_eq!(host.sh("pgrep -l gatepass || true"), "");
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
    });
}

#[test]
fn the_masters_package_serves_agents_of_the_same_host() {
    Lab::run(|lab| {
        let host = lab.boot("head", 2);
        install(&host, VERSIONS[0], &["gatepass", "gatepass-master", "gatepassctl"]).expect(0);
        host.sh("gatepass-master init --name localhost --dir /var/lib/gatepass-master; systemctl enable --now gatepass-master");
        let told = host.show("gatepass-master.service", "StatusText");
        assert_eq!(told, "listening on https://localhost:31116");
        assert_eq!(host.sh("stat -Lc '%U %a' /var/lib/gatepass-master").trim(), "gatepass-master 700");
        host.sh(
            "gatepassctl --master https://localhost:31116 --apikey-file /var/lib/gatepass-master/admin.key \
             key create hosts --kind service --group hosts --capability agent.enrol --out /etc/credstore/gatepass.apikey
             echo 'masters = [\"https://localhost:31116\"]' >/etc/gatepass/config.toml
             systemctl enable --now gatepass",
        );
        let held = identity(&host);
        assert!(held.is_object(), "{}", host.journal("gatepass"));
        // Its key apart from its database, as the unit's own text has it.
        host.sh("systemctl stop gatepass-master
             mv /var/lib/gatepass-master/master.key /etc/credstore/gatepass-master.key
             chown root: /etc/credstore/gatepass-master.key; chmod 600 /etc/credstore/gatepass-master.key
             systemctl start gatepass-master");
        drop_in(&host, "gatepass-master.service", "WatchdogSec=2s\nRestartSec=100ms");
        host.sh("systemctl restart gatepass-master");
        let hung = host.show("gatepass-master.service", "MainPID");
        host.sh(&format!("kill -STOP {hung}"));
        eventually("the watchdog bites", SOON, || {
            let now = host.show("gatepass-master.service", "MainPID");
            now != hung && host.show("gatepass-master.service", "SubState") == "running"
        });
        host.run(&["gatepass", "renew"]).expect(0);
        install(&host, VERSIONS[1], &["gatepass-master"]).expect(0);
        let told = host.show("gatepass-master.service", "StatusText");
        assert_eq!(told, "listening on https://localhost:31116");
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
    });
}

/// The first two commands of somebody who has the package and a key, and the last two.
#[test]
fn two_commands_make_a_service_and_two_leave_no_trace() {
    Lab::run(|lab| {
        let master = master();
        let host = lab.boot("db7", 7);
        let before = files(&host);
        host.write(
            "/root/key",
            0o600,
            std::fs::read(master.api_key("hosts", &[])).expect("it was just made"),
        );
        install(&host, VERSIONS[0], &["gatepass"]).expect(0);
        let command = ["gatepass", "install", "--master", master.url(), "--apikey-file", "/root/key"];
        host.run(&command).expect(0);
        let states = ["ActiveState", "UnitFileState"].map(|name| host.show("gatepass.service", name));
        assert_eq!(states, ["active", "enabled"]);
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
        let (held, pid) = (identity(&host), main_pid(&host));
        assert!(held.is_object(), "{}", host.journal("gatepass"));
        host.run(&command).expect(0);
        assert_eq!((identity(&host), main_pid(&host)), (held, pid), "the second time changes nothing");
        host.run(&["gatepass", "uninstall"]).expect(0);
        assert_eq!(host.show("gatepass.service", "ActiveState"), "inactive");
        host.sh("dpkg --purge gatepass; rm /root/key");
        let left: Vec<_> = files(&host).difference(&before).cloned().collect();
        assert_eq!(left, [""; 0]);
    });
}

#[test]
fn an_image_that_was_sealed_knows_its_masters_and_not_who_it_was() {
    Lab::run(|lab| {
        let master = master();
        let host = started(lab, &master, "");
        let agent = identity(&host)["agent"].clone();
        let configuration = host.sh("cat /etc/gatepass/config.toml");
        host.sh("systemctl stop gatepass; gatepass seal");
        assert!(identity(&host).is_null());
        assert_eq!(host.sh("find -L /var/lib/gatepass -name '*.key' -o -name '*.jwt'"), "");
        assert_eq!(host.sh("cat /etc/gatepass/config.toml"), configuration);
        host.write("/etc/credstore/gatepass.apikey", 0o600, {
            std::fs::read(master.api_key("images", &[])).expect("it was just made")
        });
        host.sh("systemctl start gatepass");
        assert!(identity(&host).is_object(), "{}", host.journal("gatepass"));
        assert_ne!(identity(&host)["agent"], agent, "another host");
    });
}

/// As scripts of old call it, once where it goes by itself and once where a path needs care.
#[test]
fn twsinst_makes_services_that_keep_their_identity_and_leave_no_trace() {
    Lab::run(|lab| {
        let master = master();
        let host = lab.boot("db7", 7);
        install(&host, VERSIONS[0], &["gatepass"]).expect(0);
        let key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("it was just made");
        host.write("/root/key", 0o600, format!("{}\n", key.trim()));
        host.sh("for user in twsone twstwo; do useradd --create-home $user; done");
        let before = files(&host);
        let port = master.url().rsplit_once(':').expect("a port").1;
        for (user, inst) in [("twsone", "/opt/HCL/TWA_twsone"), ("twstwo", "/opt/my agents, 100%/two")] {
            let new = format!(
                "twsinst -new -acceptlicense yes -uname {user} -tdwbhostname {HERE} -tdwbport {port} \
                 -inst_dir '{inst}' -displayname {user} -apikey \"$(cat /root/key)\""
            );
            assert!(host.sh(&new).contains("AWSFAB033I"));
            let unit = format!("tebctl-tws_cpa_agent_{user}.service");
            let states = ["ActiveState", "UnitFileState", "User"].map(|name| host.show(&unit, name));
            assert_eq!(states, ["active", "enabled", user]);
            let config = format!("{inst}/TWSDATA/gatepass/config.toml");
            let held = || {
                let program = format!("{inst}/TWS/bin/gatepass");
                host.run(&[&program, "--config", &config, "status", "--json"]).json()["identity"].clone()
            };
            let (identity, pid) = (held(), host.show(&unit, "MainPID"));
            assert!(identity.is_object(), "{}", host.journal(&unit));
            let log = host.sh(&format!("cat '{inst}/TWSDATA/stdlist/JM/JobManager_message.log'"));
            assert!(log.contains("the clocks agree"), "{log}");
            host.sh(&format!("systemctl restart {unit}"));
            assert_ne!(host.show(&unit, "MainPID"), pid);
            assert_eq!(held()["serial"], identity["serial"], "a restart keeps it");
            assert!(host.sh(&new).contains("AWSFAB923I"), "the second time changes nothing");
        }
        // In the one file that it came from.
        let seen = host.sh(
            "journalctl --no-pager -o export >/run/journal
             grep -rlaFf /root/key /proc/[0-9]*/cmdline /proc/[0-9]*/environ /etc /run /opt /home /root /var/log || true",
        );
        assert_eq!(seen, "/root/key\n");
        host.sh("for user in twsone twstwo; do twsinst -uninst -uname $user -wait 1; done");
        let left: Vec<_> = files(&host).difference(&before).cloned().collect();
        assert_eq!(left, [""; 0]);
        assert_eq!(
            host.sh("systemctl list-units --all --no-legend 'tebctl*'; pgrep -l gatepass || true"),
            ""
        );
        assert_eq!(host.sh("systemctl is-system-running").trim(), "running");
    });
}
