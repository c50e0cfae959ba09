//! The story of a new administrator: from signing in to a service key that was narrowed, approved, rotated and revoked,
//! with nothing but what `--help` says.

use std::path::Path;

use gatepass_contract::secret::ApiKey;
use serde_json::Value;

use super::{PASSWORD, Person, text};
use crate::support::{Caller, Master, MasterOptions, key_pair};

const APPROVAL: &str = "[approval]\ncreation = ['service']\nrenewal = ['service']\nrotation = ['service']\n";

fn strict() -> Master {
    Master::with(MasterOptions { config: APPROVAL, ..MasterOptions::default() })
}

fn secret(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a secret").trim().to_owned()
}

fn key(who: &Person, name: &str) -> Value {
    who.ctl(&["key", "show", name, "-o", "json"]).expect(0).json()
}

/// What an enrolment with that secret comes to: nothing, or the code of the refusal.
fn enrolled(caller: &Caller, secret: &str) -> Result<(), String> {
    let answer = caller.enrol(secret, &key_pair().csr());
    if answer.status < 300 { Ok(()) } else { Err(answer.code().to_owned()) }
}

#[test]
fn a_new_administrator_makes_narrows_rotates_and_ends_a_service_key() {
    let (master, boss) = (strict(), Person::new());
    let admin = master.dir().join("admin.key");
    let said = boss.ctl(&["login", "--master", master.url(), "--apikey-file", text(&admin)]).expect(0);
    assert!(said.stdout.starts_with("user    administrator\n"), "{said:?}");
    boss.creates("ann", "approver");
    let ann = Person::signed_in(&master, "ann", PASSWORD);

    // Made, and good for nothing until somebody else agrees.
    let file = boss.path("build.json");
    let narrow =
        ["--network", "127.0.0.0/8,::1", "--expires", "30d", "--uses", "2", "--description", "the build"];
    let why = ["--annotate", "new build host", "--ticket", "CHG-1", "--category", "setup"];
    let create =
        ["key", "create", "build", "--kind", "service", "--group", "build", "--capability", "agent.enrol"];
    let created = boss.ctl(&[&create, &narrow[..], &why, &["--download", text(&file)]].concat()).expect(0);
    assert!(created.stderr.contains("gatepassctl key approve"), "{created:?}");
    let download: Value = serde_json::from_str(&secret(&file)).expect("JSON");
    let first = download["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(
        ApiKey::parse(&first).expect("a key").id().to_string(),
        download["id"].as_str().expect("an id")
    );
    assert_eq!((&download["name"], &download["master"]), (&"build".into(), &master.url().into()));
    let caller = Caller::of(&master);
    assert_eq!(enrolled(&caller, &first), Err("api-key-pending".to_owned()));

    // One's own request is somebody else's decision.
    let refused = boss.ctl(&["key", "approve", "build"]).expect(4);
    assert!(refused.stderr.contains("own-request") && refused.stderr.contains("hint: "), "{refused:?}");
    let waiting = ann.ctl(&["approval", "list"]).expect(0).stdout;
    assert!(waiting.lines().any(|line| line.starts_with("build ") && line.contains("creation")), "{waiting}");
    let said = ann.ctl(&["key", "approve", "build", "--reason", "fine"]).expect(0).stdout;
    assert!(said.starts_with("approved: key build (") && said.ends_with("is active\n"), "{said}");
    assert_eq!(enrolled(&caller, &first), Ok(()));

    // Narrowed further, at the version just read.
    boss.ctl(&["key", "edit", "build", "--network", "192.0.2.0/24"]).expect(0);
    assert_eq!(enrolled(&caller, &first), Err("network-not-allowed".to_owned()));
    boss.ctl(&["key", "edit", "build", "--network", "127.0.0.0/8", "--unlimited"]).expect(0);
    assert_eq!(enrolled(&caller, &first), Ok(()));

    // A second secret: both are good until everybody has moved.
    let out = boss.path("build.key");
    boss.ctl(&["key", "rotate", "build", "--out", text(&out)]).expect(0);
    let second = secret(&out);
    assert_eq!(enrolled(&caller, &second), Err("api-key-pending".to_owned()));
    assert_eq!(key(&boss, "build")["rotation"]["state"], "pending");
    ann.ctl(&["key", "approve", "build"]).expect(0);
    assert_eq!(key(&boss, "build")["rotation"]["state"], "ready");
    assert_eq!((enrolled(&caller, &first), enrolled(&caller, &second)), (Ok(()), Ok(())));

    // The end, looked at before it is made.
    let plan = boss.ctl(&["key", "revoke", "build", "--plan"]).expect(0).stdout;
    assert!(plan.contains("nothing was changed") && plan.contains("at once: "), "{plan}");
    assert!(plan.contains("127.0.0.1") && plan.contains("4 active agents"), "{plan}");
    assert_eq!(key(&boss, "build")["state"], "active");
    let refused = boss.ctl(&["key", "delete", "build", "--yes"]).expect(1);
    assert!(refused.stderr.contains("illegal-move"), "{refused:?}");
    assert!(boss.ctl(&["key", "revoke", "build"]).expect(2).stderr.contains("--yes"));
    let leak = ["--annotate", "it was in a log", "--category", "incident"];
    boss.ctl(&[&["key", "revoke", "build", "--yes"], &leak[..]].concat()).expect(0);
    for spent in [&first, &second] {
        assert_eq!(enrolled(&caller, spent), Err("api-key-refused".to_owned()));
    }
    boss.ctl(&["key", "delete", "build", "--yes"]).expect(0);
    boss.ctl(&["key", "show", "build"]).expect(1);
    let deleted = boss.ctl(&["key", "list", "--state", "deleted", "--json"]).expect(0).json();
    assert_eq!(deleted["items"][0]["id"], download["id"]);

    // And all of it is written down, with the reason.
    let audit = boss.ctl(&["audit", "list", "--action", "key.revoke"]).expect(0).stdout;
    assert!(audit.contains("user:administrator/") && audit.contains("it was in a log"), "{audit}");
}

#[test]
fn who_waits_is_told_how_it_was_decided() {
    let (master, boss) = (strict(), Person::new());
    let admin = master.dir().join("admin.key");
    boss.ctl(&["login", "--master", master.url(), "--apikey-file", text(&admin)]).expect(0);
    boss.creates("ann", "approver");
    let ann = Person::signed_in(&master, "ann", PASSWORD);
    for (name, decide, code, said) in [
        ("good", ["key", "approve", "good", "--reason", "yes"], 0, "approved"),
        ("bad", ["key", "reject", "bad", "--reason", "use the one you have"], 4, "use the one you have"),
    ] {
        let create =
            ["key", "create", name, "--kind", "service", "--group", "x", "--capability", "agent.enrol"];
        let file = boss.path(name);
        let mut waiting = boss.command(&[&create, &["--wait=1min", "--out", text(&file)][..]].concat());
        let waiting = std::thread::spawn(move || crate::support::Output::of(&mut waiting));
        crate::support::eventually("the key is there", std::time::Duration::from_secs(20), || {
            ann.ctl(&["approval", "list"]).stdout.contains(name)
        });
        ann.ctl(&decide).expect(0);
        let ended = waiting.join().expect("no panic").expect(code);
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let impatient = boss.ctl(&["key", "renew", "good", "--expires", "60d", "--wait=1s"]).expect(3);
    assert!(impatient.stderr.contains("nobody has decided yet"), "{impatient:?}");
    let again = boss.ctl(&["key", "renew", "good"]).expect(4);
    assert!(again.stderr.contains("request-pending") && again.stderr.contains("approval list"), "{again:?}");
}

#[test]
fn nobody_gets_the_secret_of_what_may_more_than_they() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    let junior = boss.path("junior.key");
    let create = ["key", "create", "junior", "--kind", "personal", "--capability", "key.create"];
    boss.ctl(&[&create, &["--out", text(&junior)][..]].concat()).expect(0);
    boss.creates("kim", "key-manager");
    let kim = Person::signed_in(&master, "kim", PASSWORD);
    let stolen = boss.path("stolen.key");
    let rotate = ["key", "rotate", "administrator", "--out", text(&stolen)];
    for refused in [kim.ctl(&rotate), boss.ctl(&[&rotate[..], &["--apikey-file", text(&junior)]].concat())] {
        let refused = refused.expect(4);
        assert!(refused.stderr.contains("capability-missing") && !stolen.exists(), "{refused:?}");
    }
    boss.ctl(&["key", "rotate", "junior", "--out", text(&stolen), "--apikey-file", text(&junior)]).expect(0);
}

#[test]
fn several_keys_go_together_or_not_at_all() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    for name in ["one", "two", "three"] {
        boss.ctl(&["key", "create", name, "--kind", "personal", "--capability", "agent.read"]).expect(0);
    }
    for name in ["one", "two"] {
        boss.ctl(&["key", "revoke", name, "--yes"]).expect(0);
    }
    let plan = boss.ctl(&["key", "delete", "one", "three", "--plan"]).expect(0).stdout;
    assert!(
        plan.contains("refused already") && plan.contains("it would be refused: the key is active"),
        "{plan}"
    );
    boss.ctl(&["key", "delete", "one", "two", "three", "--yes"]).expect(1);
    assert_eq!(key(&boss, "one")["state"], "revoked");
    let gone = boss.ctl(&["key", "delete", "one", "two", "--yes", "-o", "yaml"]).expect(0).stdout;
    assert!(gone.starts_with("deleted:\n- "), "{gone}");
    let summary = boss.ctl(&["key", "summary", "--json"]).expect(0).json();
    assert_eq!(
        (&summary["revoked"], &summary["valid"]),
        (&0.into(), &2.into()),
        "`three` and the administrator's own"
    );
}

#[test]
fn an_export_of_the_audit_is_checked_without_the_master() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    boss.creates("ann", "auditor");
    let out = boss.path("audit.jsonl");
    let said = boss.ctl(&["audit", "export", "--out", text(&out)]).expect(0);
    assert!(said.stderr.contains("unbroken"), "{said:?}");
    drop(master);
    let stranger = Person::new();
    let verified = stranger.ctl(&["audit", "verify", text(&out)]).expect(0).stdout;
    assert!(verified.contains(", unbroken\nbegins with: the first record"), "{verified}");
    let forged = secret(&out).replacen("\"user.create\"", "\"user.delete\"", 1);
    let forged = stranger.file("forged.jsonl", &forged);
    let refused = stranger.ctl(&["audit", "verify", text(&forged)]).expect(1);
    assert!(refused.stderr.contains("was changed after it was written"), "{refused:?}");
}
