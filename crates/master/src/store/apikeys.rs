//! API keys in the database.

use gatepass_contract::id::KeyId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::LastUse;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::ledger::Ledger;
use super::{Store, StoreError, rows, writer};
use crate::domain::apikey::{self, ApiKeyRecord, IllegalMove, KeyEvent};
use crate::domain::audit::{Action, Cause, Event, Subject};

/// What came of creating a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    New,
    /// Another key has the name.
    NameTaken,
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved<T, E> {
    /// What it was done to, as it is now.
    Done(T),
    /// Its state does not allow it.
    Illegal(E),
    /// There is no such thing.
    Unknown,
}

impl Store {
    /// The key with that id.
    #[expect(clippy::unused_async, reason = "a database behind a network will wait here")]
    pub async fn api_key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(|conn| select(conn, id))
    }

    /// Keys behind `after`, in the order of their ids.
    pub async fn list_api_keys(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyRecord>, StoreError> {
        self.scan(move |conn| {
            let page = format!("SELECT {} FROM api_key WHERE id > ?1 ORDER BY id LIMIT ?2", rows::API_KEY);
            let after: &[u8] = after.as_ref().map_or(&[], |id| &id.0);
            conn.prepare_cached(&page)?.query_map(params![after, limit], rows::api_key)?.collect()
        })
        .await
    }

    /// Stores a new key.
    pub async fn create_api_key(&self, cause: Cause, key: ApiKeyRecord) -> Result<Created, StoreError> {
        self.write(writer::KEY_CREATE, move |ledger| create(ledger, &cause, &key)).await
    }

    /// Suspends, resumes or revokes a key.
    pub async fn move_api_key(
        &self,
        cause: Cause,
        id: KeyId,
        event: KeyEvent,
    ) -> Result<Moved<ApiKeyRecord, IllegalMove>, StoreError> {
        self.write(writer::KEY_MOVE, move |ledger| shift(ledger, &cause, id, event)).await
    }

    /// Notes that `key` was used for something else than an enrolment. To the minute: most of the time there is nothing
    /// to write, and nobody waits for it when there is.
    pub fn note_use(&self, key: &ApiKeyRecord, cause: Cause) -> Result<(), StoreError> {
        let this = LastUse { at: to_the_minute(cause.at), from: cause.from, agent: None };
        if key.last_used.is_some_and(|last| last.at >= this.at && last.from == this.from) {
            return Ok(());
        }
        let id = key.id;
        let (job, _answer) = writer::Job::new(writer::KEY_USE, move |ledger: &mut Ledger<'_>| {
            note_use(ledger.conn, id, &this, 0)
        });
        self.writer.submit(job)
    }
}

pub(super) fn select(conn: &Connection, id: KeyId) -> rusqlite::Result<Option<ApiKeyRecord>> {
    let one = format!("SELECT {} FROM api_key WHERE id = ?1", rows::API_KEY);
    conn.prepare_cached(&one)?.query_row([id.0], rows::api_key).optional()
}

fn create(ledger: &mut Ledger<'_>, cause: &Cause, key: &ApiKeyRecord) -> rusqlite::Result<Created> {
    let subject = Subject::ApiKey(key.id);
    let taken = ledger
        .conn
        .prepare_cached("SELECT 1 FROM api_key WHERE name = ?1")?
        .exists([key.key.name.as_str()])?;
    let detail = json!({ "name": key.key.name, "kind": key.key.kind, "capabilities": key.key.capabilities });
    if taken {
        let refused = Some(Code::NameTaken);
        ledger.record(cause, &Event { action: Action::KeyCreate, subject, refused, detail })?;
        return Ok(Created::NameTaken);
    }
    insert(ledger.conn, key)?;
    ledger.done(cause, Action::KeyCreate, subject, detail)?;
    Ok(Created::New)
}

pub(super) fn insert(conn: &Connection, record: &ApiKeyRecord) -> rusqlite::Result<()> {
    let insert = format!(
        "INSERT INTO api_key ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, NULL, NULL, NULL)",
        rows::API_KEY
    );
    let key = &record.key;
    conn.prepare_cached(&insert)?.execute(params![
        record.id.0,
        record.secret.0,
        key.kind.as_str(),
        key.name.as_str(),
        key.description,
        key.owner.as_str(),
        rows::to_json(&key.groups)?,
        rows::to_json(&key.capabilities)?,
        rows::end(key.expires),
        rows::to_json(&key.networks)?,
        key.uses,
        record.state.as_str(),
        record.created.0,
        record.used,
    ])?;
    Ok(())
}

fn shift(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    id: KeyId,
    event: KeyEvent,
) -> rusqlite::Result<Moved<ApiKeyRecord, IllegalMove>> {
    let Some(mut key) = select(ledger.conn, id)? else { return Ok(Moved::Unknown) };
    let (action, subject) = (action(event), Subject::ApiKey(id));
    match apikey::apply(key.state, event) {
        Ok(state) => {
            let detail = json!({ "from": key.state, "to": state });
            key.state = state;
            let update = "UPDATE api_key SET state = ?2 WHERE id = ?1";
            ledger.conn.prepare_cached(update)?.execute(params![id.0, state.as_str()])?;
            ledger.done(cause, action, subject, detail)?;
            Ok(Moved::Done(key))
        }
        Err(illegal) => {
            let (refused, detail) = (Some(Code::IllegalMove), json!({ "why": illegal.to_string() }));
            ledger.record(cause, &Event { action, subject, refused, detail })?;
            Ok(Moved::Illegal(illegal))
        }
    }
}

const fn action(event: KeyEvent) -> Action {
    match event {
        KeyEvent::Suspend => Action::KeySuspend,
        KeyEvent::Resume => Action::KeyResume,
        KeyEvent::Revoke => Action::KeyRevoke,
    }
}

/// Notes a use, and how many enrolments it was.
pub(super) fn note_use(
    conn: &Connection,
    id: KeyId,
    last: &LastUse,
    enrolments: u32,
) -> rusqlite::Result<()> {
    let agent = last.agent.map(|agent| agent.0);
    conn.prepare_cached(NOTE_USE)?.execute(params![
        id.0,
        enrolments,
        last.at.0,
        last.from.to_string(),
        agent
    ])?;
    Ok(())
}

const NOTE_USE: &str = "UPDATE api_key
    SET used = used + ?2, last_used_at = ?3, last_used_from = ?4, last_used_agent = ?5 WHERE id = ?1";

pub(super) const fn to_the_minute(at: UnixTime) -> UnixTime {
    UnixTime(at.0 - at.0.rem_euclid(60_000))
}
