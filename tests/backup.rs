//! A backup, and what it takes to live with an old one: what was revoked since is good again, until it is found in an
//! export of the audit and revoked again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Caller, Master, MasterOptions, Output, key_pair, program, write};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program("gatepass-master"));
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    Output::of(&mut command(args))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn back_up(master: &Master, name: &str, more: &[&str]) -> PathBuf {
    let to = master.path(name);
    let dir = master.dir();
    run(&[&["backup", "--dir", text(&dir), "--to", text(&to)], more].concat()).expect(0);
    to
}

fn export(master: &Master) -> PathBuf {
    let file = master.path("audit.jsonl");
    let exported = run(&["audit", "export", "--dir", text(&master.dir())]).expect(0).stdout;
    write(&file, exported);
    file
}

fn stop(master: &mut Master) {
    master.process().signal("TERM");
    assert_eq!(master.process().ended(Duration::from_secs(20)), Some(0));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Puts a restored directory in the place of the master's.
fn take_over(master: &mut Master, restored: &Path) {
    stop(master);
    fs::rename(master.dir(), master.path("lost")).expect("out of the way");
    fs::rename(restored, master.dir()).expect("in its place");
    fs::copy(master.path("lost/admin.key"), master.dir().join("admin.key"))
        .expect("the administrator has it still");
    master.restart(Vec::new());
}

fn secret(file: &Path) -> String {
    fs::read_to_string(file).expect("a key").trim().to_owned()
}

#[test]
fn what_was_revoked_since_an_old_backup_is_found_and_revoked_again() {
    let mut master = Master::start();
    let caller = Caller::of(&master);
    let keys = ["revoked", "suspended", "resumed", "untouched"];
    let files = keys.map(|name| master.api_key(name, &[]));
    let agent = caller.enrol(&secret(&files[0]), &key_pair().csr()).issued().agent.to_string();
    let backup = back_up(&master, "backup", &["--with-key"]);
    for args in [
        &["key", "revoke", "revoked", "--yes"][..],
        &["key", "suspend", "suspended"],
        &["key", "suspend", "resumed"],
        &["key", "resume", "resumed"],
        &["agent", "revoke", &agent, "--yes"],
    ] {
        master.ctl(args).expect(0);
    }
    master.api_key("created since", &[]);
    let export = export(&master);

    let restored = master.path("restored");
    run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(0);
    take_over(&mut master, &restored);
    let caller = Caller::of(&master);
    let enrols = |file: &Path| caller.enrol(&secret(file), &key_pair().csr()).status;
    assert_eq!(enrols(&files[0]), 200, "this is why a replay is needed");

    let dir = master.dir();
    let replay = ["audit", "replay", text(&export), "--dir", text(&dir)];
    let shown = run(&replay).expect(0).stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    for (line, action) in lines.iter().zip(["key.revoke", "key.suspend", "agent.revoke"]) {
        assert!(line.contains(action) && line.ends_with("to do"), "{shown}");
    }
    assert_eq!(enrols(&files[0]), 200, "showing changes nothing");

    let applied = run(&[&replay[..], &["--apply"]].concat()).expect(0).stdout;
    assert_eq!(applied.matches("done again").count(), 3, "{applied}");
    assert_eq!(files.each_ref().map(|file| enrols(file)), [401, 403, 200, 200]);
    let again = run(&[&replay[..], &["--apply"]].concat()).expect(0).stdout;
    assert_eq!(again.matches("it is so").count(), 3, "{again}");

    let records = run(&["audit", "export", "--dir", text(&dir)]).expect(0).stdout;
    let told = |action: &str| records.lines().rfind(|line| line.contains(action)).map(str::to_owned);
    assert!(told("\"master.restore\"").is_some());
    let revoked = told("\"key.revoke\"").expect("a record of its own");
    assert!(
        revoked.contains("\"actor\":\"master\"")
            && revoked.contains("a backup was restored; done before by user:"),
        "{revoked}"
    );
    run(&["audit", "verify", "--dir", text(&dir)]).expect(0);
}

#[test]
fn an_export_of_another_master_or_one_that_was_changed_is_refused() {
    let (master, other) = (Master::start(), Master::start());
    let dir = master.dir();
    let foreign = export(&other);
    let refused = run(&["audit", "replay", text(&foreign), "--dir", text(&dir)]).expect(1);
    assert!(refused.stderr.contains("does not go on where the audit"), "{}", refused.stderr);
    let changed = export(&master);
    let lines = fs::read_to_string(&changed).expect("an export").replace("master.found", "key.revoke");
    write(&changed, lines);
    let refused = run(&["audit", "replay", text(&changed), "--dir", text(&dir), "--apply"]).expect(1);
    assert!(refused.stderr.contains("was changed after it was written"), "{}", refused.stderr);
}

#[test]
fn a_backup_is_for_its_owner_alone_and_without_the_key_unless_asked_for() {
    let master = Master::start();
    let backup = back_up(&master, "without", &[]);
    assert_eq!(mode(&backup), 0o700);
    let mut names: Vec<_> = fs::read_dir(&backup)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["gatepass.db", "master.toml", "root-ca.crt", "root-ca.key"]);
    for (name, want) in [("gatepass.db", 0o600), ("master.toml", 0o600), ("root-ca.key", 0o600)] {
        assert_eq!(mode(&backup.join(name)), want, "{name}");
    }
    assert_eq!(mode(&back_up(&master, "with", &["--with-key"]).join("master.key")), 0o600);
    let again = run(&["backup", "--dir", text(&master.dir()), "--to", text(&backup)]).expect(4);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);

    let restored = master.path("restored");
    let said = run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(0).stderr;
    assert!(said.contains("put the master's key in place first"), "{said}");
    run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(4);
    run(&["restore", "--from", text(&master.path("nothing")), "--dir", text(&master.path("new"))]).expect(4);
}

#[test]
fn a_backup_that_was_changed_is_not_restored() {
    let master = Master::start();
    let backup = back_up(&master, "backup", &[]);
    let database = rusqlite::Connection::open(backup.join("gatepass.db")).expect("a database");
    database
        .execute_batch("DROP TRIGGER audit_is_not_changed; UPDATE audit SET at = at + 1 WHERE seq = 1;")
        .expect("changed");
    drop(database);
    let restored = master.path("restored");
    let refused = run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(4);
    assert!(refused.stderr.contains("audit record 1 was changed"), "{}", refused.stderr);
    assert!(!restored.exists());
}

#[test]
fn killed_at_any_point_a_backup_and_a_restoration_leave_nothing_half() {
    let mut master = Master::start();
    let backup = back_up(&master, "backup", &["--with-key"]);
    let dir = master.dir();
    let (to, restored) = (master.path("other"), master.path("restored"));
    for (point, target, args) in [
        ("backup.copied", &to, vec!["backup", "--dir", text(&dir), "--to", text(&to)]),
        (
            "restore.before-commit",
            &restored,
            vec!["restore", "--from", text(&backup), "--dir", text(&restored)],
        ),
        ("restore.copied", &restored, vec!["restore", "--from", text(&backup), "--dir", text(&restored)]),
    ] {
        let killed = Output::of(command(&args).env("GATEPASS_MASTER_STOP_AT", point));
        assert_ne!(killed.code, Some(0), "{point} was not reached");
        assert!(!target.exists(), "{point} left a part of it");
        run(&args).expect(0);
        assert!(target.join("gatepass.db").exists());
        fs::remove_dir_all(target).expect("made by the second try");
    }
    run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(0);
    take_over(&mut master, &restored);
    master.ctl(&["key", "list"]).expect(0);
}

#[test]
fn a_backup_is_taken_while_the_master_is_busy_and_is_one_state_of_it() {
    let master = Master::with(MasterOptions::default());
    let key = secret(&master.api_key("hosts", &[]));
    let backup = std::thread::scope(|scope| {
        let enrolling = scope.spawn(|| {
            let csrs = (0..60).map(|_| key_pair().csr()).collect();
            Caller::of(&master).enrol_all(&key, csrs, 8)
        });
        let backup = back_up(&master, "backup", &["--with-key"]);
        let answers = enrolling.join().expect("answers");
        assert!(answers.iter().all(|answer| answer.status == 200));
        backup
    });
    let database = rusqlite::Connection::open(backup.join("gatepass.db")).expect("a database");
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
    let agents = count("SELECT count(*) FROM agent");
    assert_eq!(agents, count("SELECT used FROM api_key WHERE name = 'hosts'"));
    assert_eq!(agents, count("SELECT count(*) FROM audit WHERE action = 'agent.enrol' AND outcome = 'done'"));
}
