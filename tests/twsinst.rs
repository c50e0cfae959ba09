//! `twsinst` on fresh hosts: instances come to be, are cared for, and go.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{Host, Master, Output, Program, eventually, program, write};

/// A host with users, and a master it can reach.
struct Site {
    host: Host,
    master: Master,
    key: String,
}

impl Site {
    fn with(users: &[&str]) -> Option<Self> {
        let host = Host::fresh()?;
        let master = Master::start();
        let key = fs::read_to_string(master.api_key("twsinst", &[])).expect("a key").trim().to_owned();
        for user in users {
            host.sh(&format!("useradd --create-home {user}")).expect(0);
        }
        Some(Self { host, master, key })
    }

    fn port(&self) -> &str {
        self.master.url().rsplit_once(':').expect("a port").1
    }

    /// `-new` with the API key, as the manual's examples have it.
    fn new_args<'a>(&'a self, user: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["twsinst", "-new", "-acceptlicense", "yes", "-agent", "dynamic", "-uname", user];
        args.extend(["-tdwbhostname", "localhost", "-tdwbport", self.port(), "-apikey", &self.key]);
        args.extend(more);
        args
    }

    fn installs(&self, user: &str, more: &[&str]) -> Output {
        self.host.gatepass(&self.new_args(user, more))
    }

    fn uninst(&self, user: &str) -> Output {
        self.host.gatepass(&["twsinst", "-uninst", "-uname", user, "-wait", "1"])
    }

    fn ini(&self, user: &str, file: &str, section: &str, key: &str) -> Option<String> {
        let text = self.host.read(&format!("/opt/HCL/TWA_{user}/TWSDATA/{file}")).expect("the file is there");
        ini(&text, section, key)
    }

    fn agent_id(&self, user: &str) -> String {
        self.ini(user, JOB_MANAGER, "ResourceAdvisorAgent", "AgentID").expect("an id")
    }

    /// The process of the agent, by its own word.
    fn agent_process(&self, user: &str) -> Option<String> {
        let lock = self.host.path(&format!("/opt/HCL/TWA_{user}/TWSDATA/gatepass/state/lock"));
        let id = fs::read_to_string(lock).ok()?.trim().to_owned();
        Path::new("/proc").join(&id).join("exe").read_link().ok().map(|_| id)
    }

    /// What the master knows of its agents.
    fn agents(&self) -> serde_json::Value {
        self.master.ctl(&["agent", "list", "-o", "json"]).expect(0).json()
    }
}

const JOB_MANAGER: &str = "ITA/cpa/config/JobManager.ini";
const ITA: &str = "ITA/cpa/ita/ita.ini";

/// As a reader of such files finds a value.
fn ini(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name == section;
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && name.trim() == key
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[track_caller]
fn says(output: &Output, code: i32, word: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(output.code == Some(code) && said.contains(word), "{code} {word} was expected: {output:?}");
}

#[test]
fn an_instance_comes_to_be_is_cared_for_and_goes_without_a_trace() {
    let Some(site) = Site::with(&["twsone"]) else { return };
    let before = site.host.changes();
    says(&site.installs("twsone", &["-displayname", "ONE"]), 0, "AWSFAB033I");

    let text = |section, key| site.ini("twsone", JOB_MANAGER, section, key);
    let url = format!("https://localhost:{}/JobManagerRESTWeb/JobScheduler/resource", site.port());
    assert_eq!(text("ResourceAdvisorAgent", "ResourceAdvisorUrl"), Some(url));
    assert_eq!(text("ResourceAdvisorAgent", "ComputerSystemDisplayName").as_deref(), Some("ONE"));
    assert!(site.agents().to_string().contains(&site.agent_id("twsone")), "{}", site.agents());
    let ita = |key| site.ini("twsone", ITA, "ITA SSL", key);
    assert_eq!((ita("ssl_port").as_deref(), ita("tcp_port").as_deref()), (Some("31114"), Some("0")));
    let jwt = site.host.read(&ita("jwt_file").expect("a JWT")).expect("it is there");
    assert_eq!(jwt.split('.').count(), 3);
    let entry = site.host.read("/etc/TWA/twainstance0.TWA.properties").expect("an entry");
    assert!(entry.contains("TWS_datadir=/opt/HCL/TWA_twsone/TWSDATA\n"), "{entry}");
    let log = format!(
        "/opt/HCL/TWA_twsone/TWSDATA/installation/logs/twsinst_linux_twsone^{}.log",
        env!("CARGO_PKG_VERSION")
    );
    assert!(site.host.read(&log).expect("a log").contains("AWSFAB033I"));

    let held = site.host.changes();
    says(&site.installs("twsone", &["-displayname", "ONE"]), 0, "AWSFAB923I");
    assert_eq!(site.host.changes(), held);
    says(&site.installs("twsone", &["-displayname", "TWO"]), 4, "AWSFAB022E");

    site.host.sh("/opt/HCL/TWA_twsone/TWS/ShutDownLwa").expect(0);
    assert_eq!(site.agent_process("twsone"), None);
    says(&site.installs("twsone", &["-displayname", "ONE"]), 0, "AWSFAB033I");
    assert!(site.agent_process("twsone").is_some());
    site.host
        .sh("/opt/HCL/TWA_twsone/TWS/ShutDownLwa && cd /opt/HCL/TWA_twsone/TWS && ./StartUpLwa")
        .expect(0);
    assert!(site.agent_process("twsone").is_some());

    says(&site.uninst("twsone"), 0, "AWSFAB924I");
    assert_eq!(site.host.changes(), before);
    assert_eq!(site.agent_process("twsone"), None);
    says(&site.uninst("twsone"), 1, "AWSFAB921E");
}

#[test]
fn twenty_installations_at_once_make_twenty_instances() {
    let names: Vec<String> = (0..20).map(|n| format!("twsmany{n}")).collect();
    let Some(site) = Site::with(&[]) else { return };
    let all = names.join(" ");
    site.host.sh(&format!("for user in {all}; do useradd --create-home $user || exit; done")).expect(0);
    let start = |name: &String| -> Child {
        let mut command = site.host.command("gatepass");
        command
            .args(site.new_args(name, &[]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let started: Vec<_> = names.iter().map(start).collect();
    for child in started {
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let ids: BTreeSet<_> = names.iter().map(|name| site.agent_id(name)).collect();
    let processes: BTreeSet<_> =
        names.iter().map(|name| site.agent_process(name).expect("it runs")).collect();
    assert_eq!((ids.len(), processes.len()), (20, 20));
    let marks = (0..20)
        .map(|n| site.host.read(&format!("/etc/TWA/twainstance{n}.TWA.properties")).expect("an entry"));
    assert_eq!(marks.collect::<BTreeSet<_>>().len(), 20);
    says(&site.uninst(&names[7]), 0, "AWSFAB924I");
    assert_eq!(site.agent_process(&names[7]), None);
    assert!(site.agent_process(&names[8]).is_some());
}

#[test]
fn an_installation_that_was_stopped_goes_on_where_it_stopped() {
    let Some(site) = Site::with(&["twsstop"]) else { return };
    let before = site.host.changes();
    // The first looks for the user and has nothing to do.
    let mut step = 2;
    loop {
        for point in ["begun", "acted"] {
            let mut command = site.host.command("gatepass");
            command
                .args(site.new_args("twsstop", &[]))
                .env("GATEPASS_STOP_AT", format!("install.{point}.{step}"));
            let ended = command.output().expect("it ends");
            if ended.status.signal().is_none() {
                assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
                assert!(step > 20, "there are more steps than {step}");
                says(&site.uninst("twsstop"), 0, "AWSFAB924I");
                assert_eq!(site.host.changes(), before);
                return;
            }
        }
        // Most of the steps are alike: beyond the first, one is finished only now and then.
        if step % 8 == 1 {
            says(&site.installs("twsstop", &[]), 0, "AWSFAB057I");
            says(&site.uninst("twsstop"), 0, "AWSFAB924I");
            assert_eq!(site.host.changes(), before, "after step {step}");
        }
        step += 1;
    }
}

#[test]
fn an_installation_that_fails_leaves_the_host_as_it_was() {
    let Some(site) = Site::with(&["twsfail"]) else { return };
    let before = site.host.changes();
    site.master.ctl(&["key", "revoke", "twsinst", "--yes"]).expect(0);
    let refused = site.installs("twsfail", &[]);
    says(&refused, 1, "AWSFAB920E");
    says(&refused, 1, "AWSFAB917I");
    assert_eq!(site.host.changes(), before);
    assert!(!format!("{refused:?}").contains(&site.key));

    site.host.put("/opt/HCL/TWA_twsfail/mine", "");
    says(&site.installs("twsfail", &[]), 4, "AWSFAB022E");
    fs::remove_dir_all(site.host.path("/opt/HCL")).expect("removed");

    site.host.put("/etc/TWA/twainstance0.TWA.properties", "garbage");
    says(&site.installs("twsfail", &[]), 6, "AWSFAB911E");
    says(&site.installs("twsfail", &["-recovInstReg", "true"]), 1, "AWSFAB920E");
    fs::remove_dir_all(site.host.path("/etc/TWA")).expect("removed");

    site.host.sh("mkdir /srv/full").expect(0);
    site.host.full("/srv/full");
    says(&site.installs("twsfail", &["-inst_dir", "/srv/full/inst"]), 5, "AWSFAB910E");

    site.host.sh("usermod --home /nowhere twsfail").expect(0);
    says(&site.installs("twsfail", &[]), 2, "AWSFAB909E");
}

#[test]
fn a_read_only_etc_is_named_and_nothing_stays() {
    let Some(site) = Site::with(&["twsro"]) else { return };
    site.host.read_only("/etc");
    let before = site.host.changes();
    says(&site.installs("twsro", &[]), 1, "AWSFAB918E");
    assert_eq!(site.host.changes(), before);
}

#[test]
fn an_update_replaces_the_program_and_a_restore_brings_it_back() {
    let Some(site) = Site::with(&["twsup"]) else { return };
    says(&site.installs("twsup", &[]), 0, "AWSFAB033I");
    let update = |more: &[&str]| {
        let mut args = vec!["twsinst", "-update", "-acceptlicense", "yes", "-uname", "twsup", "-wait", "0"];
        args.extend(more);
        site.host.gatepass(&args)
    };
    let restore = || site.host.gatepass(&["twsinst", "-restore", "-uname", "twsup", "-wait", "0"]);
    let program = site.host.path("/opt/HCL/TWA_twsup/TWS/bin/gatepass");
    let bytes = || fs::metadata(&program).expect("a program").len();
    says(&update(&[]), 0, "AWSFAB923I");
    says(&restore(), 1, "AWSFAB926E");

    // Another version: what stands behind a program's end does not disturb it.
    let (id, new) = (site.agent_id("twsup"), bytes());
    site.host
        .sh("cd /opt/HCL/TWA_twsup/TWS && ./ShutDownLwa && printf former >>bin/gatepass && ./StartUpLwa")
        .expect(0);
    let former = bytes();
    assert_eq!(former, new + 6);
    let process = site.agent_process("twsup");
    says(&update(&["-apikey", "gpk_unused"]), 0, "AWSFAB925I");
    assert_eq!(bytes(), new);
    assert_ne!(site.agent_process("twsup"), process);
    says(&restore(), 0, "AWSFAB925I");
    assert_eq!((bytes(), site.agent_id("twsup")), (former, id));
    assert!(site.agent_process("twsup").is_some());

    says(
        &site.host.gatepass(&["twsinst", "-modify", "-acceptlicense", "yes", "-uname", "twsup"]),
        0,
        "AWSFAB923I",
    );
    let config = "/opt/HCL/TWA_twsup/TWSDATA/gatepass/config.toml";
    let text = site.host.read(config).expect("a configuration");
    site.host.put(config, "garbage");
    says(&update(&[]), 7, "AWSFAB912E");
    site.host.put(config, text);
}

#[test]
fn whoever_works_with_an_instance_is_waited_for_and_then_named() {
    let Some(site) = Site::with(&["twsbusy"]) else { return };
    says(&site.installs("twsbusy", &[]), 0, "AWSFAB033I");
    let uninst = || site.host.gatepass(&["twsinst", "-uninst", "-uname", "twsbusy", "-wait", "0"]);

    let mut lock = site.host.command("/usr/bin/flock");
    lock.args(["/opt/HCL/TWA_twsbusy.install/lock", "sh", "-c", "echo held; cat"]);
    let mut holder = Program(lock.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut held = String::new();
    BufReader::new(holder.0.stdout.take().expect("piped")).read_line(&mut held).expect("it speaks");
    says(&uninst(), 9, "AWSFAB914E");
    drop(holder.0.stdin.take());
    holder.ended(Duration::from_secs(10));

    let mut open = site.host.command("/opt/HCL/TWA_twsbusy/TWS/bin/gatepass");
    open.args(["download", "--master", "https://localhost:1", "--dir", "/root/open", "--apikey-file", "-"]);
    open.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut holder = Program(open.spawn().expect("it starts"));
    let exe = format!("/proc/{}/exe", holder.0.id());
    eventually("the program is open", Duration::from_secs(10), || {
        fs::read_link(&exe).is_ok_and(|exe| exe.ends_with("TWS/bin/gatepass"))
    });
    says(&uninst(), 10, "AWSFAB915E");
    drop(holder.0.stdin.take());
    holder.ended(Duration::from_secs(10));

    let config = "/opt/HCL/TWA_twsbusy/TWSDATA/gatepass/config.toml";
    let text = site.host.read(config).expect("a configuration");
    let hook = "[[hook]]\nname = 'long'\nrun = ['/bin/sleep', '20']\ntimeout = '1min'\n";
    site.host.put(config, format!("renewal = {{ floor = '1s' }}\n{text}\n{hook}"));
    site.host.sh("cd /opt/HCL/TWA_twsbusy/TWS && ./ShutDownLwa && ./StartUpLwa").expect(0);
    let mut renew = site.host.command("gatepass");
    renew.args(["--config", config, "renew"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut renewal = Program(renew.spawn().expect("it starts"));
    eventually("the hook runs", Duration::from_secs(15), || {
        site.host.sh("pgrep -u twsbusy -x sleep").code == Some(0)
    });
    says(&uninst(), 8, "AWSFAB913E");
    site.host.sh("pkill -u twsbusy -x sleep").expect(0);
    renewal.ended(Duration::from_secs(30));
    says(&site.uninst("twsbusy"), 0, "AWSFAB924I");
}

/// `ca.crt`, `tls.crt` and `tls.key` under a password, in a folder of the host, as another tool would make them.
const MAKE_CERTIFICATES: &str = "mkdir -p /root/certs && cd /root/certs && \
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca && \
    openssl genrsa -aes256 -passout pass:secret -out tls.key 2048 && \
    openssl req -new -key tls.key -passin pass:secret -out tls.csr -subj /CN=host -addext basicConstraints=CA:FALSE && \
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -days 20 -copy_extensions copyall -out tls.crt && rm ca.key tls.csr";

#[test]
fn local_certificates_are_looked_at_copied_and_watched_without_a_network() {
    let Some(site) = Site::with(&["twslocal"]) else { return };
    site.host.sh(MAKE_CERTIFICATES).expect(0);
    let new = |password: &str| {
        let args = ["twsinst", "-new", "-acceptlicense", "yes", "-uname", "twslocal", "-jwt", "false"];
        let more = ["-sslkeysfolder", "/root/certs", "-sslpassword", password];
        site.host.gatepass(
            &[args, [more[0], more[1], more[2], more[3], "-agent", "dynamic", "-addjruntime", "true"]]
                .concat(),
        )
    };
    let before = site.host.changes();
    says(&new("wrong"), 1, "AWSFAB922E");
    assert_eq!(site.host.changes(), before);
    says(&new("secret"), 0, "AWSFAB033I");
    let certs = "/opt/HCL/TWA_twslocal/TWSDATA/ssl/certs";
    site.host
        .sh(&format!("openssl pkey -in {certs}/tls.key -passin pass:$(base64 -d {certs}/tls.sth) -noout"))
        .expect(0);
    assert_eq!(site.agent_id("twslocal").len(), 32);
    assert_eq!(site.ini("twslocal", ITA, "ITA SSL", "jwt_file"), None);
    says(&new("secret"), 0, "AWSFAB923I");
    let status =
        site.host.gatepass(&["--config", "/opt/HCL/TWA_twslocal/TWSDATA/gatepass/config.toml", "status"]);
    assert!(status.stdout.contains(certs), "{status:?}");
    says(&site.uninst("twslocal"), 0, "AWSFAB924I");
    assert_eq!(site.host.changes(), before);
}

#[test]
fn the_downloader_moves_an_agent_between_jwt_and_certificates() {
    let Some(site) = Site::with(&["twsdown"]) else { return };
    says(&site.installs("twsdown", &["-displayname", "DOWN"]), 0, "AWSFAB033I");
    let id = site.agent_id("twsdown");
    let download = |jwt: &str| {
        let args =
            ["AgentCertificateDownloader", "--work_dir", "/root/zips", "--jwt", jwt, "-apikey", &site.key];
        site.host.gatepass(
            &[&args[..], &["--tdwbhostname", "localhost", "--tdwbport", site.port(), "--uname", "twsdown"]]
                .concat(),
        )
    };
    says(&download("false"), 0, "AWSFAB927I");
    assert_eq!(
        (site.agent_id("twsdown"), site.ini("twsdown", ITA, "ITA SSL", "jwt_file")),
        (id.clone(), None)
    );
    let certs = "/opt/HCL/TWA_twsdown/TWSDATA/ssl/certs";
    let opens = |dir: &str| {
        let key = format!("openssl pkey -in {dir}/tls.key -passin pass:$(base64 -d {dir}/tls.sth) -pubout");
        let certificate = format!("openssl x509 -in {dir}/tls.crt -noout -pubkey");
        assert_eq!(site.host.sh(&key).expect(0).stdout, site.host.sh(&certificate).expect(0).stdout, "{dir}");
    };
    opens(certs);
    site.host
        .sh("cd /root/zips && python3 -m zipfile -e waCertificates.zip out && ls out/additionalCAs/*.crt")
        .expect(0);
    opens("/root/zips/out");

    says(&download("true"), 0, "AWSFAB927I");
    let jwt = site.ini("twsdown", ITA, "ITA SSL", "jwt_file").expect("an entry");
    assert!(site.host.read(&jwt).is_some());
    assert_eq!(site.agent_id("twsdown"), id);
    assert!(site.agent_process("twsdown").is_some());

    // Cut off at the master, the host comes back as another agent.
    site.master.ctl(&["agent", "revoke", &id, "--yes"]).expect(0);
    says(&download("false"), 0, "AWSFAB927I");
    let other = site.agent_id("twsdown");
    assert!(other != id && site.agents().to_string().contains(&other), "{other}");
    opens(certs);
    assert!(site.agent_process("twsdown").is_some());
    says(&site.uninst("twsdown"), 0, "AWSFAB924I");
}

#[test]
fn a_download_that_was_stopped_is_finished_by_the_next() {
    let Some(site) = Site::with(&["twscut"]) else { return };
    let before = site.host.changes();
    says(&site.installs("twscut", &[]), 0, "AWSFAB033I");
    let download = |point: &str| {
        let mut command = site.host.command("gatepass");
        command.args(["AgentCertificateDownloader", "--work_dir", "/root/zips", "--jwt", "true", "--apikey"]);
        command.args([&site.key, "--tdwbhostname", "localhost", "--tdwbport", site.port()]);
        command.env("GATEPASS_STOP_AT", point).output().expect("it ends")
    };
    let cut_off = |id: &str| site.master.ctl(&["agent", "revoke", id, "--yes"]).expect(0);
    let points = (1..5).map(|n| format!("download.exchange.{n}"));
    for (round, point) in std::iter::once("install.done.3".to_owned()).chain(points).enumerate() {
        let id = site.agent_id("twscut");
        cut_off(&id);
        assert!(download(&point).status.signal().is_some(), "{point} is never reached");
        assert!(
            !site.host.sh("ls /opt/HCL/TWA_twscut/TWSDATA/gatepass/state/current/tls.key").stdout.is_empty()
        );
        let ended = download("");
        assert_eq!(ended.status.code(), Some(0), "{point}: {}", String::from_utf8_lossy(&ended.stderr));
        assert_ne!(site.agent_id("twscut"), id, "{point}");
        let known = site.agents()["items"].as_array().map(Vec::len);
        assert_eq!(known, Some(round + 2), "{point}: one enrolment is enough: {}", site.agents());
        assert!(site.agent_process("twscut").is_some());
        let left: Vec<_> = site.host.changes().into_iter().filter(|path| is_of_a_download(path)).collect();
        assert!(left.is_empty(), "{point}: {left:?}");
    }
    cut_off(&site.agent_id("twscut"));
    download("download.exchange.1");
    says(&site.uninst("twscut"), 0, "AWSFAB924I");
    site.host.sh("rm -rf /root/zips").expect(0);
    assert_eq!(site.host.changes(), before);
}

fn is_of_a_download(path: &str) -> bool {
    ["state.new", "enrolling.toml", "TWA_twscut.download"].iter().any(|part| path.contains(part))
}

#[test]
fn an_instance_behind_the_gateway_of_another_lives_by_it() {
    let Some(site) = Site::with(&["twsgate"]) else { return };
    let Some(far) = Host::fresh() else { return };
    far.sh("useradd --create-home twsfar").expect(0);
    let before = far.changes();
    let free = TcpListener::bind("[::]:0").and_then(|free| free.local_addr()).expect("a port");
    let port = free.port().to_string();
    let gate = ["-gateway", "local", "-gwid", "GW7", "-jmport", &port, "-gweifport", "31199"];
    says(&site.installs("twsgate", &gate), 0, "AWSFAB033I");
    let of_gateway = |key| site.ini("twsgate", "ITA/cpa/config/JobManagerGW.ini", "JobManagerGW", key);
    assert_eq!(of_gateway("JobManagerGWID").as_deref(), Some("GW7"));
    assert_eq!(of_gateway("EIFPort").as_deref(), Some("31199"));
    let there = of_gateway("JobManagerGWURIs").expect("where it is");
    assert!(there.ends_with(&format!(":{port}/ita/JobManagerGW/JobManagerRESTWeb/JobScheduler/resource")));

    let mut args = vec!["twsinst", "-new", "-acceptlicense", "yes", "-uname", "twsfar", "-apikey", &site.key];
    args.extend(["-gateway", "remote", "-tdwbhostname", "localhost", "-tdwbport", &port]);
    says(&far.gatepass(&args), 0, "AWSFAB033I");
    let config = "/opt/HCL/TWA_twsfar/TWSDATA/gatepass/config.toml";
    let text = far.read(config).expect("a configuration");
    assert!(!text.contains("masters") && !text.contains(site.port()), "it knows the gateway only: {text}");
    let text = far.read("/opt/HCL/TWA_twsfar/TWSDATA/ITA/cpa/config/JobManager.ini").expect("it is there");
    let id = ini(&text, "ResourceAdvisorAgent", "AgentID").expect("an id");
    assert!(site.agents().to_string().contains(&id), "{}", site.agents());
    let url = ini(&text, "ResourceAdvisorAgent", "ResourceAdvisorUrl").expect("a way");
    assert!(url.starts_with(&format!("https://localhost:{port}/ita/JobManagerGW/")), "{url}");

    let renew = || far.gatepass(&["--config", config, "renew"]);
    renew().expect(0);
    far.sh("/opt/HCL/TWA_twsfar/TWS/ShutDownLwa").expect(0);
    site.host.sh("/opt/HCL/TWA_twsgate/TWS/ShutDownLwa").expect(0);
    renew().expect(3);
    site.host.sh("/opt/HCL/TWA_twsgate/TWS/StartUpLwa").expect(0);
    renew().expect(0);
    says(&far.gatepass(&["twsinst", "-uninst", "-uname", "twsfar", "-wait", "1"]), 0, "AWSFAB924I");
    assert_eq!(far.changes(), before);
    says(&site.uninst("twsgate"), 0, "AWSFAB924I");
}

#[test]
fn a_password_is_traded_for_one_enrolment_with_a_master_that_somebody_vouches_for() {
    let Some(site) = Site::with(&["twsuser"]) else { return };
    let before = site.host.changes();
    let password = site.master.path("password");
    write(&password, "correct horse battery");
    let file = password.to_str().expect("a path of ours");
    site.master
        .ctl(&["user", "create", "installer", "--role", "administrator", "--password-file", file])
        .expect(0);
    let new = |more: &[&str]| {
        let mut args = vec![
            "twsinst",
            "-new",
            "-acceptlicense",
            "yes",
            "-uname",
            "twsuser",
            "-tdwbhostname",
            "localhost",
        ];
        args.extend([
            "-tdwbport",
            site.port(),
            "-wauser",
            "installer",
            "-wapassword",
            "correct horse battery",
        ]);
        args.extend(more);
        site.host.gatepass(&args)
    };
    let unvouched = new(&[]);
    says(&unvouched, 1, "AWSFAB920E");
    assert_eq!(site.host.changes(), before);
    let offered = unvouched.stderr.split("-cafingerprint ").nth(1).expect("a fingerprint to compare");
    let offered: String = offered.chars().take_while(char::is_ascii_hexdigit).collect();
    let ended = new(&["-cafingerprint", &offered]);
    says(&ended, 0, "AWSFAB033I");
    assert!(!format!("{ended:?}").contains("correct horse"), "{ended:?}");
    assert!(site.agents().to_string().contains(&site.agent_id("twsuser")));
    says(&site.uninst("twsuser"), 0, "AWSFAB924I");
    assert_eq!(site.host.changes(), before);
}

#[test]
fn who_is_not_root_installs_for_oneself() {
    let Some(site) = Site::with(&["twsown"]) else { return };
    site.host.sh("chmod 755 /home/twsown").expect(0);
    let before = site.host.changes();
    let own = |args: &[&str]| {
        let built = program("gatepass").display().to_string();
        let mut command = site.host.command("/usr/bin/setpriv");
        command.args(["--reuid", "twsown", "--regid", "twsown", "--clear-groups", &built]).args(args);
        Output::of(command.env("HOME", "/home/twsown").current_dir("/"))
    };
    says(&own(&site.new_args("twsown", &[])), 0, "AWSFAB033I");
    assert!(site.host.read("/home/twsown/.TWA/twainstance0.TWA.properties").is_some());
    assert!(site.host.read("/home/twsown/TWA/TWSDATA/ITA/cpa/ita/ita.ini").is_some());
    says(&own(&["twsinst", "-uninst", "-uname", "twsown", "-wait", "1"]), 0, "AWSFAB924I");
    assert_eq!(site.host.changes(), before);
}
