//! A master outgrows its machine: its database moves to a server whole, or not at all; and a backup of a master on a server
//! is a master in a file again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Caller, Cluster, Master, MasterOptions, Output, key_pair, program, write};

fn run(args: &[&str]) -> Output {
    Output::of(Command::new(program("gatepass-master")).args(args))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn stop(master: &mut Master) {
    master.process().signal("TERM");
    assert_eq!(master.process().ended(Duration::from_secs(20)), Some(0));
}

fn secret(file: &Path) -> String {
    fs::read_to_string(file).expect("a key").trim().to_owned()
}

/// Users, groups, keys of every sort, agents, refusals.
fn live(master: &Master) {
    let key = secret(&master.api_key("hosts", &[]));
    let caller = Caller::of(master);
    for _ in 0..3 {
        assert_eq!(caller.enrol(&key, &key_pair().csr()).status, 200);
    }
    assert_eq!(caller.enrol(&key, "nonsense").status, 422);
    master.api_key("suspended", &[]);
    master.ctl(&["key", "suspend", "suspended"]).expect(0);
}

/// Everything the database of a master in a file holds, as text that can be compared.
fn content(file: &Path) -> Vec<(String, i64)> {
    let database = rusqlite::Connection::open(file).expect("a database");
    let mut names = database
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
        )
        .expect("a query");
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).expect("tables").collect::<Result<_, _>>().expect("names");
    let count = |name: &String| {
        database.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).expect("a count")
    };
    names.iter().map(|name| (name.clone(), count(name))).collect()
}

fn rows(cluster: &Cluster, url: &str, table: &str) -> i64 {
    cluster.sql(url, &format!("SELECT count(*) FROM {table}")).parse().expect("a number")
}

#[test]
fn a_master_moves_to_a_server_with_all_it_has() {
    let mut master = Master::start();
    live(&master);
    let cluster = Cluster::shared();
    let url = cluster.database();
    let dir = master.dir();
    let migrate = ["migrate", "--dir", text(&dir), "--to", &url];
    let busy = run(&migrate).expect(1);
    assert!(busy.stderr.contains("stop the master first"), "{}", busy.stderr);

    stop(&mut master);
    let file = dir.join("gatepass.db");
    let before = content(&file);
    let done = run(&migrate).expect(0);
    assert!(done.stderr.contains("[database]") && done.stderr.contains(&url), "{}", done.stderr);
    for (table, count) in &before {
        assert_eq!(rows(cluster, &url, table), *count, "{table}");
    }
    assert_eq!(content(&file), before, "the file is as it was");
    let again = run(&migrate).expect(1);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);

    let records = run(&["audit", "export", "--dir", text(&dir)]).expect(0).stdout;
    let mut config =
        fs::OpenOptions::new().append(true).open(dir.join("master.toml")).expect("a configuration");
    std::io::Write::write_all(&mut config, format!("\n[database]\nurl = \"{url}\"\n").as_bytes())
        .expect("written");
    fs::remove_file(&file).expect("nobody needs it any more");
    master.restart(Vec::new());
    assert_eq!(
        master.ctl(&["key", "list", "--json"]).expect(0).json()["items"].as_array().map(Vec::len),
        Some(3)
    );
    assert!(run(&["audit", "export", "--dir", text(&dir)]).expect(0).stdout.starts_with(&records));
    let key = secret(&master.path("hosts.key"));
    assert_eq!(Caller::of(&master).enrol(&key, &key_pair().csr()).status, 200);
    run(&["audit", "verify", "--dir", text(&dir)]).expect(0);
    let moved = run(&migrate).expect(4);
    assert!(moved.stderr.contains("on a server already"), "{}", moved.stderr);
}

#[test]
fn nothing_moves_when_something_is_wrong() {
    let mut master = Master::start();
    live(&master);
    stop(&mut master);
    let cluster = Cluster::shared();
    let dir = master.dir();
    let file = dir.join("gatepass.db");
    // Until now some of it is in the log beside it.
    let database = rusqlite::Connection::open(&file).expect("a database");
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("all in one file");
    drop(database);
    let good = fs::read(&file).expect("a database");
    let tampered = |sql: &str| {
        let database = rusqlite::Connection::open(&file).expect("a database");
        database.execute_batch(&format!("DROP TRIGGER audit_is_not_changed; {sql}")).expect("changed");
    };
    tampered("UPDATE audit SET detail = '{}' WHERE seq = 2;");
    let url = cluster.database();
    let refused = run(&["migrate", "--dir", text(&dir), "--to", &url]).expect(1);
    assert!(refused.stderr.contains("audit record 2 was changed"), "{}", refused.stderr);
    for table in ["anchor", "api_key", "agent", "audit"] {
        assert_eq!(rows(cluster, &url, table), 0, "{table}");
    }

    write(&file, &good);
    cluster.sql(&url, "INSERT INTO setting (name, value) VALUES ('somebody', 'else')");
    let refused = run(&["migrate", "--dir", text(&dir), "--to", &url]).expect(1);
    assert!(refused.stderr.contains("there are rows in setting"), "{}", refused.stderr);
    assert_eq!(rows(cluster, &url, "audit"), 0);
    let nowhere = cluster.over_tcp(&url, "sslmode=disable").replace("gatepass@", "nobody:wrong@");
    run(&["migrate", "--dir", text(&dir), "--to", &nowhere]).expect(1);
    assert!(run(&["audit", "verify", "--dir", text(&dir)]).expect(0).stdout.contains("records"));
}

#[test]
fn a_backup_of_a_master_on_a_server_is_restored_to_a_file_and_to_another_server() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut master = Master::with(MasterOptions { database: Some(url.clone()), ..MasterOptions::default() });
    live(&master);
    let (backup, restored) = (master.path("backup"), master.path("restored"));
    run(&["backup", "--dir", text(&master.dir()), "--to", text(&backup), "--with-key"]).expect(0);
    for (table, count) in content(&backup.join("gatepass.db")) {
        // The master goes on meanwhile and writes down when keys were used.
        if table != "api_key_caller" {
            assert_eq!(rows(cluster, &url, &table), count, "{table}");
        }
    }
    let other = cluster.database();
    let elsewhere = master.path("elsewhere");
    run(&["restore", "--from", text(&backup), "--dir", text(&elsewhere), "--database-url", &other]).expect(0);
    assert!(!elsewhere.join("gatepass.db").exists());
    assert_eq!(rows(cluster, &other, "agent"), 3);
    run(&["audit", "verify", "--dir", text(&elsewhere)]).expect(0);
    run(&["restore", "--from", text(&backup), "--dir", text(&restored)]).expect(0);
    stop(&mut master);
    fs::rename(master.dir(), master.path("lost")).expect("out of the way");
    fs::rename(&restored, master.dir()).expect("in its place");
    master.restart(Vec::new());
    let key = secret(&master.path("hosts.key"));
    assert_eq!(Caller::of(&master).enrol(&key, &key_pair().csr()).status, 200);
    assert_eq!(rows(cluster, &url, "agent"), 3, "the server's database is somebody else's now");
}
