//! Keys for one enrolment, for a password.

use std::sync::Arc;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::KeyId;
use gatepass_contract::name::{DisplayName, UserName};
use gatepass_contract::wire::admin::UserState;
use serde_json::json;

use super::{insert, owner};
use crate::domain::apikey::{ApiKeyRecord, KeyRules, NewApiKey, Objection, Owner};
use crate::domain::audit::{Action, Cause, Event, Subject};
use crate::domain::people::PasswordHash;
use crate::store::ledger::Ledger;
use crate::store::people::password_of;
use crate::store::sql;
use crate::store::{Store, StoreError, writer};

/// A key for one enrolment.
#[derive(Debug, Clone)]
pub struct OnceOrder {
    /// Whose.
    pub user: UserName,
    /// The password they were recognised by.
    pub password: PasswordHash,
    /// Which host it is for.
    pub host: DisplayName,
    /// Its public half.
    pub id: KeyId,
    /// Digest of its secret half.
    pub secret: Sha256,
    /// The rules.
    pub rules: Arc<KeyRules>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnceKey {
    /// The key.
    Made(Box<ApiKeyRecord>),
    /// The user or the password was changed since it was compared.
    Stranger,
    /// They may not; it is in the audit.
    Refused(Objection),
}

impl Store {
    /// Makes a key for one enrolment, if its owner is still active, the password still theirs, and they may enrol.
    pub async fn create_once_key(&self, cause: Cause, order: OnceOrder) -> Result<OnceKey, StoreError> {
        self.write(writer::KEY_CREATE, move |ledger| create(ledger, &cause, &order)).await
    }
}

/// Nobody is sent a notice of it, and its end is not announced: it is over before anybody has read that.
fn create(ledger: &mut Ledger<'_>, cause: &Cause, order: &OnceOrder) -> sql::Result<OnceKey> {
    let (conn, user) = (ledger.conn, &order.user);
    let present = password_of(conn, user)?.filter(|present| present.state == UserState::Active);
    let (Some(hash), Some(standing)) = (present.and_then(|present| present.hash), owner(conn, user)?) else {
        return Ok(OnceKey::Stranger);
    };
    if hash != order.password {
        return Ok(OnceKey::Stranger);
    }
    let whose = Owner { user, state: standing.state, capabilities: &standing.capabilities };
    match NewApiKey::for_one_host(&order.host, order.id, whose, (&order.rules, cause.at)) {
        Err(why) => {
            let (refused, detail) = (Some(why.code()), json!({ "why": why.to_string(), "for": order.host }));
            let event =
                Event { action: Action::KeyCreate, subject: Subject::User(user.clone()), refused, detail };
            ledger.record(cause, &event)?;
            Ok(OnceKey::Refused(why))
        }
        Ok(new) => {
            let key = new.into_record(order.id, order.secret, cause.at);
            insert(conn, &key)?;
            let detail = json!({ "after": key.facts(), "for": order.host });
            ledger.done(cause, Action::KeyCreate, Subject::ApiKey(key.id), detail)?;
            Ok(OnceKey::Made(Box::new(key)))
        }
    }
}
