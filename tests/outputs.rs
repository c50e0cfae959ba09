//! What consumers find: each format as the tools of others read it, whole at every moment, and nothing of theirs lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Agent, Identity, Master, MasterOptions, Output, eventually, real_now, tool, write};

const SOON: Duration = Duration::from_secs(20);

/// A host with these lines in its configuration besides the usual ones.
pub(crate) fn host(master: &Master, more: impl FnOnce(&Agent) -> String) -> (Agent, PathBuf) {
    let api_key = master.api_key("hosts", &[]);
    let agent = Agent::new(&[master.url()], &api_key);
    agent.configure(&[master.url()], &api_key, &more(&agent));
    (agent, api_key)
}

/// A master whose identities are renewed every few seconds.
pub(crate) fn brisk() -> Master {
    Master::with(MasterOptions { lifetime: "10s", token_lifetime: "10s", ..MasterOptions::default() })
}

pub(crate) fn output(dir: &Path) -> String {
    format!("[[output]]\ndir = '{}'\n", dir.display())
}

/// What a consumer of an output finds.
pub(crate) fn copy(dir: &Path) -> Option<Identity> {
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

/// Every format there is, as the configuration writes it.
const FORMATS: [(&str, &str); 5] = [
    ("split", "layout = 'split'"),
    ("chain", "layout = 'chain'"),
    ("combined", "layout = 'combined'"),
    ("tws", "format = 'tws'"),
    ("pkcs12", "format = 'pkcs12'\nalias = 'tomcat'\npassword_file = 'PASSWORD'"),
];
const PASSWORD: &str = "changeit";

/// An output of that format in a directory of that name.
pub(crate) fn output_in(agent: &Agent, format: &str, more: &str) -> String {
    let password = agent.path().join("password");
    write(&password, PASSWORD);
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("ours");
    let (_, options) = FORMATS.iter().find(|(name, _)| *name == format).expect("one of them");
    let options = options.replace("PASSWORD", &password.display().to_string());
    format!("{}{options}\n{more}\n", output(&agent.path().join(format)))
}

fn openssl(args: &[&str]) -> String {
    Output::of(tool("openssl").args(args)).expect(0).stdout
}

/// Where a format keeps key and certificate, and what opens the key.
fn files(set: &Path, format: &str) -> (PathBuf, PathBuf, String) {
    let file = |name: &str| set.join(name);
    let plain = "pass:".to_owned();
    match format {
        "split" => (file("tls.key"), file("tls.crt"), plain),
        "chain" => (file("privkey.pem"), file("cert.pem"), plain),
        "combined" => (file("tls.pem"), file("tls.pem"), plain),
        "tws" => {
            let stash = fs::read_to_string(file("tls.sth")).expect("a stash");
            let passphrase = data_encoding::BASE64.decode(stash.as_bytes()).expect("base64");
            let passphrase = String::from_utf8(passphrase).expect("text");
            (file("tls.key"), file("tls.crt"), format!("pass:{passphrase}"))
        }
        _ => {
            let opened = file("opened.pem");
            let (store, to) = (file("keystore.p12").display().to_string(), opened.display().to_string());
            openssl(&[
                "pkcs12",
                "-in",
                &store,
                "-passin",
                &format!("pass:{PASSWORD}"),
                "-nodes",
                "-out",
                &to,
            ]);
            (opened.clone(), opened, plain)
        }
    }
}

/// The public key of a set, as `openssl` sees it in the private key and in the certificate alike.
#[track_caller]
pub(crate) fn public_key(set: &Path, format: &str) -> String {
    let (key, certificate, pass) = files(set, format);
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let of_key = openssl(&["pkey", "-in", &key, "-passin", &pass, "-pubout"]);
    assert_eq!(of_key, openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]), "{format} is one set");
    of_key
}

fn public_key_of(identity: &Identity, agent: &Agent) -> String {
    let key = agent.path().join("identity.key");
    write(&key, &identity.key);
    openssl(&["pkey", "-in", &key.display().to_string(), "-pubout"])
}

#[test]
fn openssl_and_java_read_each_format() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| FORMATS.map(|(name, _)| output_in(agent, name, "")).concat());
    agent.run(&["download"]).expect(0);
    let want = public_key_of(&agent.identity().expect("an identity"), &agent);
    for (format, _) in FORMATS {
        assert_eq!(public_key(&agent.path().join(format), format), want, "{format}");
    }
    let path = |name: &str| agent.path().join(name).display().to_string();
    for (anchors, others, leaf) in [
        ("split/ca.crt", "split/tls.crt", "split/tls.crt"),
        ("chain/ca.pem", "chain/chain.pem", "chain/cert.pem"),
        ("tws/ca.crt", "tws/tls.crt", "tws/tls.crt"),
    ] {
        openssl(&["verify", "-CAfile", &path(anchors), "-untrusted", &path(others), &path(leaf)]);
    }
    let sealed = openssl(&["asn1parse", "-in", &path("tws/tls.key")]);
    for algorithm in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc"] {
        assert!(sealed.contains(algorithm), "{algorithm} in {sealed}");
    }
    let additional = fs::read_dir(agent.path().join("tws/additionalCAs")).expect("a directory");
    for entry in additional {
        openssl(&["x509", "-in", &entry.expect("an entry").path().display().to_string(), "-noout"]);
    }
    let pass = format!("pass:{PASSWORD}");
    let store = path("pkcs12/keystore.p12");
    let mut info = tool("openssl");
    info.args(["pkcs12", "-info", "-noout", "-in", &store, "-passin", &pass]);
    let info = Output::of(&mut info).expect(0).stderr;
    assert!(info.contains("MAC: sha256") && info.contains("PBES2, PBKDF2, AES-256-CBC"), "{info}");
    java_reads(&store, "tomcat,", "PrivateKeyEntry");
    java_reads(&path("pkcs12/truststore.p12"), "tomcat-ca-1,", "trustedCertEntry");
    // What has not changed is left alone, encrypted or not.
    let links = || FORMATS.map(|(format, _)| fs::read_link(agent.path().join(format)).expect("a link"));
    let before = links();
    fs::remove_file(agent.path().join("pkcs12/opened.pem")).expect("our own");
    agent.run(&["download"]).expect(0);
    assert_eq!(links(), before);
}

fn java_reads(store: &str, alias: &str, kind: &str) {
    let mut keytool = tool("keytool");
    keytool.args(["-list", "-keystore", store, "-storepass", PASSWORD]);
    if let Err(error) = keytool.output() {
        return skipped(&format!("keytool cannot be run: {error}"));
    }
    let listed = Output::of(&mut keytool).expect(0).stdout;
    assert!(listed.contains(alias) && listed.contains(kind), "{listed}");
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skipped(why: &str) {
    println!("SKIPPED: {why}");
}

/// Looks at a set a thousand times a second: every file, each time. What was found, by the directory that the link led to.
fn watch(link: &Path, names: &[&str], until: usize) -> BTreeMap<PathBuf, Vec<Vec<u8>>> {
    let mut sets: BTreeMap<PathBuf, Vec<Vec<u8>>> = BTreeMap::new();
    let end = real_now() + 3 * SOON;
    while sets.len() < until {
        // The other stories need the processor too.
        std::thread::park_timeout(Duration::from_millis(1));
        assert!(real_now() < end, "{} sets in all", sets.len());
        let Ok(target) = fs::read_link(link) else { continue };
        let set = link.with_file_name(&target);
        let found: Option<Vec<_>> = names.iter().map(|name| fs::read(set.join(name)).ok()).collect();
        match found {
            Some(found) => assert_eq!(*sets.entry(set).or_insert_with(|| found.clone()), found, "it changed"),
            // Swept, two switches later; or it never was whole.
            None => assert_ne!(fs::read_link(link).ok(), Some(target), "a file is missing"),
        }
    }
    sets
}

#[test]
fn a_reader_without_rest_never_finds_a_set_that_is_not_whole() {
    let master = brisk();
    let (agent, _) =
        host(&master, |agent| [output_in(agent, "tws", ""), output_in(agent, "combined", "")].concat());
    let _daemon = agent.daemon();
    let found = std::thread::scope(|scope| {
        let look = |format: &'static str, names: &'static [&'static str]| {
            let link = agent.path().join(format);
            scope.spawn(move || watch(&link, names, 3))
        };
        let watched = [
            ("tws", look("tws", &["tls.key", "tls.sth", "tls.crt", "ca.crt"])),
            ("combined", look("combined", &["tls.pem", "ca.crt", "agent.jwt"])),
        ];
        watched.map(|(format, watched)| (format, watched.join().expect("whole, each time")))
    });
    let names = |format| if format == "tws" { &["tls.key", "tls.sth", "tls.crt"][..] } else { &["tls.pem"] };
    for (format, sets) in found {
        let mut keys = Vec::new();
        for files in sets.values() {
            let held = tempfile::tempdir().expect("a directory");
            names(format).iter().zip(files).for_each(|(name, bytes)| write(held.path().join(name), bytes));
            keys.push(public_key(held.path(), format));
        }
        keys.dedup();
        assert_eq!(keys.len(), 3, "{format}: a key for each");
    }
}

#[test]
fn stopped_before_or_after_the_switch_each_format_is_whole_and_the_next_run_goes_on() {
    let master = Master::start();
    let key = master.api_key("hosts", &[]);
    for (format, _) in FORMATS.into_iter().skip(1) {
        let mut agent = Agent::new(&[master.url()], &key);
        let output = output_in(&agent, format, "");
        agent.configure(&[master.url()], &key, &output);
        agent.run(&["download"]).expect(0);
        let set = agent.path().join(format);
        for (point, switched) in [("output.before-rename", false), ("output.after-rename", true)] {
            let before = public_key(&set, format);
            agent.set_env("GATEPASS_STOP_AT", point);
            assert_eq!(agent.run(&["renew"]).code, None, "{point} is reached");
            agent.set_env("GATEPASS_STOP_AT", "nowhere");
            let now = public_key_of(&agent.identity().expect("an identity"), &agent);
            assert_ne!(now, before);
            assert_eq!(public_key(&set, format), if switched { &now } else { &before }.as_str(), "{format}");
            agent.run(&["download"]).expect(0);
            assert_eq!(public_key(&set, format), now, "{format} after {point}");
        }
    }
}

#[test]
fn somebody_elses_directory_stays_unless_it_is_to_be_replaced_and_then_it_is_kept() {
    let master = Master::start();
    let (mut agent, key) = host(&master, |agent| output_in(agent, "tws", ""));
    let (dir, aside) = (agent.path().join("tws"), agent.path().join("tws.before-gatepass"));
    fs::create_dir(&dir).expect("made");
    write(dir.join("tls.key"), "theirs");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(dir.join("tls.key"), Some(4711), Some(4712)).expect("root may");
    }
    let refused = agent.run(&["download"]).expect(3);
    assert!(refused.stdout.contains("was not made by gatepass"), "{refused:?}");
    assert!(agent.identity().is_some(), "the identity itself is there");
    let theirs = |dir: &Path| fs::read_to_string(dir.join("tls.key")).expect("a key") == "theirs";
    assert!(theirs(&dir) && !aside.exists());
    let replace = output_in(&agent, "tws", "replace = true\nmode = '0644'");
    agent.configure(&[master.url()], &key, &replace);
    agent.set_env("GATEPASS_STOP_AT", "output.before-rename");
    assert_eq!(agent.run(&["download"]).code, None);
    assert!(theirs(&dir), "stopped before the one step");
    agent.set_env("GATEPASS_STOP_AT", "output.after-rename");
    assert_eq!(agent.run(&["download"]).code, None);
    assert!(theirs(&aside), "stopped after it");
    public_key(&dir, "tws");
    agent.set_env("GATEPASS_STOP_AT", "nowhere");
    agent.run(&["download"]).expect(0);
    agent.run(&["renew"]).expect(0);
    assert!(theirs(&aside), "once, and never again");
    public_key(&dir, "tws");
    let found = |name: &str| dir.join(name).metadata().expect("there");
    let mode = |name: &str| found(name).permissions().mode() & 0o7777;
    assert_eq!((mode("tls.key"), mode("tls.sth"), mode("tls.crt"), mode("")), (0o600, 0o600, 0o644, 0o755));
    if is_root {
        let owner = |name: &str| (found(name).uid(), found(name).gid());
        assert_eq!((owner("tls.key"), owner("tls.crt")), ((4711, 4712), (0, 0)), "as it was theirs");
    }
}
