//! Changes of one key, each a transaction that decides anew.

use std::sync::Arc;

use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalState, Expiry, KeyState, RotationState};
use serde_json::{Value, json};

use super::{approvals, owner, roles, rotation, select, update};
use crate::domain::apikey::{Act, ApiKeyRecord, Asked, Case, Changed, KeyEvent, KeyRules, Objection};
use crate::domain::approval::ApprovalRecord;
use crate::domain::audit::{Action, Cause, Event, Subject, difference};
use crate::domain::idempotency::{Claim, Repeated, Seen};
use crate::domain::notice::{About, Facts, NoticeEvent};
use crate::domain::principal::Principal;
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, idempotency, writer};

/// Something to be done to a key.
#[derive(Debug, Clone)]
pub struct ChangeOrder {
    /// To which.
    pub id: KeyId,
    /// What.
    pub act: Act,
    /// Who asks.
    pub by: Principal,
    /// The version they mean.
    pub expected: Expected,
    /// The rules.
    pub rules: Arc<KeyRules>,
    /// What the request is called if it has to wait.
    pub request: ApprovalId,
    /// What it is recognised by when it comes again.
    pub claim: Option<Claim>,
}

/// A key with what is shown only where one key is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key.
    pub key: ApiKeyRecord,
    /// What waits for it.
    pub pending: Option<ApprovalRecord>,
    /// How many callers a rotation waits for.
    pub waiting: Option<u32>,
}

/// What came of a creation or a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is done; the key as it is now.
    Done(Box<Shown>),
    /// It was done before, at the first of these requests.
    Again(Box<Shown>, Repeated),
    /// The same idempotency key came with another request.
    Otherwise,
    /// It is not done; it is in the audit.
    Refused(Objection),
}

impl Store {
    /// Does something to a key.
    pub async fn change_api_key(&self, cause: Cause, order: ChangeOrder) -> Result<Written, StoreError> {
        self.write(writer::KEY_MOVE, move |ledger| change(ledger, &cause, order)).await
    }

    /// The key with that id, unless it was deleted.
    pub async fn shown_api_key(&self, id: KeyId, now: UnixTime) -> Result<Option<Shown>, StoreError> {
        let shown = self.read(move |conn| shown(conn, id, now)).await?;
        Ok(shown.filter(|shown| shown.key.state != KeyState::Deleted))
    }
}

pub(super) fn shown(conn: Conn<'_>, id: KeyId, now: UnixTime) -> sql::Result<Option<Shown>> {
    let Some(key) = select(conn, id)? else { return Ok(None) };
    let under_way = key.rotation.as_ref().is_some_and(|rotation| rotation.state != RotationState::Pending);
    let waiting = if under_way { Some(rotation::waiting(conn, &key, now)?) } else { None };
    Ok(Some(Shown { pending: approvals::pending(conn, id)?, key, waiting }))
}

/// What an earlier request with the same claim has written. Its secret is shown again: not to a credential of the same
/// user that may less.
pub(super) fn again(
    conn: Conn<'_>,
    before: Repeated,
    (by, now): (&Principal, UnixTime),
) -> sql::Result<Written> {
    let id = before.subject.strip_prefix("apikey:").and_then(|id| id.parse().ok());
    let found = id.map(|id| load(conn, id)).transpose()?.flatten();
    let Some(found) = found.filter(|found| found.key.state != KeyState::Deleted) else {
        return Ok(Written::Refused(Objection::Unknown));
    };
    if let Some(beyond) = found.beyond(by) {
        return Ok(Written::Refused(Objection::Above(beyond)));
    }
    let shown = shown(conn, found.key.id, now)?.expect("it was just found");
    Ok(Written::Again(Box::new(shown), before))
}

fn change(ledger: &mut Ledger<'_>, cause: &Cause, order: ChangeOrder) -> sql::Result<Written> {
    match idempotency::seen(ledger, order.claim.as_ref(), cause.at)? {
        Seen::Never => {}
        Seen::Before(before) => return again(ledger.conn, before, (&order.by, cause.at)),
        Seen::Otherwise => return Ok(Written::Otherwise),
    }
    let event = order.act.event();
    let Some(found) = load(ledger.conn, order.id)? else {
        return refuse(ledger, cause, (event.action(), Subject::None), Objection::Unknown);
    };
    let (by, rules) = (&order.by, &*order.rules);
    let asked = Asked { by, at: cause.at, expected: &order.expected, rules, request: order.request };
    let decided = match found.decide(order.act, asked) {
        Ok(changed) if is_taken(ledger.conn, &found.key, &changed.key)? => {
            Err(Objection::NameTaken(changed.key.key.name))
        }
        decided => decided,
    };
    match decided {
        Err(why) => refuse(ledger, cause, (event.action(), Subject::ApiKey(order.id)), why),
        Ok(changed) => {
            carry_out(ledger, cause, (event, by), (&found.key, &changed))?;
            let subject = Subject::ApiKey(order.id).to_string();
            idempotency::keep(ledger, order.claim.as_ref(), &subject, cause.at)?;
            done(ledger.conn, order.id, cause.at)
        }
    }
}

pub(super) fn done(conn: Conn<'_>, id: KeyId, now: UnixTime) -> sql::Result<Written> {
    let shown = shown(conn, id, now)?.expect("it was just written");
    Ok(Written::Done(Box::new(shown)))
}

/// A key with all that decides about changes of it.
pub(super) fn load(conn: Conn<'_>, id: KeyId) -> sql::Result<Option<Case>> {
    let Some(key) = select(conn, id)? else { return Ok(None) };
    let capabilities = key.key.with_roles(&roles(conn, &key.key.roles)?);
    let owner = owner(conn, &key.key.owner)?.map(|owner| owner.capabilities).unwrap_or_default();
    Ok(Some(Case { pending: approvals::pending(conn, id)?, key, capabilities, owner }))
}

/// Whether the key would take the name of another one.
fn is_taken(conn: Conn<'_>, before: &ApiKeyRecord, after: &ApiKeyRecord) -> sql::Result<bool> {
    let other = "SELECT 1 FROM api_key WHERE name = ?1";
    Ok(before.key.name != after.key.name && conn.exists(other, params![after.key.name.as_str()])?)
}

pub(super) fn refuse(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    (action, subject): (Action, Subject),
    why: Objection,
) -> sql::Result<Written> {
    let (refused, detail) = (Some(why.code()), json!({ "why": why.to_string() }));
    ledger.record(cause, &Event { action, subject, refused, detail })?;
    Ok(Written::Refused(why))
}

/// Writes what was decided, with its audit record and its notices.
pub(super) fn carry_out(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    (event, by): (KeyEvent, &Principal),
    (before, changed): (&ApiKeyRecord, &Changed),
) -> sql::Result<()> {
    let after = &changed.key;
    if before == after && changed.approval.is_none() {
        return Ok(());
    }
    if before != after {
        update(ledger.conn, after)?;
    }
    if after.state == KeyState::Deleted {
        forget(ledger.conn, after.id)?;
    }
    if let Some(approval) = &changed.approval {
        approvals::store(ledger.conn, approval)?;
    }
    let detail = detail(before, changed);
    ledger.done(cause, event.action(), Subject::ApiKey(after.id), detail)?;
    let is_in_use = matches!(after.state, KeyState::Active | KeyState::Suspended);
    if is_in_use && (before.state == KeyState::Pending || before.key.expires != after.key.expires) {
        watch(ledger, after)?;
    }
    announce(ledger, cause, by, changed)
}

fn detail(before: &ApiKeyRecord, changed: &Changed) -> Value {
    let mut detail = difference(&before.facts(), &changed.key.facts());
    if let Some(approval) = &changed.approval {
        detail["approval"] = json!({
            "id": approval.id,
            "kind": approval.kind,
            "state": approval.state,
            "requester": approval.requester,
            "wanted": approval.wanted,
            "reason": approval.reason,
        });
    }
    detail
}

/// Of a deleted key nothing is left but its row.
fn forget(conn: Conn<'_>, id: KeyId) -> sql::Result<()> {
    conn.execute("DELETE FROM api_key_team WHERE api_key = ?1", params![id])?;
    conn.execute("DELETE FROM api_key_caller WHERE api_key = ?1", params![id]).map(drop)
}

/// Its end is to be told beforehand.
pub(super) fn watch(ledger: &mut Ledger<'_>, key: &ApiKeyRecord) -> sql::Result<()> {
    ledger.watch_end(About::ApiKey(key.id), instant(key.key.expires))
}

/// Tells whom it concerns.
pub(super) fn announce(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    by: &Principal,
    changed: &Changed,
) -> sql::Result<()> {
    let Some(event) = changed.notice else { return Ok(()) };
    ledger.notify(&facts(event, cause, by, changed))
}

fn facts(event: NoticeEvent, cause: &Cause, by: &Principal, changed: &Changed) -> Facts {
    let (key, approval) = (&changed.key, changed.approval.as_ref());
    let told = approval.map(|approval| approval.reason.clone()).filter(|reason| !reason.is_empty());
    let annotated = || cause.annotation.as_ref().map(|annotation| annotation.text.clone());
    let waits = approval.is_some_and(|approval| approval.state == ApprovalState::Pending);
    Facts {
        owner: Some(key.key.owner.to_string()),
        requester: approval.map(|approval| approval.requester.to_string()),
        requested: approval.map(|approval| approval.at),
        decided_by: (!waits).then(|| by.user.to_string()),
        reason: told.or_else(annotated),
        expires: instant(approval.and_then(|approval| approval.wanted).unwrap_or(key.key.expires)),
        ..Facts::new(event, cause.at, About::ApiKey(key.id), key.key.name.as_str())
    }
}

const fn instant(expires: Expiry) -> Option<UnixTime> {
    match expires {
        Expiry::At(at) => Some(at),
        Expiry::Never => None,
    }
}
