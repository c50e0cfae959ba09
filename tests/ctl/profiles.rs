//! Signing in and out: what is kept where, and what comes before what.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{PASSWORD, Person, text};
use crate::support::Master;

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

#[test]
fn a_profile_is_kept_for_its_owner_alone_and_used_ever_after() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    let directory = boss.path(".config/gatepass/profiles");
    let file = directory.join("default.toml");
    assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
    let who = boss.ctl(&["whoami", "--json"]).expect(0).json();
    assert_eq!((&who["user"], &who["credential"]), (&"administrator".into(), &"apikey".into()));
    let shown = boss.ctl(&["profile", "show"]).expect(0).stdout;
    assert!(shown.contains(master.url()) && !shown.contains("gpk_"), "{shown}");
    let list = boss.ctl(&["profile", "list", "--json"]).expect(0).json();
    assert_eq!((&list["items"][0]["name"], &list["items"][0]["inUse"]), (&"default".into(), &true.into()));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let refused = boss.ctl(&["whoami"]).expect(4);
    assert!(refused.stderr.contains("open to others") && refused.stderr.contains("chmod go="), "{refused:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("changed");
    boss.ctl(&["logout"]).expect(0);
    assert!(!file.exists());
    assert!(boss.ctl(&["whoami"]).expect(2).stderr.contains("gatepassctl login"));
    assert!(boss.ctl(&["logout"]).expect(2).stderr.contains("no profile is in use"));
}

#[test]
fn a_session_ends_at_the_master_too() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    boss.creates("ann", "auditor");
    let ann = Person::signed_in(&master, "ann", PASSWORD);
    let who = ann.ctl(&["whoami", "--json"]).expect(0).json();
    assert_eq!((&who["user"], &who["credential"]), (&"ann".into(), &"session".into()));
    // Signed in again without a word about the CA: the profile knows it.
    let file = ann.file("password", PASSWORD);
    ann.ctl(&["login", "--user", "ann", "--password-file", text(&file)]).expect(0);
    let kept =
        std::fs::read_to_string(ann.path(".config/gatepass/profiles/default.toml")).expect("a profile");
    ann.ctl(&["logout"]).expect(0);
    ann.file(".config/gatepass/profiles/default.toml", &kept);
    std::fs::set_permissions(
        ann.path(".config/gatepass/profiles/default.toml"),
        std::fs::Permissions::from_mode(0o600),
    )
    .expect("changed");
    let over = ann.ctl(&["whoami"]).expect(4);
    assert!(over.stderr.contains("unauthenticated") && over.stderr.contains("gatepassctl login"), "{over:?}");
}

#[test]
fn a_wrong_password_and_an_unknown_ca_are_told_apart() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    boss.creates("ann", "auditor");
    let ann = Person::new();
    assert!(ann.sign_in(&master, "ann", "not the password").expect(4).stderr.contains("unauthenticated"));
    let file = ann.file("password", PASSWORD);
    let blind = ["login", "--master", master.url(), "--user", "ann", "--password-file", text(&file)];
    let refused = ann.ctl(&blind).expect(4);
    assert!(refused.stderr.contains("--ca-fingerprint"), "{refused:?}");
    let known = boss.ctl(&["profile", "show", "--json"]).expect(0).json();
    let fingerprint = known["caFingerprints"][0].as_str().expect("a fingerprint");
    let other = Person::new();
    let file = other.file("password", PASSWORD);
    let told = ["login", "--master", master.url(), "--user", "ann", "--ca-fingerprint", fingerprint];
    other.ctl(&[&told[..], &["--password-file", text(&file)]].concat()).expect(0);
    let nobody = ann.ctl(&["login", "--master", master.url()]).expect(2);
    assert!(nobody.stderr.contains("no API key or token given"), "{nobody:?}");
    assert!(!ann.path(".config").exists(), "what the master does not accept is not kept");
}

#[test]
fn arguments_come_before_the_environment_and_that_before_the_profile() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    let mine = boss.path("mine.key");
    let create = ["key", "create", "mine", "--kind", "personal", "--capability", "agent.read"];
    boss.ctl(&[&create, &["--out", text(&mine)][..]].concat()).expect(0);
    let key = std::fs::read_to_string(&mine).expect("a key");
    let name = |env: &[(&str, &str)], args: &[&str]| {
        boss.ctl_with(env, &[&["whoami", "--json"], args].concat()).expect(0).json()["name"].clone()
    };
    let of_env = [("GATEPASS_APIKEY", key.as_str())];
    assert_eq!(name(&[], &[]), "administrator");
    assert_eq!(name(&of_env, &[]), "mine");
    assert_eq!(
        name(&of_env, &["--profile", "default"]),
        "administrator",
        "named: the environment has no say"
    );
    assert_eq!(name(&[], &["--apikey-file", text(&mine)]), "mine");
    boss.ctl(&["login", "--profile", "mine", "--master", master.url(), "--apikey-file", text(&mine)])
        .expect(0);
    assert_eq!(name(&[], &[]), "mine", "the last one signed in with is in use");
    boss.ctl(&["profile", "use", "default"]).expect(0);
    assert_eq!(name(&[], &[]), "administrator");
    assert_eq!(name(&[("GATEPASS_PROFILE", "mine")], &[]), "mine");
    let other = boss.ctl(&["login", "--master", "https://other:1", "--apikey-file", text(&mine)]).expect(2);
    assert!(other.stderr.contains("profile default is of"), "{other:?}");
}
