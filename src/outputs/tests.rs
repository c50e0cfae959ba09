use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use gatepass_contract::id::AgentId;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::time::UnixTime;
use jsonwebtoken::jwk::JwkSet;
use tempfile::TempDir;

use super::*;
use crate::bundle::Meta;
use crate::keys::KeyPair;
use label::Label;

const NAMES: [&str; 4] = ["tls.key", "tls.crt", "ca.crt", "agent.jwt"];

fn parts(mark: &str) -> Parts {
    let (agent, at, jwks) = (AgentId([1; 16]), UnixTime(1), JwkSet { keys: Vec::new() });
    let meta = Meta { agent, generation: 1, renew_at: at, rekey_at: at, lot: 3, jwks };
    let text = |what: &str| format!("{what} {mark}");
    Parts {
        key: Zeroizing::new(text("key")),
        chain: text("chain"),
        anchors: text("ca"),
        token: text("jwt"),
        meta,
    }
}

/// A key with a certificate that stands for itself, an intermediate and an anchor.
fn real(kind: KeyKind) -> Parts {
    let key = KeyPair::generate(kind);
    let certificate = |name: &str| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        params.self_signed(&key).expect("signed").pem().replace('\r', "")
    };
    let chain = [certificate("leaf.example.com"), certificate("intermediate.example.com")].concat();
    Parts { key: key.to_pem(), chain, anchors: certificate("root.example.com"), ..parts("real") }
}

/// What a reader finds, however deep.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("read") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("ours");
        if entry.path().is_dir() {
            all.extend(
                tree(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            all.insert(name, fs::read(entry.path()).expect("read"));
        }
    }
    all
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_keys().collect()
}

fn output(dir: &Path, more: &str) -> Output {
    toml::from_str(&format!("dir = '{}'\n{more}", dir.display())).expect("an output")
}

/// What lies in the directory above.
fn beside(temp: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(temp.path()).expect("read").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("ours")).collect();
    names.sort_unstable();
    names
}

fn place() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a directory");
    let dir = temp.path().join("tls");
    (temp, dir)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o7777
}

#[test]
fn consumers_find_whole_bundles_and_the_one_before_stays_for_a_while() {
    let (temp, dir) = place();
    let output = output(&dir, "");
    for mark in ["a", "b", "c"] {
        assert_eq!(write(&output, &parts(mark)).expect("written"), Wrote::All);
        assert!(output.holds(&parts(mark)).expect("looked"));
        for (name, what) in NAMES.iter().zip(["key", "chain", "ca", "jwt"]) {
            assert_eq!(fs::read_to_string(dir.join(name)).expect("read"), format!("{what} {mark}"));
        }
    }
    assert_eq!(write(&output, &parts("c")).expect("nothing to do"), Wrote::Nothing);
    assert_eq!(beside(&temp), ["tls", "tls.000002", "tls.000003"]);
    assert_eq!((mode(&dir), mode(&dir.join("tls.key")), mode(&dir.join("tls.crt"))), (0o750, 0o600, 0o640));
}

#[test]
fn what_differs_in_content_or_permissions_is_not_up_to_date() {
    let (_temp, dir) = place();
    let first = output(&dir, "");
    write(&first, &parts("a")).expect("written");
    assert!(!first.holds(&parts("b")).expect("looked"));
    let open = output(&dir, "mode = '0644'\nkey_mode = '0640'\nallow_shared_key = true");
    assert!(!open.holds(&parts("a")).expect("looked"));
    write(&open, &parts("a")).expect("written");
    assert_eq!((mode(&dir), mode(&dir.join("tls.key")), mode(&dir.join("ca.crt"))), (0o755, 0o640, 0o644));
    fs::remove_file(dir.join("ca.crt")).expect("removed");
    assert!(!open.holds(&parts("a")).expect("looked"));
}

#[test]
fn owners_are_found_by_name_or_number() {
    let (_temp, dir) = place();
    let me = rustix::process::getuid().as_raw();
    let mine = output(&dir, &format!("owner = '{me}'"));
    write(&mine, &parts("a")).expect("written");
    assert_eq!(fs::metadata(dir.join("tls.key")).expect("there").uid(), me);
    let nobody = output(&dir, "owner = 'no-such-user-here'");
    let error = write(&nobody, &parts("a")).expect_err("refused").to_string();
    assert!(error.contains("no user `no-such-user-here`"), "{error}");
    assert_eq!(output(&dir, "group = 'root'").owner().expect("found").group, Some(0));
}

#[test]
fn what_somebody_else_made_is_not_touched() {
    let (temp, dir) = place();
    let output = output(&dir, "");
    fs::create_dir(&dir).expect("made");
    fs::File::create(dir.join("theirs")).expect("made");
    assert!(matches!(write(&output, &parts("a")), Err(OutputError::Foreign(_))));
    assert!(dir.join("theirs").exists());
    fs::remove_dir_all(&dir).expect("removed");
    symlink(temp.path(), &dir).expect("made");
    assert!(matches!(output.holds(&parts("a")), Err(OutputError::Foreign(_))));
}

#[test]
fn what_a_crash_left_is_swept() {
    let (temp, dir) = place();
    let output = output(&dir, "");
    fs::create_dir(temp.path().join("tls.000007")).expect("made");
    symlink("tls.000007", temp.path().join("tls.new")).expect("made");
    write(&output, &parts("a")).expect("written");
    assert!(!temp.path().join("tls.000007").exists() && output.holds(&parts("a")).expect("looked"));
}

#[test]
fn a_shared_key_must_be_meant() {
    for bad in [
        "dir = 'relative'",
        "dir = '/'",
        "dir = '/x'\nkey_mode = '0640'",
        "dir = '/x'\nkey_mode = '0604'",
        "dir = '/x'\nmode = '644x'",
        "dir = '/x'\nmode = '4755'",
        "dir = '/x'\nformat = 'jks'",
        "dir = '/x'\nformat = 'tws'\nlayout = 'chain'",
        "dir = '/x'\nadditional_cas = '/y'",
        "dir = '/x'\nalias = 'a'",
        "dir = '/x'\nformat = 'pkcs12'",
        "dir = '/x'\nformat = 'pkcs12'\npassword_file = 'y'",
        "dir = '/x'\nformat = 'pkcs12'\npassword_file = '/y'\nalias = 'Tomcat'",
        "dir = '/x'\nformat = 'tws'\nadditional_cas = 'y'",
        "dir = '/x'\nmod = '0644'",
    ] {
        assert!(toml::from_str::<Output>(bad).is_err(), "{bad}");
    }
    let meant = output(Path::new("/x"), "key_mode = '0640'\nallow_shared_key = true\ngroup = 'tls'");
    assert_eq!(toml::from_str::<Output>(&toml::to_string(&meant).expect("written")).expect("read"), meant);
}

#[test]
fn configured_and_made_in_the_program_are_the_same() {
    let dir = Path::new("/x");
    let tws = Format::Tws { additional_cas: Some("/y".into()) };
    let made = Output::new(dir, tws).expect("an output").replacing().owned_by(Some("tws".into()), None);
    let read = output(dir, "format = 'tws'\nadditional_cas = '/y'\nreplace = true\nowner = 'tws'");
    assert_eq!(made, read);
    assert_eq!(toml::from_str::<Output>(&toml::to_string(&made).expect("written")).expect("read"), made);
    assert!(Output::new("x", Format::Pem(Layout::Chain)).is_err());
}

#[test]
fn pem_is_cut_as_wanted() {
    let (temp, parts) = (tempfile::tempdir().expect("a directory"), real(KeyKind::EcdsaP256));
    let dir = temp.path().join("tls");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("read");
    write(&output(&dir, "layout = 'chain'"), &parts).expect("written");
    assert_eq!(names(&dir), ["agent.jwt", "ca.pem", "cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"]);
    assert_eq!(read("cert.pem") + &read("chain.pem"), parts.chain);
    assert_eq!((read("fullchain.pem"), read("ca.pem")), (parts.chain.clone(), parts.anchors.clone()));
    assert_eq!((read("privkey.pem"), mode(&dir.join("privkey.pem"))), (parts.key.to_string(), 0o600));
    let combined = output(&dir, "layout = 'combined'");
    assert!(!combined.holds(&parts).expect("looked"), "another layout is another set");
    write(&combined, &parts).expect("written");
    assert_eq!(names(&dir), ["agent.jwt", "ca.crt", "tls.pem"]);
    assert_eq!(
        (read("tls.pem"), mode(&dir.join("tls.pem"))),
        (format!("{}{}", *parts.key, parts.chain), 0o600)
    );
}

#[test]
fn tws_keeps_its_passphrase_and_what_has_not_changed() {
    let (_temp, dir) = place();
    let tws = output(&dir, "format = 'tws'");
    let mut last = None;
    for kind in [KeyKind::EcdsaP256, KeyKind::Ed25519, KeyKind::Rsa3072] {
        let parts = real(kind);
        assert_eq!(write(&tws, &parts).expect("written"), Wrote::All);
        let found = tree(&dir);
        assert_eq!(write(&tws, &parts).expect("nothing to do"), Wrote::Nothing);
        assert_eq!(tree(&dir), found, "encrypted once");
        let files = tws.files(&parts).expect("rendered");
        let same: BTreeMap<_, _> = files.into_iter().map(|f| (f.name, f.content.to_vec())).collect();
        assert_eq!(same, found, "what is handed on is what is there");
        let passphrase = passphrase_of(&found["tls.sth"]).expect("a passphrase");
        let key =
            sealed::open(std::str::from_utf8(&found["tls.key"]).expect("PEM"), &passphrase).expect("opened");
        assert_eq!(key.as_bytes(), render::key_der(&parts).expect("a key").as_bytes());
        assert_eq!(*last.get_or_insert_with(|| passphrase.clone()), passphrase, "made once");
        assert_eq!((mode(&dir.join("tls.key")), mode(&dir.join("tls.sth"))), (0o600, 0o600));
        let additional: Vec<_> = found.keys().filter(|name| name.starts_with("additionalCAs/")).collect();
        assert_eq!((additional.len(), found.len()), (2, 6), "{:?}", found.keys());
        assert_eq!(mode(&dir.join("additionalCAs")), mode(&dir));
    }
    let (parts, other) = (real(KeyKind::EcdsaP256), tempfile::tempdir().expect("a directory"));
    write(&output(&other.path().join("tls"), "format = 'tws'"), &parts).expect("written");
    let theirs = fs::read(other.path().join("tls/tls.sth")).expect("read");
    assert_ne!(passphrase_of(&theirs), last, "one for each directory");
}

#[test]
fn pkcs12_is_written_again_only_for_another_identity_or_password() {
    let (temp, dir) = place();
    let password = temp.path().join("password");
    let say = |text: &str, mode| {
        crate::store::write_atomically(&password, text.as_bytes(), mode).expect("written");
    };
    let p12 = output(&dir, &format!("format = 'pkcs12'\npassword_file = '{}'", password.display()));
    say("changeit\n", 0o600);
    let parts = real(KeyKind::EcdsaP256);
    write(&p12, &parts).expect("written");
    assert_eq!(names(&dir), ["agent.jwt", "ca.crt", "keystore.p12", "truststore.p12"]);
    assert_eq!((mode(&dir.join("keystore.p12")), mode(&dir.join("truststore.p12"))), (0o600, 0o640));
    assert_eq!(write(&p12, &parts).expect("nothing to do"), Wrote::Nothing);
    for other in [
        Parts { key: real(KeyKind::EcdsaP256).key, ..parts.clone() },
        Parts { chain: real(KeyKind::EcdsaP256).chain, ..parts.clone() },
        Parts { anchors: real(KeyKind::EcdsaP256).anchors, ..parts.clone() },
    ] {
        assert!(!p12.holds(&other).expect("looked"));
    }
    say("another\n", 0o600);
    assert_eq!(write(&p12, &parts).expect("written"), Wrote::All);
    for (text, mode, want) in [
        ("another\n", 0o640, "is open to others (mode 0640)"),
        ("\n", 0o600, "its first line"),
        ("größe", 0o600, "ASCII"),
    ] {
        say(text, mode);
        let error = crate::trouble::whole(&write(&p12, &parts).expect_err("refused"));
        assert!(error.contains(want) && error.contains("password cannot be used"), "{error}");
    }
}

#[test]
fn certificates_of_others_join_those_of_ours_and_leave_again() {
    let (temp, dir) = place();
    let (cas, parts) = (temp.path().join("cas"), real(KeyKind::EcdsaP256));
    fs::create_dir(&cas).expect("made");
    let add = |name: &str, text: &str| {
        crate::store::write_atomically(&cas.join(name), text.as_bytes(), 0o644).expect("written");
    };
    add("balancer.crt", &parts.anchors);
    add("README", "not a certificate");
    let tws = output(&dir, &format!("format = 'tws'\nadditional_cas = '{}'", cas.display()));
    write(&tws, &parts).expect("written");
    assert_eq!(fs::read_to_string(dir.join("additionalCAs/balancer.crt")).expect("read"), parts.anchors);
    assert!(!dir.join("additionalCAs/README").exists());
    fs::remove_file(cas.join("balancer.crt")).expect("removed");
    assert_eq!(write(&tws, &parts).expect("written"), Wrote::All, "what is no longer trusted goes");
    assert!(!dir.join("additionalCAs/balancer.crt").exists());
    // The root is at the chain's end, among the anchors and, by the same name, in the directory.
    let twice = Parts { chain: parts.chain.clone() + &parts.anchors, ..parts.clone() };
    write(&tws, &twice).expect("written");
    let root = names(&dir.join("additionalCAs")).into_iter().find(|name| {
        fs::read_to_string(dir.join("additionalCAs").join(name)).expect("read") == parts.anchors
    });
    add(&root.expect("it is there"), &parts.anchors);
    assert_eq!(write(&tws, &twice).expect("nothing to do"), Wrote::Nothing, "once is enough");
    add("broken.crt", "not a certificate");
    let error = write(&tws, &parts).expect_err("refused").to_string();
    assert!(error.ends_with("cas/broken.crt cannot be used"), "{error}");
}

#[test]
fn a_foreign_directory_makes_room_once_when_that_is_wanted() {
    let (temp, dir) = place();
    let replace = output(&dir, "replace = true");
    fs::create_dir(&dir).expect("made");
    crate::store::write_atomically(&dir.join("theirs"), b"kept", 0o644).expect("written");
    // Somebody was stopped before.
    symlink("tls.000004", temp.path().join("tls.before-gatepass")).expect("made");
    assert!(!replace.holds(&parts("a")).expect("looked"));
    assert_eq!(write(&replace, &parts("a")).expect("written"), Wrote::All);
    assert!(replace.holds(&parts("a")).expect("looked"));
    assert_eq!(fs::read(temp.path().join("tls.before-gatepass/theirs")).expect("read"), b"kept");
    write(&replace, &parts("b")).expect("written");
    assert_eq!(beside(&temp), ["tls", "tls.000001", "tls.000002", "tls.before-gatepass"]);
    // A second one is refused: what was kept first stays.
    fs::remove_file(&dir).expect("removed");
    fs::create_dir(&dir).expect("made");
    crate::store::write_atomically(&dir.join("second"), b"", 0o644).expect("written");
    assert!(matches!(write(&replace, &parts("c")), Err(OutputError::Kept { .. })));
    assert!(dir.join("second").exists() && temp.path().join("tls.before-gatepass/theirs").exists());
}

/// Owners other than oneself and labels are root's to give: elsewhere there is nothing to see.
#[test]
fn owner_and_label_of_what_is_replaced_are_kept() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_temp, dir) = place();
    let output = output(&dir, "");
    write(&output, &parts("a")).expect("written");
    let key = dir.join("tls.key");
    std::os::unix::fs::chown(&key, Some(4711), Some(4712)).expect("root may");
    for (path, label) in [(&key, "system_u:object_r:key_t:s0\0"), (&dir, "system_u:object_r:dir_t:s0\0")] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(path, "security.selinux", label.as_bytes(), flags).expect("root may");
    }
    let (labels, before) =
        ((Label::of(&key), Label::of(&fs::canonicalize(&dir).expect("there"))), fs::read_link(&dir));
    assert_ne!((&labels.0, &labels.1), (&Label::default(), &Label::default()));
    write(&output, &parts("b")).expect("written");
    assert_ne!(fs::read_link(&dir).expect("a link"), before.expect("a link"));
    let owner =
        |name: &str| fs::metadata(dir.join(name)).map(|meta| (meta.uid(), meta.gid())).expect("there");
    assert_eq!((owner("tls.key"), owner("tls.crt")), ((4711, 4712), (0, 0)));
    assert_eq!((Label::of(&key), Label::of(&fs::canonicalize(&dir).expect("there"))), labels);
    // What is configured goes before what is kept.
    write(&self::output(&dir, "owner = '4713'"), &parts("b")).expect("written");
    assert_eq!((owner("tls.key"), owner("tls.crt")), ((4713, 4712), (4713, 0)));
}
