//! The end of a former secret: when everybody has the new one, or when its time is over.

use gatepass_contract::id::KeyId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::RotationState;
use serde_json::json;

use super::usage::MATTERS;
use super::{select, update};
use crate::domain::apikey::ApiKeyRecord;
use crate::domain::audit::{Action, Actor, Cause, Subject, difference};
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, writer};

impl Store {
    /// Writes down which former secrets have ended because their time is over. They are refused without that.
    pub async fn retire_overdue(&self, cause: Cause) -> Result<u32, StoreError> {
        let at = cause.at;
        if self.read(move |conn| overdue(conn, at)).await?.is_empty() {
            return Ok(0);
        }
        self.write(writer::KEY_RETIRE, move |ledger| retire_overdue(ledger, &cause)).await
    }
}

/// How many callers have shown the former secret lately, and not the new one.
pub(super) fn waiting(conn: Conn<'_>, key: &ApiKeyRecord, now: UnixTime) -> sql::Result<u32> {
    let count =
        "SELECT count(*) FROM api_key_caller WHERE api_key = ?1 AND secret_number = ?2 AND last >= ?3";
    let counted = conn.one(count, params![key.id, key.secret_number, now - MATTERS], |row| row.number(0))?;
    Ok(counted.unwrap_or(0))
}

/// Takes note that the secret of that number was used. Once the second one is, and nobody is left with the former one,
/// that has ended.
pub(super) fn seen(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    mut key: ApiKeyRecord,
    secret_number: u32,
) -> sql::Result<()> {
    let is_first = key.seen_with(secret_number);
    let overlap = key.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Overlap);
    if !overlap || secret_number != key.newest_secret() {
        return Ok(());
    }
    if waiting(ledger.conn, &key, cause.at)? == 0 {
        return retire(ledger, cause, &key, "everybody who used the former secret has used the new one");
    }
    if is_first { update(ledger.conn, &key) } else { Ok(()) }
}

fn retire(ledger: &mut Ledger<'_>, cause: &Cause, before: &ApiKeyRecord, why: &str) -> sql::Result<()> {
    let mut key = before.clone();
    key.retire();
    update(ledger.conn, &key)?;
    let mut detail = difference(&before.facts(), &key.facts());
    detail["why"] = json!(why);
    let cause = Cause { actor: Actor::Master, annotation: None, ..cause.clone() };
    ledger.done(&cause, Action::KeyRetire, Subject::ApiKey(key.id), detail)
}

fn retire_overdue(ledger: &mut Ledger<'_>, cause: &Cause) -> sql::Result<u32> {
    let mut count = 0;
    for id in overdue(ledger.conn, cause.at)? {
        let key = select(ledger.conn, id)?;
        if let Some(key) = key.filter(|key| key.rotation.as_ref().is_some_and(|r| r.has_replaced(cause.at))) {
            retire(ledger, cause, &key, "the time in which both secrets were good is over")?;
            count += 1;
        }
    }
    Ok(count)
}

fn overdue(conn: Conn<'_>, now: UnixTime) -> sql::Result<Vec<KeyId>> {
    conn.query(OVERDUE, params![now], |row| row.bytes(0).map(KeyId))
}

/// Some at a time: the next round takes the others.
const OVERDUE: &str =
    "SELECT id FROM api_key WHERE rotate_by <= ?1 AND rotation <> 'pending' ORDER BY rotate_by LIMIT 256";
