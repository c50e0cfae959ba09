//! The audit read back page by page, and its old records dropped from the front.

#[cfg(test)]
pub(super) mod tests;

use gatepass_contract::audit::{Broken, Head, Record, Verified, Verifier};
use gatepass_contract::id::RequestId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::AuditQuery;
use serde_json::json;

use super::ledger::{self, Ledger};
use super::sql::{self, Bind as _, Conn, Row, Value, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::audit::{Action, Cause, Subject};

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Oldest first.
    pub records: Vec<Record>,
    /// Behind which number the next page begins, if there may be one.
    pub next: Option<u64>,
}

impl Store {
    /// The records behind `after` (0 for all), at most `limit`; an empty page is the end.
    pub async fn audit_records(&self, after: u64, limit: u32) -> Result<Vec<Record>, StoreError> {
        let select = format!("{SELECT} WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.scan(move |conn| conn.query(&select, params![rows::integer(after)?, limit], record)).await
    }

    /// Those that `query` wants. A page looks at so many records and no more: it may hold few, or none, and the next one
    /// goes on.
    pub async fn list_audit(&self, query: AuditQuery, limit: u32) -> Result<Listed, StoreError> {
        self.scan(move |conn| list(conn, &query, limit)).await
    }

    /// Follows the whole chain.
    pub async fn verified_audit(&self) -> Result<Result<Option<Verified>, Broken>, StoreError> {
        self.scan(verified).await
    }

    /// Appends that this is what a backup held, and where the audit stood in it.
    pub async fn note_restoration(&self, cause: Cause) -> Result<(), StoreError> {
        let note = move |ledger: &mut Ledger<'_>| {
            let head = ledger::head(ledger.conn)?;
            ledger.done(&cause, Action::Restore, Subject::None, json!(head))
        };
        self.write(writer::RESTORE, note).await
    }

    /// Drops the oldest records, as far as they are from before `before`; how many. It does some at a time: more are left
    /// when it has done [`PRUNED_AT_ONCE`].
    pub async fn prune_audit(&self, cause: Cause, before: UnixTime) -> Result<u32, StoreError> {
        self.write(writer::PRUNE, move |ledger| prune(ledger, &cause, before)).await
    }
}

/// Follows the whole chain.
pub(super) fn verified(conn: Conn<'_>) -> sql::Result<Result<Option<Verified>, Broken>> {
    let mut verifier = Verifier::new();
    let select = format!("{SELECT} WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    let mut after = 0;
    loop {
        let records = conn.query(&select, params![after, PRUNED_AT_ONCE], record)?;
        let Some(last) = records.last() else { return Ok(Ok(verifier.verified())) };
        after = rows::integer(last.seq)?;
        if let Err(broken) = records.iter().try_for_each(|record| verifier.follow(record)) {
            return Ok(Err(broken));
        }
    }
}

/// Looked at for one page, unless an index leads to them.
const EXAMINED: i64 = 20_000;
/// Of details in one page: readers take so much and no more.
const PAGE_BYTES: usize = 384 * 1024;
/// Dropped in one transaction, so that others get their turn.
pub const PRUNED_AT_ONCE: u32 = 2000;

const SELECT: &str =
    "SELECT seq, at, request, actor, action, subject, outcome, origin, detail, previous, hash FROM audit";

fn record(row: &Row<'_>) -> sql::Result<Record> {
    Ok(Record {
        seq: row.number(0)?,
        at: row.instant(1)?,
        request: row.bytes(2).map(RequestId)?,
        actor: row.text(3)?.to_owned(),
        action: row.text(4)?.to_owned(),
        subject: row.text(5)?.to_owned(),
        outcome: row.text(6)?.to_owned(),
        from: row.parsed(7)?,
        detail: row.text(8)?.to_owned(),
        previous: row.digest(9)?,
        hash: row.digest(10)?,
    })
}

fn list(conn: Conn<'_>, query: &AuditQuery, limit: u32) -> sql::Result<Listed> {
    let after = start(conn, query)?;
    let window = query.subject.is_none().then_some(after + EXAMINED);
    let mut records = page(conn, query, (after, window), limit + 1)?;
    let mut next = None;
    if records.len() > limit as usize {
        records.truncate(limit as usize);
        next = records.last().map(|last| last.seq);
    } else if let Some(end) = window {
        let end = u64::try_from(end).unwrap_or_default();
        next = (end < ledger::head(conn)?.seq).then_some(end);
    }
    let fitting = fitting(&records);
    if fitting < records.len() {
        records.truncate(fitting);
        next = records.last().map(|last| last.seq);
    }
    Ok(Listed { records, next })
}

/// How many of them make a page; one at least.
fn fitting(records: &[Record]) -> usize {
    let mut left = PAGE_BYTES;
    let fits = |record: &&Record| {
        let room = left.checked_sub(record.detail.len());
        left = room.unwrap_or_default();
        room.is_some()
    };
    records.iter().take_while(fits).count().max(1)
}

/// The number behind which there can be something: the clock may have been set back, so it is the first of all that are
/// late enough.
fn start(conn: Conn<'_>, query: &AuditQuery) -> sql::Result<i64> {
    if let (None, Some(since)) = (query.after, query.since) {
        let first =
            conn.one("SELECT min(seq) FROM audit WHERE at >= ?1", params![since], |row| row.opt_int(0))?;
        return match first.flatten() {
            Some(first) => Ok(first - 1),
            None => rows::integer(ledger::head(conn)?.seq),
        };
    }
    if let Some(after) = query.after {
        // Behind every number that a database can hold there is nothing.
        return Ok(i64::try_from(after).unwrap_or(i64::MAX - EXAMINED).min(i64::MAX - EXAMINED));
    }
    let first = conn.one("SELECT seq FROM audit ORDER BY seq LIMIT 1", &[], |row| row.int(0))?;
    Ok(first.map_or(0, |first| first - 1))
}

fn page(
    conn: Conn<'_>,
    query: &AuditQuery,
    (after, window): (i64, Option<i64>),
    limit: u32,
) -> sql::Result<Vec<Record>> {
    // `user:<name>/…`: the character behind the slash is 0.
    let user = query.user.as_ref().map(|name| (format!("user:{name}/"), format!("user:{name}0")));
    let mut conditions = vec![("seq >", after.value())];
    conditions.extend(window.as_ref().map(|end| ("seq <=", end.value())));
    conditions.extend(query.request.as_ref().map(|request| ("request =", request.value())));
    conditions.extend(query.action.as_ref().map(|action| ("action =", action.value())));
    conditions.extend(query.subject.as_ref().map(|subject| ("subject =", subject.value())));
    conditions.extend(query.since.as_ref().map(|since| ("at >=", since.value())));
    conditions.extend(query.until.as_ref().map(|until| ("at <", until.value())));
    if let Some((from, to)) = &user {
        conditions.extend([("actor >=", from.value()), ("actor <", to.value())]);
    }
    let (texts, mut values): (Vec<_>, Vec<Value<'_>>) =
        conditions.into_iter().zip(1..).map(|((text, value), n)| (format!("{text} ?{n}"), value)).unzip();
    values.push(limit.value());
    let text = format!("{SELECT} WHERE {} ORDER BY seq LIMIT ?{}", texts.join(" AND "), values.len());
    conn.query(&text, &values, record)
}

fn prune(ledger: &mut Ledger<'_>, cause: &Cause, before: UnixTime) -> sql::Result<u32> {
    let oldest = ledger.conn.query(
        "SELECT seq, hash, at FROM audit ORDER BY seq LIMIT ?1",
        params![PRUNED_AT_ONCE],
        |row| Ok((Head { seq: row.number(0)?, hash: row.digest(1)? }, row.instant(2)?)),
    )?;
    let old: Vec<_> = oldest.into_iter().take_while(|(_, at)| *at < before).map(|(head, _)| head).collect();
    let Some(last) = old.last() else { return Ok(0) };
    ledger.done(cause, Action::AuditPrune, Subject::None, json!(last))?;
    let seq = rows::integer(last.seq)?;
    ledger.conn.execute(
        "INSERT INTO audit_cut (one, seq, hash) VALUES (1, ?1, ?2)
        ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        params![seq, last.hash],
    )?;
    ledger.conn.execute("DELETE FROM audit WHERE seq <= ?1", params![seq])?;
    Ok(u32::try_from(old.len()).unwrap_or(u32::MAX))
}
