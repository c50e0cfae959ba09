//! What somebody else decides about a key: to agree to what waits for it, or not.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalKind, ApprovalState, Expiry};

use super::change::{Asked, Case, Changed, Objection};
use super::create::{ExpiryPolicy, LONGEST_REASON, Unacceptable};
use super::life::{IllegalMove, KeyEvent};
use crate::domain::approval::ApprovalRecord;
use crate::domain::notice::NoticeEvent;

impl Case {
    fn waiting(&self, event: KeyEvent, asked: Asked<'_>) -> Result<ApprovalRecord, Objection> {
        let Some(pending) = self.pending.clone() else {
            return Err(IllegalMove { state: self.key.state, event }.into());
        };
        let own = pending.is_own(&asked.by.user, &self.key.key.owner);
        if own { Err(Objection::Own) } else { Ok(pending) }
    }

    pub(super) fn approve(&self, reason: &str, asked: Asked<'_>) -> Result<Changed, Objection> {
        let pending = self.waiting(KeyEvent::Approve, asked)?;
        is_reason(reason)?;
        let mut key = self.key.clone();
        let notice = match pending.kind {
            ApprovalKind::Creation => {
                key = self.moved(KeyEvent::Approve, asked.at)?;
                NoticeEvent::KeyCreationApproved
            }
            ApprovalKind::Renewal => {
                key.key.expires = asked.rules.expiry.still(pending.wanted, asked.at)?;
                NoticeEvent::KeyRenewalApproved
            }
            ApprovalKind::Rotation => {
                key.rotation = key.rotation.map(|rotation| rotation.approved(asked.at));
                NoticeEvent::KeyRotationApproved
            }
        };
        let approval = pending.decided(ApprovalState::Approved, &asked.by.user, reason, asked.at);
        Ok(Changed { key, approval: Some(approval), notice: Some(notice) })
    }

    pub(super) fn reject(&self, reason: &str, asked: Asked<'_>) -> Result<Changed, Objection> {
        let pending = self.waiting(KeyEvent::Reject, asked)?;
        is_reason(reason)?;
        if reason.trim().is_empty() {
            return Err(Unacceptable::NoReason.into());
        }
        let mut key = self.key.clone();
        let notice = match pending.kind {
            ApprovalKind::Creation => {
                key = self.moved(KeyEvent::Reject, asked.at)?;
                NoticeEvent::KeyCreationRejected
            }
            ApprovalKind::Renewal => NoticeEvent::KeyRenewalRejected,
            ApprovalKind::Rotation => {
                key.rotation = None;
                NoticeEvent::KeyRotationRejected
            }
        };
        let approval = pending.decided(ApprovalState::Rejected, &asked.by.user, reason, asked.at);
        Ok(Changed { key, approval: Some(approval), notice: Some(notice) })
    }
}

impl ExpiryPolicy {
    /// An end that was allowed when it was asked for; it must not have passed meanwhile.
    fn still(self, wanted: Option<Expiry>, now: UnixTime) -> Result<Expiry, Unacceptable> {
        match wanted {
            Some(Expiry::At(at)) if at <= now => Err(Unacceptable::Past),
            Some(wanted) => Ok(wanted),
            None => self.end(None, now),
        }
    }
}

fn is_reason(text: &str) -> Result<(), Unacceptable> {
    let controls = text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if controls || text.chars().count() > LONGEST_REASON { Err(Unacceptable::Reason) } else { Ok(()) }
}
