//! New keys.

use std::sync::Arc;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::wire::admin::{ApprovalKind, CreateApiKey, KeyState};
use serde_json::json;

use super::{approvals, insert, owner, roles, write};
use crate::domain::apikey::{
    ApiKeyRecord, Asked, Case, Changed, Creator, KeyRules, NewApiKey, Objection, Owner, Rights,
};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::idempotency::{Claim, Seen};
use crate::domain::notice::NoticeEvent;
use crate::domain::principal::Principal;
use crate::domain::version::Expected;
use crate::store::apikeys::Written;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, idempotency, writer};

/// A key to be made.
#[derive(Debug, Clone)]
pub struct CreateOrder {
    /// As what.
    pub request: CreateApiKey,
    /// Who asks.
    pub by: Principal,
    /// Its public half.
    pub id: KeyId,
    /// Digest of its secret half.
    pub secret: Sha256,
    /// What the request is called if it has to wait.
    pub approval: ApprovalId,
    /// The rules.
    pub rules: Arc<KeyRules>,
    /// What it is recognised by when it comes again.
    pub claim: Option<Claim>,
}

impl Store {
    /// Makes a key, if it may be made.
    pub async fn create_api_key(&self, cause: Cause, order: CreateOrder) -> Result<Written, StoreError> {
        self.write(writer::KEY_CREATE, move |ledger| create(ledger, &cause, &order)).await
    }
}

fn create(ledger: &mut Ledger<'_>, cause: &Cause, order: &CreateOrder) -> sql::Result<Written> {
    match idempotency::seen(ledger, order.claim.as_ref(), cause.at)? {
        Seen::Never => {}
        Seen::Before(before) => return write::again(ledger.conn, before, (&order.by, cause.at)),
        Seen::Otherwise => return Ok(Written::Otherwise),
    }
    let id = order.id;
    match draft(ledger.conn, cause, order)? {
        Err(why) => write::refuse(ledger, cause, (Action::KeyCreate, Subject::None), why),
        Ok(changed) => {
            store(ledger, cause, &order.by, &changed)?;
            idempotency::keep(ledger, order.claim.as_ref(), &Subject::ApiKey(id).to_string(), cause.at)?;
            write::done(ledger.conn, id, cause.at)
        }
    }
}

/// What the key is to be, with what people may and roles mean at this moment.
fn draft(conn: Conn<'_>, cause: &Cause, order: &CreateOrder) -> sql::Result<Result<Changed, Objection>> {
    let (by, request) = (&order.by, order.request.clone());
    let whose = request.owner.as_ref().unwrap_or(&by.user).clone();
    let (standing, roles) = (owner(conn, &whose)?, roles(conn, &request.roles)?);
    let owner = standing.as_ref().map(|standing| Owner {
        user: &whose,
        state: standing.state,
        capabilities: &standing.capabilities,
    });
    let creator = Creator { user: &by.user, capabilities: &by.capabilities };
    let rights = Rights { creator, owner, roles: &roles };
    let key = match NewApiKey::new(request, rights, order.rules.expiry, cause.at) {
        Ok(key) => key,
        Err(why) => return Ok(Err(why.into())),
    };
    if conn.exists("SELECT 1 FROM api_key WHERE name = ?1", params![key.name.as_str()])? {
        return Ok(Err(Objection::NameTaken(key.name)));
    }
    let capabilities = key.with_roles(&roles);
    let key = key.into_record(order.id, order.secret, cause.at);
    let owner = standing.map(|standing| standing.capabilities).unwrap_or_default();
    Ok(Ok(settled(Case { key, pending: None, capabilities, owner }, cause, order)))
}

/// Whether it is in use at once, or waits.
fn settled(draft: Case, cause: &Cause, order: &CreateOrder) -> Changed {
    let (kind, rules) = (draft.key.key.kind, &*order.rules);
    if !rules.approval.wants(ApprovalKind::Creation, kind, &draft.capabilities) {
        return Changed { key: draft.key, approval: None, notice: Some(NoticeEvent::KeyCreated) };
    }
    let expected = Expected::Any;
    let asked = Asked { by: &order.by, at: cause.at, expected: &expected, rules, request: order.approval };
    let approval = Some(draft.request(ApprovalKind::Creation, None, asked));
    let key = ApiKeyRecord { state: KeyState::Pending, ..draft.key };
    Changed { key, approval, notice: Some(NoticeEvent::KeyCreationPending) }
}

fn store(ledger: &mut Ledger<'_>, cause: &Cause, by: &Principal, changed: &Changed) -> sql::Result<()> {
    let key = &changed.key;
    insert(ledger.conn, key)?;
    if let Some(approval) = &changed.approval {
        approvals::store(ledger.conn, approval)?;
    }
    let detail =
        json!({ "after": key.facts(), "approval": changed.approval.as_ref().map(|approval| approval.id) });
    ledger.done(cause, Action::KeyCreate, Subject::ApiKey(key.id), detail)?;
    if key.state == KeyState::Active {
        write::watch(ledger, key)?;
    }
    write::announce(ledger, cause, by, changed)
}
