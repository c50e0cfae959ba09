//! The transaction a job runs in, and the audit chain it appends to.

use gatepass_contract::time::UnixTime;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::{Store, StoreError, rows, writer};
use crate::domain::Refusal;
use crate::domain::audit::{Action, Cause, Event, Head, Record, Subject};

/// An open transaction. Invariant: `head` is the audit's last record as this transaction sees it.
pub(super) struct Ledger<'a> {
    pub(super) conn: &'a Connection,
    head: Head,
}

impl<'a> Ledger<'a> {
    /// Reads the head anew each time: another process may have written since.
    pub(super) fn open(conn: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self { conn, head: head(conn)? })
    }

    /// All of `work`, or nothing of it.
    pub(super) fn in_savepoint<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let before = self.head;
        self.run("SAVEPOINT job")?;
        match work(self) {
            Ok(done) => self.run("RELEASE job").map(|()| done),
            Err(error) => {
                self.head = before;
                // Fails when SQLite has rolled back everything already; the writer asks for that.
                let _ = self.run("ROLLBACK TO job").and_then(|()| self.run("RELEASE job"));
                Err(error)
            }
        }
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// Writes without changing anything: fails exactly when a change would.
    pub(super) fn touch(&self) -> rusqlite::Result<()> {
        let version: u32 = self.conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        self.conn.pragma_update(None, "user_version", version)
    }

    /// Appends one record.
    pub(super) fn record(&mut self, cause: &Cause, event: &Event) -> rusqlite::Result<()> {
        let record = self.head.append(cause, event);
        self.conn.prepare_cached(INSERT)?.execute(params![
            rows::integer(record.seq)?,
            record.at.0,
            record.request.0,
            record.actor,
            record.action,
            record.subject,
            record.outcome,
            record.from.to_string(),
            record.detail,
            record.previous.0,
            record.hash.0,
        ])?;
        self.head = record.head();
        Ok(())
    }

    /// Appends a record of something done.
    pub(super) fn done(
        &mut self,
        cause: &Cause,
        action: Action,
        subject: Subject,
        detail: Value,
    ) -> rusqlite::Result<()> {
        self.record(cause, &Event { action, subject, refused: None, detail })
    }

    /// Appends a record of something refused.
    pub(super) fn refused(
        &mut self,
        cause: &Cause,
        action: Action,
        subject: Subject,
        why: Refusal,
    ) -> rusqlite::Result<()> {
        let detail = serde_json::json!({ "why": why.to_string() });
        self.record(cause, &Event { action, subject, refused: Some(why.code()), detail })
    }
}

fn head(conn: &Connection) -> rusqlite::Result<Head> {
    let last = conn
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { seq: rows::unsigned(row, 0)?, hash: rows::digest(row, 1)? }))
        .optional()?;
    Ok(last.unwrap_or(Head::EMPTY))
}

const INSERT: &str =
    "INSERT INTO audit (seq, at, request, actor, action, subject, outcome, origin, detail, previous, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const SELECT: &str =
    "SELECT seq, at, request, actor, action, subject, outcome, origin, detail, previous, hash
    FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        seq: rows::unsigned(row, 0)?,
        at: UnixTime(row.get(1)?),
        request: rows::request_id(row, 2)?,
        actor: row.get(3)?,
        action: row.get(4)?,
        subject: row.get(5)?,
        outcome: row.get(6)?,
        from: rows::parsed(row, 7)?,
        detail: row.get(8)?,
        previous: rows::digest(row, 9)?,
        hash: rows::digest(row, 10)?,
    })
}

impl Store {
    /// Records something that happened without changing anything else: a refusal before any transaction, mostly.
    pub async fn audit(&self, cause: Cause, event: Event) -> Result<(), StoreError> {
        self.write(writer::REFUSE, move |ledger| ledger.record(&cause, &event)).await
    }

    /// The records behind `after` (0 for all), at most `limit`; an empty page is the end.
    pub async fn audit_records(&self, after: u64, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.scan(move |conn| {
            let mut select = conn.prepare_cached(SELECT)?;
            let records = select.query_map(params![rows::integer(after)?, limit], record)?;
            records.collect()
        })
        .await
    }
}
