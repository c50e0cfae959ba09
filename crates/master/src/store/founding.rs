//! The master's own keys: stored once, when it is founded, and read at every start.

use rusqlite::params;
use serde_json::json;

use super::ledger::Ledger;
use super::{Store, StoreError, apikeys, rows, writer};
use crate::domain::apikey::ApiKeyRecord;
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::signing::{AnchorRecord, SigningKeyRecord};

/// What a master begins with.
#[derive(Debug, Clone)]
pub struct Foundation {
    /// Its root.
    pub anchor: AnchorRecord,
    /// Its issuing CA and its token key.
    pub keys: Vec<SigningKeyRecord>,
    /// The key that creates all others.
    pub administrator: ApiKeyRecord,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Founded {
    /// All of it is stored.
    New,
    /// There was a master here; nothing was changed.
    Already,
}

impl Store {
    /// Stores what a master begins with, all or nothing.
    pub async fn found(&self, cause: Cause, foundation: Foundation) -> Result<Founded, StoreError> {
        self.write(writer::FOUND, move |ledger| found(ledger, &cause, &foundation)).await
    }

    /// The roots that vouch for this master and its agents.
    #[expect(clippy::unused_async, reason = "a database behind a network will wait here")]
    pub async fn anchors(&self) -> Result<Vec<AnchorRecord>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare("SELECT id, certificate, created FROM anchor ORDER BY created")?;
            select.query_map([], rows::anchor)?.collect()
        })
    }

    /// Every signing key, whatever its slot.
    #[expect(clippy::unused_async, reason = "a database behind a network will wait here")]
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.read(|conn| {
            let all = format!("SELECT {} FROM signing_key ORDER BY created", rows::SIGNING_KEY);
            conn.prepare(&all)?.query_map([], rows::signing_key)?.collect()
        })
    }
}

fn found(ledger: &mut Ledger<'_>, cause: &Cause, foundation: &Foundation) -> rusqlite::Result<Founded> {
    let anchors: u32 = ledger.conn.query_row("SELECT count(*) FROM anchor", [], |row| row.get(0))?;
    if anchors > 0 {
        return Ok(Founded::Already);
    }
    let anchor = &foundation.anchor;
    let values = params![anchor.id.0, anchor.certificate.as_ref(), anchor.created.0];
    ledger.conn.execute("INSERT INTO anchor (id, certificate, created) VALUES (?1, ?2, ?3)", values)?;
    for key in &foundation.keys {
        insert_signing_key(ledger, key)?;
    }
    apikeys::insert(ledger.conn, &foundation.administrator)?;
    let subject = Subject::ApiKey(foundation.administrator.id);
    ledger.done(cause, Action::Found, subject, json!({ "root": anchor.id.to_string() }))?;
    Ok(Founded::New)
}

fn insert_signing_key(ledger: &Ledger<'_>, key: &SigningKeyRecord) -> rusqlite::Result<()> {
    let insert =
        format!("INSERT INTO signing_key ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", rows::SIGNING_KEY);
    let values = params![
        key.id.0,
        key.purpose.as_str(),
        key.slot.as_str(),
        rows::to_json(&key.kind)?,
        key.public,
        key.sealed.as_bytes(),
        key.created.0,
    ];
    ledger.conn.execute(&insert, values).map(drop)
}
