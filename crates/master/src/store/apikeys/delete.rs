//! Several keys at once: all are deleted, or none.

use std::sync::Arc;

use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::wire::Code;
use serde_json::{Map, Value, json};

use super::write;
use crate::domain::apikey::{Act, ApiKeyRecord, Asked, Changed, KeyEvent, KeyRules, Objection};
use crate::domain::audit::{Action, Cause, Event, Subject};
use crate::domain::principal::Principal;
use crate::domain::version::Expected;
use crate::faults;
use crate::store::ledger::Ledger;
use crate::store::sql;
use crate::store::{Store, StoreError, writer};

/// A key that cannot be deleted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Which.
    pub id: KeyId,
    /// Why.
    pub why: Objection,
}

/// What came of deleting several keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// All are gone.
    All,
    /// Nothing was done; it is in the audit.
    None(Vec<InTheWay>),
}

impl Deleted {
    /// What the caller is told: the least that stands in the way decides.
    #[must_use]
    pub fn code(in_the_way: &[InTheWay]) -> Code {
        let codes = || in_the_way.iter().map(|key| key.why.code());
        let grave = [Code::CapabilityMissing, Code::NotFound];
        grave.into_iter().find(|grave| codes().any(|code| code == *grave)).unwrap_or(Code::IllegalMove)
    }
}

impl Store {
    /// Deletes all of these keys, or none.
    pub async fn delete_api_keys(
        &self,
        cause: Cause,
        ids: Vec<KeyId>,
        by: Principal,
        rules: Arc<KeyRules>,
    ) -> Result<Deleted, StoreError> {
        self.write(writer::KEYS_DELETE, move |ledger| delete(ledger, &cause, &ids, (&by, &rules))).await
    }
}

type Drafts = Vec<(ApiKeyRecord, Changed)>;

fn delete(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    ids: &[KeyId],
    (by, rules): (&Principal, &KeyRules),
) -> sql::Result<Deleted> {
    let (drafts, in_the_way) = decide(ledger, cause, ids, (by, rules))?;
    if !in_the_way.is_empty() {
        return refuse(ledger, cause, in_the_way);
    }
    for (count, (before, changed)) in drafts.iter().enumerate() {
        if count == ids.len() / 2 {
            faults::point("keys-delete.half");
        }
        write::carry_out(ledger, cause, (KeyEvent::Delete, by), (before, changed))?;
    }
    Ok(Deleted::All)
}

fn decide(
    ledger: &Ledger<'_>,
    cause: &Cause,
    ids: &[KeyId],
    (by, rules): (&Principal, &KeyRules),
) -> sql::Result<(Drafts, Vec<InTheWay>)> {
    let (mut drafts, mut in_the_way) = (Vec::with_capacity(ids.len()), Vec::new());
    let expected = Expected::Any;
    // Nothing of a deletion waits for anybody: no request is made, so none needs a name.
    let asked = Asked { by, at: cause.at, expected: &expected, rules, request: ApprovalId([0; 10]) };
    for &id in ids {
        let decided = match write::load(ledger.conn, id)? {
            None => Err(Objection::Unknown),
            Some(found) => found.decide(Act::Delete, asked).map(|changed| (found.key, changed)),
        };
        match decided {
            Ok(draft) => drafts.push(draft),
            Err(why) => in_the_way.push(InTheWay { id, why }),
        }
    }
    Ok((drafts, in_the_way))
}

fn refuse(ledger: &mut Ledger<'_>, cause: &Cause, in_the_way: Vec<InTheWay>) -> sql::Result<Deleted> {
    let why = in_the_way.iter().map(|key| (key.id.to_string(), Value::from(key.why.to_string())));
    let detail = json!({ "why": "all or none", "inTheWay": why.collect::<Map<_, _>>() });
    let refused = Some(Deleted::code(&in_the_way));
    ledger.record(cause, &Event { action: Action::KeyDelete, subject: Subject::None, refused, detail })?;
    Ok(Deleted::None(in_the_way))
}
