//! Two masters, one `PostgreSQL` database: what must happen once happens once, whichever is asked and whichever dies.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{
    Answer, Caller, Cluster, Master, MasterOptions, Output, PASSWORD, eventually, key_pair, program,
};

const CONTENDERS: u32 = 100;
const LEADS: &str = "leading the periodic work";

fn on(database: &str) -> Master {
    Master::with(MasterOptions { database: Some(database.to_owned()), ..MasterOptions::default() })
}

/// Two masters of a new database, and its URL.
fn two() -> (Master, Master, String) {
    let database = Cluster::shared().database();
    let one = on(&database);
    eventually("the only master leads", Duration::from_secs(10), || one.log().contains(LEADS));
    let two = one.another();
    (one, two, database)
}

/// Contenders, half of them at each master, all at once.
fn enrol_at_both(masters: [&Master; 2], api_key: &str) -> Vec<Answer> {
    let half = |master: &Master| {
        let csrs = (0..CONTENDERS / 2).map(|_| key_pair().csr()).collect();
        Caller::of(master).enrol_all(api_key, csrs, CONTENDERS as usize / 2)
    };
    std::thread::scope(|scope| {
        let running = masters.map(|master| scope.spawn(move || half(master)));
        running.into_iter().flat_map(|half| half.join().expect("answers")).collect()
    })
}

fn key_of(master: &Master, name: &str, uses: u32) -> String {
    let file = master.api_key(name, &["--uses", &uses.to_string()]);
    std::fs::read_to_string(file).expect("a key").trim().to_owned()
}

#[track_caller]
fn audit_is_unbroken(master: &Master) {
    let mut verify = Command::new(program("gatepass-master"));
    Output::of(verify.args(["audit", "verify", "--dir"]).arg(master.dir())).expect(0);
}

#[test]
fn a_single_use_key_admits_once_over_both() {
    let (one, two, database) = two();
    let key = key_of(&one, "once", 1);
    let answers = enrol_at_both([&one, &two], &key);
    let (admitted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((admitted.len(), answers.len()), (1, CONTENDERS as usize));
    for refused in refused {
        assert_eq!(refused.code(), "api-key-used-up");
    }
    assert_eq!(Cluster::shared().sql(&database, "SELECT count(*) FROM agent"), "1");
    for master in [&one, &two] {
        let shown = master.ctl(&["key", "show", "once", "--json"]).expect(0).json();
        assert_eq!(shown["used"], 1);
        audit_is_unbroken(master);
    }
}

#[test]
fn a_key_revoked_at_one_is_refused_by_the_other_at_once() {
    let (one, two, _) = two();
    let key = key_of(&one, "short", 10);
    let caller = Caller::of(&two);
    assert_eq!(caller.enrol(&key, &key_pair().csr()).status, 200);
    one.ctl(&["key", "revoke", "short", "--yes"]).expect(0);
    assert_eq!(caller.enrol(&key, &key_pair().csr()).code(), "api-key-refused");
}

#[test]
fn a_master_killed_among_enrolments_loses_none_and_admits_none_twice() {
    let (mut one, two, database) = two();
    let uses = CONTENDERS / 2;
    let key = key_of(&one, "half", uses);
    let (first, second) = (Caller::of(&one), Caller::of(&two));
    let answered = AtomicU32::new(0);
    let agents = std::thread::scope(|scope| {
        let contenders: Vec<_> = (0..CONTENDERS)
            .map(|number| {
                let (key, first, second, answered) = (&key, &first, &second, &answered);
                scope.spawn(move || {
                    let csr = key_pair().csr();
                    let at_first = if number % 2 == 0 { first.try_enrol(key, &csr) } else { None };
                    answered.fetch_add(1, Ordering::Relaxed);
                    // Who had no answer asks the other master for the same.
                    let answer = at_first.unwrap_or_else(|| second.enrol(key, &csr));
                    let refused = answer.status != 200;
                    assert!(!refused || answer.code() == "api-key-used-up", "{answer:?}");
                    (!refused).then(|| answer.issued().agent.to_string())
                })
            })
            .collect();
        eventually("some were answered", Duration::from_secs(20), || answered.load(Ordering::Relaxed) > 60);
        one.kill();
        contenders.into_iter().filter_map(|one| one.join().expect("no panic")).collect::<BTreeSet<_>>()
    });
    assert_eq!(agents.len(), uses as usize, "each use has made one agent");
    assert_eq!(Cluster::shared().sql(&database, "SELECT count(*) FROM agent"), uses.to_string());
    audit_is_unbroken(&two);
}

#[test]
fn another_leads_within_seconds_of_a_kill() {
    let (mut one, two, database) = two();
    one_stands_by(&database);
    assert!(!two.log().contains(LEADS), "one leads, not both");
    one.kill();
    eventually("the other one leads", Duration::from_secs(5), || two.log().contains(LEADS));
    one.restart(Vec::new());
    one_stands_by(&database);
    assert_eq!(one.log().matches(LEADS).count(), 1, "it has led once, before");
}

/// Who leads does not ask for it any more.
fn one_stands_by(database: &str) {
    let asking = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_try_advisory_lock%'";
    eventually("one stands by", Duration::from_secs(10), || Cluster::shared().sql(database, asking) == "1");
}

#[test]
fn a_database_is_founded_once_and_its_password_is_not_shown() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let parameters = format!("sslrootcert={}", cluster.root().display());
    let url = cluster.over_tcp(&database, &parameters);
    let secret = "a%20pass%2Fword%3A%20%40home";
    let with_password = url.replace("gatepass@", &format!("gatepass:{secret}@"));
    let master = on(&with_password);
    Caller::of(&master).enrol(&key_of(&master, "hosts", 1), &key_pair().csr()).issued();

    let dir = master.dir();
    let file = dir.join("database.password");
    assert_eq!(std::fs::read_to_string(&file).expect("a password"), PASSWORD);
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let show =
        Output::of(Command::new(program("gatepass-master")).args(["config", "show", "--dir"]).arg(&dir));
    let shown = show.expect(0).stdout;
    assert!(shown.contains(&url), "{shown}");
    for text in
        [shown, master.log(), std::fs::read_to_string(dir.join("master.toml")).expect("a configuration")]
    {
        assert!(!text.contains("pass/word") && !text.contains(secret), "{text}");
    }

    let again = Output::of(
        Command::new(program("gatepass-master"))
            .args(["init", "--name", "localhost", "--database-url", &with_password, "--dir"])
            .arg(master.path("another")),
    );
    let again = again.expect(4);
    assert!(again.stderr.contains("there is a master in that database already"), "{again:?}");
    assert!(!again.stderr.contains(secret), "{again:?}");
    assert!(!master.path("another").exists());
}
