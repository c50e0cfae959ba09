//! The master's own keys: stored once, when it is founded, and read at every start.

use serde_json::json;

use super::ledger::Ledger;
use super::sql::{self, params};
use super::{Store, StoreError, apikeys, people, rows, writer};
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
    pub async fn anchors(&self) -> Result<Vec<AnchorRecord>, StoreError> {
        let all = "SELECT id, certificate, created FROM anchor ORDER BY created";
        self.read(move |conn| conn.query(all, &[], rows::anchor)).await
    }

    /// Every signing key, whatever its slot.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let all = format!("SELECT {} FROM signing_key ORDER BY created", rows::SIGNING_KEY);
        self.read(move |conn| conn.query(&all, &[], rows::signing_key)).await
    }
}

fn found(ledger: &mut Ledger<'_>, cause: &Cause, foundation: &Foundation) -> sql::Result<Founded> {
    if ledger.conn.exists("SELECT 1 FROM anchor", &[])? {
        return Ok(Founded::Already);
    }
    let anchor = &foundation.anchor;
    let insert = "INSERT INTO anchor (id, certificate, created) VALUES (?1, ?2, ?3)";
    ledger.conn.execute(insert, params![anchor.id, anchor.certificate.as_ref(), anchor.created])?;
    for key in &foundation.keys {
        insert_signing_key(ledger, key)?;
    }
    people::found(ledger.conn, cause.at)?;
    apikeys::insert(ledger.conn, &foundation.administrator)?;
    let subject = Subject::ApiKey(foundation.administrator.id);
    ledger.done(cause, Action::Found, subject, json!({ "root": anchor.id.to_string() }))?;
    Ok(Founded::New)
}

fn insert_signing_key(ledger: &Ledger<'_>, key: &SigningKeyRecord) -> sql::Result<()> {
    let insert =
        format!("INSERT INTO signing_key ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", rows::SIGNING_KEY);
    ledger
        .conn
        .execute(
            &insert,
            params![
                key.id,
                key.purpose.as_str(),
                key.slot.as_str(),
                rows::to_json(&key.kind)?,
                key.public,
                key.sealed.as_bytes(),
                key.created,
            ],
        )
        .map(drop)
}
