use std::os::unix::fs::symlink;

use gatepass_contract::id::AgentId;
use gatepass_contract::time::UnixTime;
use jsonwebtoken::jwk::JwkSet;
use tempfile::TempDir;

use super::*;
use crate::bundle::Meta;

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

fn output(dir: &Path, more: &str) -> Output {
    toml::from_str(&format!("dir = '{}'\n{more}", dir.display())).expect("an output")
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
    let mut names: Vec<_> =
        fs::read_dir(temp.path()).expect("read").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["tls", "tls.000002", "tls.000003"]);
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
        "dir = '/x'\nformat = 'tws'",
        "dir = '/x'\nmod = '0644'",
    ] {
        assert!(toml::from_str::<Output>(bad).is_err(), "{bad}");
    }
    let meant = output(Path::new("/x"), "key_mode = '0640'\nallow_shared_key = true\ngroup = 'tls'");
    assert_eq!(toml::from_str::<Output>(&toml::to_string(&meant).expect("written")).expect("read"), meant);
}
