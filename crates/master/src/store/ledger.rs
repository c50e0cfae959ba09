//! The transaction a job runs in, and the audit chain it appends to.

use gatepass_contract::audit::Head;
use serde_json::Value;

use super::sql::{self, Conn, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::Refusal;
use crate::domain::audit::{Action, Cause, Event, Subject};

/// An open transaction. Invariant: `head` is the audit's last record as this transaction sees it.
pub(super) struct Ledger<'a> {
    pub(super) conn: Conn<'a>,
    head: Head,
}

impl<'a> Ledger<'a> {
    /// Reads the head anew each time: another process may have written since.
    pub(super) fn open(conn: Conn<'a>) -> sql::Result<Self> {
        Ok(Self { conn, head: head(conn)? })
    }

    /// All of `work`, or nothing of it.
    pub(super) fn in_savepoint<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> sql::Result<T>,
    ) -> sql::Result<T> {
        let before = self.head;
        self.conn.control("SAVEPOINT job")?;
        match work(self) {
            Ok(done) => self.conn.control("RELEASE job").map(|()| done),
            Err(error) => {
                self.head = before;
                // Fails when everything is rolled back already; the writer asks for that.
                let undo = self.conn.control("ROLLBACK TO job");
                let _ = undo.and_then(|()| self.conn.control("RELEASE job"));
                Err(error)
            }
        }
    }

    /// Appends one record.
    pub(super) fn record(&mut self, cause: &Cause, event: &Event) -> sql::Result<()> {
        let record = self.head.append(event.entry(cause));
        self.conn.execute(
            INSERT,
            params![
                rows::integer(record.seq)?,
                record.at,
                record.request,
                record.actor,
                record.action,
                record.subject,
                record.outcome,
                record.from.to_string(),
                record.detail,
                record.previous,
                record.hash,
            ],
        )?;
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
    ) -> sql::Result<()> {
        self.record(cause, &Event { action, subject, refused: None, detail })
    }

    /// Appends a record of something refused.
    pub(super) fn refused(
        &mut self,
        cause: &Cause,
        action: Action,
        subject: Subject,
        why: Refusal,
    ) -> sql::Result<()> {
        let detail = serde_json::json!({ "why": why.to_string() });
        self.record(cause, &Event { action, subject, refused: Some(why.code()), detail })
    }
}

pub(super) fn head(conn: Conn<'_>) -> sql::Result<Head> {
    let last = conn.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[], |row| {
        Ok(Head { seq: row.number(0)?, hash: row.digest(1)? })
    })?;
    Ok(last.unwrap_or(Head::EMPTY))
}

const INSERT: &str =
    "INSERT INTO audit (seq, at, request, actor, action, subject, outcome, origin, detail, previous, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

impl Store {
    /// Records something that happened without changing anything else: a refusal before any transaction, mostly.
    pub async fn audit(&self, cause: Cause, event: Event) -> Result<(), StoreError> {
        self.write(writer::REFUSE, move |ledger| ledger.record(&cause, &event)).await
    }
}
