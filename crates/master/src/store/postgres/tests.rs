//! What only a server can do: be shared, go away, ask for a password, encrypt.

use std::time::Duration;

use crate::clock;
use crate::store::tests::cluster::{Cluster, PASSWORD};
use crate::store::{Database, PostgresUrl, Store, StoreError};

fn store(url: &str) -> Result<Store, StoreError> {
    Store::open(&Database::Server(url.parse().expect("a URL")))
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_that_start_together_make_one_schema() {
    let url = Cluster::shared().database();
    let opening = (0..8).map(|_| {
        std::thread::spawn({
            let url = url.clone();
            move || store(&url)
        })
    });
    let opened: Vec<_> =
        opening.collect::<Vec<_>>().into_iter().map(|one| one.join().expect("no panic")).collect();
    for store in opened {
        store.expect("opened").ready().await.expect("ready");
    }
    assert_eq!(Cluster::shared().sql(&url, "SELECT count(*) FROM schema_version"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_left_alone() {
    let url = Cluster::shared().database();
    drop(store(&url).expect("made"));
    Cluster::shared().sql(&url, "UPDATE schema_version SET version = 1000");
    assert!(matches!(store(&url), Err(StoreError::TooNew { found: 1000, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_anew() {
    let url = Cluster::shared().database();
    let store = store(&url).expect("made");
    store.ready().await.expect("ready");
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'gatepass-master'";
    assert_eq!(Cluster::shared().sql(&url, cut), "2", "one that reads, one that writes");
    // Where one is used again at once, before its idleness is looked into, an answer is lost and nothing else.
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(store.ready().await);
    }
    for lost in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
    }
    assert!(answers.last().is_some_and(Result::is_ok), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_said_to_be() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let store = store(&url).expect("made");
    store.ready().await.expect("ready");
    cluster.stop();
    assert!(matches!(store.anchors().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(self::store(&url), Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_and_another_takes_over() {
    let url = Cluster::shared().database();
    let (one, two) = (store(&url).expect("made"), store(&url).expect("opened"));
    let first = one.lead();
    until(|| first.is_ours()).await;
    let second = two.lead();
    let asking = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_try_advisory_lock%'";
    until(|| Cluster::shared().sql(&url, asking) == "1").await;
    assert!(first.is_ours() && !second.is_ours());
    drop(first);
    until(|| second.is_ours()).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let third = one.lead();
    Cluster::shared().sql(&url, cut);
    until(|| third.is_ours() != second.is_ours()).await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("within seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_network_it_is_encrypted_and_knows_who_answers() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let root = cluster.root().display().to_string();
    let open = |parameters: &str, password: &str| {
        let url: PostgresUrl = cluster.over_tcp(&url, parameters).parse().expect("a URL");
        Store::open(&Database::Server(url.with_password(password)))
    };
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND version = 'TLSv1.3' AND datname = current_database()";
    for (parameters, count) in [
        ("sslmode=disable".to_owned(), "0"),
        ("sslmode=require".to_owned(), "1"),
        (format!("sslrootcert={root}"), "1"),
        (format!("sslmode=verify-full&channel_binding=require&sslrootcert={root}"), "1"),
    ] {
        let store = open(&parameters, PASSWORD).unwrap_or_else(|error| panic!("{parameters}: {error:?}"));
        assert_eq!(cluster.sql(&url, encrypted), count, "{parameters}");
        store.close().await;
    }
    for (parameters, password, why) in [
        (String::new(), PASSWORD, "UnknownIssuer"),
        ("sslmode=verify-full".to_owned(), PASSWORD, "UnknownIssuer"),
        (format!("sslrootcert={root}.missing"), PASSWORD, "No such file"),
        (format!("sslrootcert={root}"), "wrong", "password authentication failed"),
    ] {
        let Err(StoreError::Unavailable(error)) = open(&parameters, password) else { panic!("{parameters}") };
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&*error);
        while let Some(error) = cause {
            told = format!("{told}: {error}");
            cause = error.source();
        }
        assert!(told.contains(why) && !told.contains(PASSWORD), "{parameters}: {told}");
    }
}
