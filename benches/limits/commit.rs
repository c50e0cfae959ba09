//! Rows on disk: SQLite in WAL mode, synchronous FULL, one connection, many enrolments in one transaction.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rusqlite::{Connection, TransactionBehavior, params};

use super::each;
use crate::clock::{Stopwatch, cpu_of};

const COMMITS: u32 = 40;
/// As many as the load client has under way: with these few connections the master's groups are hardly larger.
const TOGETHER: u32 = 16;
const SYNCS: usize = 60;

/// The rows of an enrolment: an agent, its credential, an audit record, a use of the API key; keys, indexes and sizes as
/// the master's are.
pub(super) struct Database {
    connection: Connection,
    sequence: u32,
    appended: File,
}

impl Database {
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let connection = Connection::open(dir.join("limit.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        let appended = OpenOptions::new().create(true).append(true).open(dir.join("limit.appended"))?;
        Ok(Self { connection, sequence: 0, appended })
    }

    /// Microseconds of CPU for one enrolment.
    pub(super) fn commit(&mut self) -> Result<f64> {
        let ((), all) = cpu_of(|| (0..COMMITS).try_for_each(|_| self.group()))?;
        Ok(each(all, COMMITS * TOGETHER))
    }

    fn group(&mut self) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for _ in 0..TOGETHER {
            self.sequence += 1;
            enrol(&transaction, self.sequence)?;
        }
        Ok(transaction.commit()?)
    }

    /// Microseconds of waiting for one page.
    pub(super) fn fsync(&mut self) -> Result<f64> {
        let mut waits = (0..SYNCS).map(|_| self.sync_a_page()).collect::<Result<Vec<_>>>()?;
        waits.sort_unstable();
        Ok(each(waits[SYNCS / 2], 1))
    }

    fn sync_a_page(&mut self) -> Result<Duration> {
        self.appended.write_all(&[0; 4096])?;
        let since = Stopwatch::start();
        self.appended.sync_data()?;
        Ok(since.elapsed())
    }
}

fn enrol(connection: &Connection, sequence: u32) -> Result<()> {
    // Spread over the key space, as identifiers and thumbprints are.
    let scattered = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sequence.to_be_bytes());
    let id = scattered.as_ref();
    let insert = |sql: &str, values: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.execute(values);
    insert(AGENT, params![&id[..16], "bench-000000", "active", 1, &FILLER[..500], "agree"])?;
    insert(CREDENTIAL, params![id, &id[..16], 1, &FILLER[..91], &FILLER[..620]])?;
    insert(AUDIT, params![sequence, &FILLER[..10], &FILLER[..330], id, id])?;
    insert(USE, params![sequence])?;
    Ok(())
}

const SCHEMA: &str = "
    CREATE TABLE agent (id BLOB PRIMARY KEY, name TEXT, state TEXT, generation INTEGER, said BLOB, clock TEXT) STRICT;
    CREATE INDEX agent_standing ON agent (state, clock);
    CREATE TABLE credential (thumbprint BLOB PRIMARY KEY, agent BLOB, generation INTEGER, spki BLOB, leaf BLOB) STRICT;
    CREATE UNIQUE INDEX credential_generation ON credential (agent, generation);
    CREATE TABLE audit (seq INTEGER PRIMARY KEY, request BLOB, event BLOB, previous BLOB, hash BLOB) STRICT;
    CREATE TABLE api_key (id INTEGER PRIMARY KEY, used INTEGER) STRICT;
    INSERT INTO api_key VALUES (1, 0);";
const AGENT: &str = "INSERT INTO agent VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const CREDENTIAL: &str = "INSERT INTO credential VALUES (?1, ?2, ?3, ?4, ?5)";
const AUDIT: &str = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5)";
const USE: &str = "UPDATE api_key SET used = ?1 WHERE id = 1";
const FILLER: [u8; 1024] = [0xA5; 1024];
