//! What `packaging/fleet/` gives to people with many hosts, done to many hosts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    HERE, Lab, Machine, Master, MasterOptions, Output, VERSIONS, eventually, from_pypi, package, program,
    tool, write,
};

const SOON: Duration = Duration::from_secs(30);

fn fleet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/fleet")
}

fn master() -> Master {
    Master::with(MasterOptions { address: Some(HERE), ..MasterOptions::default() })
}

/// Who manages the hosts: a key for ssh, and the files the tools are given.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a directory"));
        let mut keygen = tool("ssh-keygen");
        Output::of(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(desk.path("id"))).expect(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// How ssh is to be called.
    fn ssh(&self) -> String {
        let options = "-oBatchMode=yes -oConnectTimeout=3 -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR";
        format!("{options} -oIdentitiesOnly=yes -i {}", self.path("id").display())
    }

    fn admit(&self, host: &Machine) {
        let key = fs::read(self.path("id.pub")).expect("it was made");
        host.write("/root/.ssh/authorized_keys", 0o600, key);
    }
}

/// Whom a host is, as the agent on it says.
#[track_caller]
fn identity(host: &Machine) -> Value {
    host.run(&["gatepass", "status", "--json"]).json()["identity"].clone()
}

/// The key is nowhere on it: not in a file, not in the journal that modules and services write to.
#[track_caller]
fn assert_no_key(host: &Machine, key: &str) {
    host.run(&["test", "-e", "/etc/credstore/gatepass.apikey"]).expect(1);
    let journal = host.sh("journalctl --no-pager -o verbose");
    assert!(!journal.contains(key), "the key is in the journal of {}", host.name());
    let places = ["grep", "-rlF", "--", key, "/etc", "/var", "/root", "/tmp"];
    host.run(&places).expect(1);
}

/// Changed, failed and unreachable, by host.
type Recap = BTreeMap<String, [i64; 3]>;

struct Ansible<'a> {
    desk: &'a Desk,
    key: String,
}

impl<'a> Ansible<'a> {
    /// The inventory: what is special about each host is its own lines.
    fn new(desk: &'a Desk, master: &Master, hosts: &[(&str, &str)]) -> Self {
        let key = fs::read_to_string(master.api_key("fleet", &[])).expect("it was just made");
        let line = |(name, address): &(&str, &str)| format!("    {name}: {{ansible_host: {address}}}\n");
        let lines: String = hosts.iter().map(line).collect();
        let text = format!(
            "gatepass:\n  hosts:\n{lines}  vars:\n    ansible_user: root\n    ansible_python_interpreter: /usr/bin/python3\n    \
             gatepass_masters: ['{}']\n    gatepass_package_file: {}\n    gatepass_config: |\n      [log]\n      \
             format = 'json'\n    gatepass_apikey: \"{{{{ vault_gatepass_apikey }}}}\"\n",
            master.url(),
            package("gatepass", VERSIONS[0]).display()
        );
        write(desk.path("hosts.yaml"), text);
        write(desk.path("password"), "open sesame");
        write(desk.path("ansible.cfg"), "[defaults]\n");
        fs::create_dir_all(desk.path("group_vars/gatepass")).expect("a directory");
        let vault = desk.path("group_vars/gatepass/vault.yaml");
        write(&vault, format!("vault_gatepass_apikey: {}\n", key.trim()));
        let ansible = Self { desk, key: key.trim().to_owned() };
        Output::of(ansible.tool("ansible-vault").arg("encrypt").arg(&vault)).expect(0);
        ansible
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = tool(name);
        command
            .env("HOME", self.desk.path("."))
            .env("ANSIBLE_CONFIG", self.desk.path("ansible.cfg"))
            .env("LC_ALL", "C.UTF-8");
        command.env("ANSIBLE_VAULT_PASSWORD_FILE", self.desk.path("password"));
        command.env("ANSIBLE_HOST_KEY_CHECKING", "False").env("ANSIBLE_PIPELINING", "True");
        let kept = "-oControlMaster=auto -oControlPersist=20s";
        command.env("ANSIBLE_SSH_ARGS", format!("{kept} {}", self.desk.ssh()));
        command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", self.desk.path("cp"));
        command.env("ANSIBLE_DEPRECATION_WARNINGS", "False");
        command
    }

    /// Runs the playbook; who was changed, who failed, who was away.
    #[track_caller]
    fn play(&self, more: &[&str]) -> Recap {
        let mut command = self.tool("ansible-playbook");
        command.arg("--inventory").arg(self.desk.path("hosts.yaml")).args(["--diff", "-vv"]).args(more);
        let played = Output::of(command.arg(fleet().join("ansible/site.yaml")));
        for said in [&played.stdout, &played.stderr] {
            assert!(!said.contains(&self.key), "the key was shown");
        }
        let (_, lines) = played.stdout.split_once("PLAY RECAP").unwrap_or_else(|| panic!("{played:?}"));
        let recap: Recap = lines.lines().filter_map(recap).collect();
        let failed = recap.values().any(|[_, failures, _]| *failures != 0);
        assert!(!failed && !recap.is_empty(), "{}\n{}", played.stdout, played.stderr);
        recap
    }
}

/// `fresh   : ok=9    changed=4    unreachable=0    failed=0    skipped=3 ...`
fn recap(line: &str) -> Option<(String, [i64; 3])> {
    let (host, counts) = line.split_once(" : ")?;
    let count = |name: &str| {
        let found = counts.split_whitespace().find_map(|count| count.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|count| count.parse().ok()).expect("a number of each")
    };
    Some((host.trim().to_owned(), ["changed", "failed", "unreachable"].map(count)))
}

/// Two hours behind, for the service and whoever asks about it: this machine's clock is everybody's.
fn turn_back(host: &Machine) {
    let arch = std::env::consts::ARCH;
    let library = format!("LD_PRELOAD=/usr/lib/{arch}-linux-gnu/faketime/libfaketimeMT.so.1");
    let clock = format!("{library} FAKETIME=-2h FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1");
    let unit = format!("[Service]\nEnvironment={clock}\n");
    host.write("/etc/systemd/system/gatepass.service.d/clock.conf", 0o644, unit);
    let program = format!("#!/bin/sh\nexec env {clock} /usr/bin/gatepass \"$@\"\n");
    host.write("/usr/local/bin/gatepass", 0o755, program);
}

#[test]
fn a_playbook_enrols_what_is_there_and_its_second_run_changes_nothing() {
    Lab::run(|lab| {
        let (master, desk) = (master(), Desk::new());
        let [fresh, behind, enrolled] = lab.boot_all(["fresh", "behind", "enrolled"]);
        let hosts = [&fresh, &behind, &enrolled];
        for host in hosts {
            desk.admit(host);
        }
        turn_back(&behind);
        by_hand(&enrolled, &master);
        let held = identity(&enrolled);
        let mut inventory = vec![("away", "10.77.0.99")];
        inventory.extend(hosts.map(|host| (host.name(), host.address())));
        let ansible = Ansible::new(&desk, &master, &inventory);

        let trial = ansible.play(&["--check", "--limit", "fresh"]);
        fresh.run(&["test", "-e", "/etc/gatepass"]).expect(1);
        assert!(trial["fresh"][0] > 0, "it says what it would change: {trial:?}");

        // One host that is off is not the end of its batch.
        let batches = ["--extra-vars", "{\"gatepass_batches\": [2, \"100%\"]}"];
        let first = ansible.play(&batches);
        assert_eq!(first["away"][2], 1, "{first:?}");
        assert!(
            hosts.iter().all(|host| first[host.name()][0] > 0 && first[host.name()][2] == 0),
            "{first:?}"
        );
        assert_eq!(identity(&enrolled)["agent"], held["agent"], "it keeps what it has");
        for host in hosts {
            assert!(identity(host).is_object(), "{} is enrolled", host.name());
            assert_no_key(host, &ansible.key);
            assert_eq!(host.show("gatepass.service", "UnitFileState"), "enabled");
        }
        let clock = behind.run(&["gatepass", "status", "--json"]).json()["clock"].clone();
        assert_eq!(clock["standing"], "critical", "{clock}");

        let second = ansible.play(&batches);
        let changed: Vec<_> = hosts.iter().map(|host| second[host.name()]).collect();
        assert_eq!(changed, [[0; 3]; 3], "{second:?}");

        // What an administrator changes arrives without a new process or a new identity.
        let pid = fresh.show("gatepass.service", "MainPID");
        let other =
            ["--limit", "fresh", "--extra-vars", "{\"gatepass_config\": \"[log]\\nlevel = 'debug'\"}"];
        assert!(ansible.play(&other)["fresh"][0] > 0);
        assert_eq!(fresh.show("gatepass.service", "MainPID"), pid);
        assert!(fresh.sh("cat /etc/gatepass/config.toml").contains("debug"));
    });
}

/// Enrolled before any tool came.
fn by_hand(host: &Machine, master: &Master) {
    host.copy(&package("gatepass", VERSIONS[0]), "/tmp/gatepass.deb");
    let key = fs::read(master.api_key("by-hand", &[])).expect("it was just made");
    host.write("/root/key", 0o600, key);
    host.sh(&format!(
        "dpkg --install /tmp/gatepass.deb; echo \"masters = ['{}']\" >/etc/gatepass/config.toml
         install -m 600 /root/key /etc/credstore/gatepass.apikey
         systemctl enable --now gatepass; rm /root/key /etc/credstore/gatepass.apikey",
        master.url()
    ));
}

#[test]
fn a_loop_over_ssh_enrols_what_it_reaches_and_says_what_it_did_not() {
    Lab::run(|lab| {
        let (master, desk) = (master(), Desk::new());
        let [one, two] = lab.boot_all(["one", "two"]);
        for host in [&one, &two] {
            desk.admit(host);
        }
        let key = master.api_key("loop", &[]);
        write(desk.path("config.toml"), format!("masters = ['{}']\n", master.url()));
        let enrol = |hosts: &[&str]| {
            let mut command = tool(fleet().join("ssh/enrol-hosts"));
            command.env("SSH", format!("ssh {} -l root", desk.ssh()));
            command.arg("--package").arg(package("gatepass", VERSIONS[0])).arg("--key").arg(&key);
            Output::of(command.arg("--config").arg(desk.path("config.toml")).args(hosts))
        };
        let said = enrol(&[one.address(), "10.77.0.99", two.address()]).expect(1);
        let lines: Vec<_> = said.stdout.lines().collect();
        assert_eq!(
            (lines[0], *lines.last().expect("lines")),
            ("10.77.0.11: enrolled", "10.77.0.12: enrolled")
        );
        assert!(lines[1].starts_with("10.77.0.99: ssh: connect to host"), "{said:?}");
        let held = identity(&one);
        let again = enrol(&[one.address(), two.address()]).expect(0);
        assert_eq!(again.stdout.matches("has an identity already").count(), 2, "{again:?}");
        assert_eq!(identity(&one), held);
        let key = fs::read_to_string(key).expect("it is there");
        for host in [&one, &two] {
            assert_no_key(host, key.trim());
        }
    });
}

#[test]
fn user_data_enrols_a_host_when_it_first_boots() {
    Lab::run(|lab| {
        let master = master();
        let host = lab.boot("cloud", 7);
        let key = fs::read_to_string(master.api_key("cloud", &["--uses", "1"])).expect("it was just made");
        let data = fs::read_to_string(fleet().join("cloud-init/user-data.yaml")).expect("it is committed");
        host.write("/root/as-shipped.yaml", 0o600, &data);
        host.run(&["cloud-init", "schema", "--config-file", "/root/as-shipped.yaml"]).expect(0);
        host.sh("sed -i 's/permissions:/permission:/' /root/as-shipped.yaml");
        host.run(&["cloud-init", "schema", "--config-file", "/root/as-shipped.yaml"]).expect(1);
        let masters = "\"https://master1.example.com:31116\", \"https://master2.example.com:31116\"";
        let ours = data.replace(masters, &format!("\"{}\"", master.url()));
        let ours = ours.replace("gpk_REPLACE_WITH_THE_KEY", key.trim());
        assert!(ours.contains(key.trim()) && ours.contains(master.url()));
        host.write("/var/lib/cloud/seed/nocloud/user-data", 0o600, ours);
        host.write("/var/lib/cloud/seed/nocloud/meta-data", 0o600, "instance-id: cloud-1\n");
        host.write("/etc/cloud/cloud.cfg.d/99-here.cfg", 0o644, ONLY);
        repository(&host);
        // What its services do at boot, one stage after the other.
        host.sh(
            "rm /etc/cloud/cloud-init.disabled
             for stage in 'init --local' init 'modules --mode=config' 'modules --mode=final'; do cloud-init $stage; done",
        );
        let status = host.run(&["cloud-init", "status", "--long"]).stdout;
        assert!(identity(&host).is_object(), "{status}{}", host.sh("cat /var/log/cloud-init-output.log"));
        assert_eq!(host.show("gatepass.service", "ActiveState"), "active");
        host.run(&["test", "-e", "/etc/credstore/gatepass.apikey"]).expect(1);
    });
}

/// Nothing of what an image's maker has chosen: what the user data asks for.
const ONLY: &str = "datasource_list: [NoCloud, None]
cloud_init_modules: [write-files]
cloud_config_modules: [runcmd]
cloud_final_modules: [package-update-upgrade-install, scripts-user]
";

/// The host's own repository has the package, and there is no other.
fn repository(host: &Machine) {
    let file = package("gatepass", VERSIONS[0]);
    let dir = file.parent().expect("it lies in a directory");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    host.copy(&file, &format!("/srv/{name}"));
    let index = Output::of(tool("dpkg-scanpackages").arg(&name).current_dir(dir)).expect(0).stdout;
    let found = index.lines().find_map(|line| line.strip_prefix("Filename: ")).expect("it is listed");
    let index = index.replace(found, &format!("./{name}"));
    host.write("/srv/Packages", 0o644, index);
    host.sh("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*");
    host.write("/etc/apt/sources.list", 0o644, "deb [trusted=yes] file:/srv ./\n");
}

/// Every object with what is in it, from the plain manifests and from the chart.
fn manifests() -> BTreeMap<String, Vec<Value>> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet");
    let python = from_pypi("fleet", &place.join("requirements.txt")).join("python");
    let output = Output::of(tool(python).arg(place.join("manifests.py")).arg(fleet())).expect(0);
    serde_json::from_value(output.json()).expect("lists by name")
}

/// What a manifest makes pods of.
fn pod(manifest: &Value) -> Option<&Value> {
    match manifest["kind"].as_str()? {
        "Pod" => Some(&manifest["spec"]),
        "DaemonSet" | "Deployment" => Some(&manifest["spec"]["template"]["spec"]),
        _ => None,
    }
}

/// Our container in a pod, wherever it stands.
fn agent(pod: &Value) -> &Value {
    let containers = ["initContainers", "containers"].map(|list| pod[list].as_array());
    let mut all = containers.into_iter().flatten().flatten();
    all.find(|container| container["name"] == "gatepass").expect("each of them has it")
}

#[test]
fn manifests_and_chart_keep_to_the_schema_and_to_what_is_promised() {
    let found = manifests();
    assert_eq!(found.len(), 4, "two plain ones, and the chart's two ways");
    for (name, manifests) in &found {
        let pods: Vec<_> = manifests.iter().filter_map(pod).collect();
        assert_eq!(pods.len(), 1, "{name}");
        let (pod, agent) = (pods[0], agent(pods[0]));
        let own = &agent["securityContext"];
        assert_eq!(
            (&own["readOnlyRootFilesystem"], &own["allowPrivilegeEscalation"]),
            (&true.into(), &false.into())
        );
        assert_eq!(own["capabilities"]["drop"], serde_json::json!(["ALL"]), "{name}");
        for user in
            [&pod["securityContext"], own].map(|context| (&context["runAsNonRoot"], &context["runAsUser"]))
        {
            assert!(user.0 == true || user.0.is_null(), "{name}");
            assert_ne!(user.1, 0, "{name}");
        }
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        let probe = serde_json::json!(["gatepass", "--config", "/etc/gatepass/config.toml", "status"]);
        for kind in ["startupProbe", "readinessProbe"] {
            assert_eq!(agent[kind]["exec"]["command"], probe, "{name}");
        }
        let volumes = pod["volumes"].as_array().expect("volumes");
        let secret = volumes.iter().find(|volume| volume["secret"].is_object()).expect("the key");
        assert_eq!(
            (&secret["secret"]["optional"], &secret["secret"]["defaultMode"]),
            (&false.into(), &0o400.into())
        );
        assert!(!agent["env"].to_string().contains("secretKeyRef"), "never in the environment: {name}");
    }
    for config in configs(&found) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        write(file.path(), config);
        Output::of(
            Command::new(program("gatepass")).arg("--config").arg(file.path()).args(["config", "validate"]),
        )
        .expect(0);
    }
}

/// The agent's configurations in them.
fn configs(found: &BTreeMap<String, Vec<Value>>) -> Vec<String> {
    let maps = found.values().flatten().filter(|manifest| manifest["kind"] == "ConfigMap");
    let configs: Vec<_> =
        maps.filter_map(|map| map["data"]["config.toml"].as_str().map(str::to_owned)).collect();
    assert_eq!(configs.len(), found.len());
    configs
}

#[test]
fn what_a_pod_is_given_is_enough_for_an_agent() {
    Lab::run(|lab| {
        let found = manifests();
        let config = configs(&found).swap_remove(0);
        let pod = found["sidecar.yaml"].iter().find_map(pod).expect("one");
        let args: Vec<_> =
            agent(pod)["args"].as_array().expect("arguments").iter().filter_map(Value::as_str).collect();
        let master = master();
        let host = lab.boot("node", 7);
        host.copy(&program("gatepass"), "/usr/bin/gatepass");
        let masters = config.lines().next().expect("it begins with them");
        let config = config.replace(masters, &format!("masters = ['{}']", master.url()));
        host.write("/etc/gatepass/config.toml", 0o644, config);
        host.write(
            "/run/secrets/gatepass/apikey",
            0o440,
            fs::read(master.api_key("pods", &[])).expect("a key"),
        );
        // As the kubelet makes the volumes of a pod with that fsGroup.
        host.sh("useradd --no-create-home --uid 10001 pod; chgrp 10001 /run/secrets/gatepass/apikey; install -d -m 2777 -g 10001 /var/lib/gatepass");
        let limits = "-p User=10001 -p Group=10001 -p ReadOnlyPaths=/ -p ReadWritePaths=/var/lib/gatepass -p NoNewPrivileges=yes";
        let args = args.join(" ").replace("$(POD_NAME)", "web-7f9c");
        host.sh(&format!(
            "systemd-run --quiet --unit=pod {limits} -p CapabilityBoundingSet= \
             --setenv=CREDENTIALS_DIRECTORY=/run/secrets/gatepass gatepass {args}"
        ));
        let probe = [
            "setpriv",
            "--reuid=10001",
            "--regid=10001",
            "--clear-groups",
            "gatepass",
            "--config",
            "/etc/gatepass/config.toml",
        ];
        eventually("the startup probe succeeds", SOON, || {
            host.run(&[&probe[..], &["status"]].concat()).code == Some(0)
        });
        assert_eq!(master.ctl(&["agent", "show", "web-7f9c", "--json"]).expect(0).json()["name"], "web-7f9c");
        host.sh("test -s /var/lib/gatepass/state/current/tls.crt");
    });
}
