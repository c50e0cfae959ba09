//! Every schema there was, oldest first; a database holds the number of the last one it has.
//!
//! Invariant: an entry is never changed once it was released, only followed by another.

use std::borrow::Cow;

use super::StoreError;

/// One step.
struct Migration {
    /// In `SQLite`'s spelling; `PostgreSQL` gets it with its own words.
    both: &'static str,
    /// What has no spelling in common, such as triggers.
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        both: include_str!("../../migrations/0001_initial.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_audit.sql"),
        postgres: include_str!("../../migrations/postgres/0001_audit.sql"),
    },
    Migration {
        both: include_str!("../../migrations/0002_people_and_tokens.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_people_and_tokens.sql"),
        postgres: include_str!("../../migrations/postgres/0002_people_and_tokens.sql"),
    },
];

/// The number of the newest schema.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("a handful of migrations")
}

/// What a `SQLite` database with the schema `found` still needs.
pub(super) fn for_sqlite(found: u32) -> Result<Vec<String>, StoreError> {
    let text = |step: &Migration| format!("{}{}", step.both, step.sqlite);
    Ok(behind(found)?.iter().map(text).collect())
}

/// What a `PostgreSQL` database with the schema `found` still needs.
pub(super) fn for_postgres(found: u32) -> Result<Vec<String>, StoreError> {
    let text = |step: &Migration| format!("{}{}", translated(step.both), step.postgres);
    Ok(behind(found)?.iter().map(text).collect())
}

/// `SQLite`'s words as `PostgreSQL` has them. Text is compared byte by byte, whatever the server's language.
fn translated(text: &str) -> String {
    let without_strict = text.replace(") STRICT", ")");
    without_strict.split_inclusive(|letter: char| !is_of_a_word(letter)).map(word).collect()
}

const fn is_of_a_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn word(with_end: &str) -> Cow<'_, str> {
    let length = with_end.trim_end_matches(|letter: char| !is_of_a_word(letter)).len();
    let (word, end) = with_end.split_at(length);
    match word {
        "INTEGER" => Cow::Owned(format!("BIGINT{end}")),
        "BLOB" => Cow::Owned(format!("BYTEA{end}")),
        "TEXT" => Cow::Owned(format!("TEXT COLLATE \"C\"{end}")),
        _ => Cow::Borrowed(with_end),
    }
}

fn behind(found: u32) -> Result<&'static [Migration], StoreError> {
    MIGRATIONS.get(found as usize..).ok_or(StoreError::TooNew { found, known: known() })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use gatepass_contract::id::KeyId;
    use gatepass_contract::secret::Secret;
    use gatepass_contract::time::UnixTime;
    use gatepass_contract::wire::admin::{Capability, Expiry};

    use super::super::{Database, Store};
    use super::*;

    #[test]
    fn only_the_words_of_types_change() {
        let given = "CREATE TABLE a (b BLOB, c_TEXT_d TEXT NOT NULL, e INTEGER) STRICT;";
        let want = "CREATE TABLE a (b BYTEA, c_TEXT_d TEXT COLLATE \"C\" NOT NULL, e BIGINT);";
        assert_eq!(translated(given), want);
    }

    /// As the first version wrote it: without users, and with a group that nobody had made.
    const OLD_KEY: &str =
        "INSERT INTO api_key (id, secret, kind, name, description, owner, groups, capabilities,
        expires, networks, uses, state, created, used) VALUES (?1, ?2, 'service', 'old', '', 'administrator',
        '[\"db\"]', '[\"agent.enrol\"]', NULL, '[]', NULL, 'active', 5, 0)";

    #[tokio::test]
    async fn keys_of_the_first_schema_keep_working() {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("old.db");
        let secret = Secret::new([1; 32]);
        let old = rusqlite::Connection::open(&file).expect("a database");
        old.execute_batch(&for_sqlite(0).expect("a schema")[0]).expect("the first schema");
        old.execute(OLD_KEY, rusqlite::params![[7_u8; 10], secret.digest().0]).expect("a key");
        old.pragma_update(None, "user_version", 1).expect("its number");
        drop(old);
        let store = Store::open(&Database::File(file)).expect("it is brought up to date");
        store.settle(NOW).await.expect("so are the built-in roles");
        let key = store.bearer_key(KeyId([7; 10])).await.expect("readable").expect("still there");
        assert_eq!((key.key.key.owner.as_str(), key.key.key.expires), ("administrator", Expiry::Never));
        let admitted = key.admit(&secret, IpAddr::V4(Ipv4Addr::LOCALHOST), NOW).expect("it is let in");
        assert_eq!(admitted.capabilities, [Capability::AgentEnrol]);
        assert_eq!(key.groups, ["db".parse().expect("a group")]);
        store.close().await;
    }

    const NOW: UnixTime = UnixTime(1_795_379_123_000);
}
