//! What people do to a key: one function decides, with everything at hand that matters.
//!
//! Invariants: nobody learns of a key they may not see; a key waits for one decision at most, and [`KeyState::Pending`]
//! means that it is the one about its creation; whatever ends a key withdraws what waits for it.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::ApprovalId;
use gatepass_contract::name::DisplayName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{
    ApprovalKind, ApprovalState, Capability, CredentialKind, EditApiKey, Expiry, KeyState, RotationState,
};

use super::create::{ExpiryPolicy, Unacceptable};
use super::life::{IllegalMove, KeyEvent, apply};
use super::record::ApiKeyRecord;
use super::rotation::Rotation;
use crate::domain::approval::{ApprovalPolicy, ApprovalRecord};
use crate::domain::audit::Action;
use crate::domain::notice::NoticeEvent;
use crate::domain::principal::Principal;
use crate::domain::version::Expected;

/// The rules for keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRules {
    /// How long they live.
    pub expiry: ExpiryPolicy,
    /// What needs consent.
    pub approval: ApprovalPolicy,
    /// For how long two secrets are good where a rotation names no time.
    pub overlap: Duration,
}

/// Something to be done to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Change what it is.
    Edit(EditApiKey),
    /// Change its end; to the usual one where none is named.
    Renew(Option<Expiry>),
    /// Give it a second secret.
    Rotate {
        /// Digest of that.
        next: Sha256,
        /// For how long both are good; as usual where absent.
        overlap: Option<Duration>,
    },
    /// Refuse it until further notice.
    Suspend,
    /// Take it into use again.
    Resume,
    /// Refuse it for good.
    Revoke,
    /// Forget all of it but its id.
    Delete,
    /// Agree to what waits, with what the requester is told.
    Approve(String),
    /// Do not.
    Reject(String),
}

impl Act {
    /// What it is to the key's state.
    #[must_use]
    pub const fn event(&self) -> KeyEvent {
        match self {
            Self::Edit(_) => KeyEvent::Edit,
            Self::Renew(_) => KeyEvent::Renew,
            Self::Rotate { .. } => KeyEvent::Rotate,
            Self::Suspend => KeyEvent::Suspend,
            Self::Resume => KeyEvent::Resume,
            Self::Revoke => KeyEvent::Revoke,
            Self::Delete => KeyEvent::Delete,
            Self::Approve(_) => KeyEvent::Approve,
            Self::Reject(_) => KeyEvent::Reject,
        }
    }

    const fn shows_a_secret(&self) -> bool {
        matches!(self, Self::Rotate { .. })
    }

    /// What it takes to do it to somebody else's key.
    #[must_use]
    pub const fn need(&self) -> Capability {
        match self {
            Self::Delete => Capability::KeyDelete,
            Self::Approve(_) | Self::Reject(_) => Capability::KeyApprove,
            Self::Edit(_)
            | Self::Renew(_)
            | Self::Rotate { .. }
            | Self::Suspend
            | Self::Resume
            | Self::Revoke => Capability::KeyManage,
        }
    }
}

impl KeyEvent {
    /// As the audit calls it.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Approve => Action::KeyApprove,
            Self::Reject => Action::KeyReject,
            Self::Edit => Action::KeyEdit,
            Self::Renew => Action::KeyRenew,
            Self::Rotate => Action::KeyRotate,
            Self::Suspend => Action::KeySuspend,
            Self::Resume => Action::KeyResume,
            Self::Revoke => Action::KeyRevoke,
            Self::Delete => Action::KeyDelete,
        }
    }
}

/// Who asks, when, and by which rules.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who.
    pub by: &'a Principal,
    /// When.
    pub at: UnixTime,
    /// The version they mean.
    pub expected: &'a Expected,
    /// The rules.
    pub rules: &'a KeyRules,
    /// What their request is called if it has to wait.
    pub request: ApprovalId,
}

/// A key and what decides about changes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The key.
    pub key: ApiKeyRecord,
    /// What waits for it.
    pub pending: Option<ApprovalRecord>,
    /// What it may, by itself and by its roles.
    pub capabilities: Vec<Capability>,
    /// What its owner may at this moment.
    pub owner: Vec<Capability>,
}

/// What a change comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The key from now on.
    pub key: ApiKeyRecord,
    /// A request that begins to wait, or that no longer does.
    pub approval: Option<ApprovalRecord>,
    /// What is told to whom it concerns.
    pub notice: Option<NoticeEvent>,
}

/// Why something is not done to a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// It does not exist, or whoever asks may not see it.
    #[error("there is nothing with this id")]
    Unknown,
    /// They may see it, and no more.
    #[error("this takes {0}, which you do not have")]
    Lacks(Capability),
    /// They would get hold of more than they have.
    #[error("the key may have {0}, which you do not have: you cannot be shown a secret of it")]
    Above(Capability),
    /// They mean another version.
    #[error("it has version {0} by now")]
    Stale(u64),
    /// Its state does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// One second secret at a time.
    #[error("the key is being rotated already ({0}): wait until the former secret has ended")]
    Rotating(RotationState),
    /// One request at a time.
    #[error("a {0} of the key waits for approval already")]
    Waiting(ApprovalKind),
    /// Somebody else has to decide.
    #[error("you have asked for this, or the key is yours: somebody else has to decide")]
    Own,
    /// It breaks a rule.
    #[error(transparent)]
    Rule(#[from] Unacceptable),
    /// Another key has the name.
    #[error("there is a key named `{0}`")]
    NameTaken(DisplayName),
}

impl Objection {
    /// What the caller is told, beside the text.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::Lacks(_) | Self::Above(_) => Code::CapabilityMissing,
            Self::Stale(_) => Code::PreconditionFailed,
            Self::Illegal(_) | Self::Rotating(_) => Code::IllegalMove,
            Self::Waiting(_) => Code::RequestPending,
            Self::Own => Code::OwnRequest,
            Self::Rule(rule) => rule.code(),
            Self::NameTaken(_) => Code::NameTaken,
        }
    }
}

impl Case {
    /// Decides. Nothing else changes a key but its uses, and the end of its former secret.
    pub fn decide(&self, act: Act, asked: Asked<'_>) -> Result<Changed, Objection> {
        self.is_for(asked.by, &act)?;
        if !asked.expected.fits(self.key.version) {
            return Err(Objection::Stale(self.key.version));
        }
        let mut changed = match act {
            Act::Approve(reason) => self.approve(&reason, asked),
            Act::Reject(reason) => self.reject(&reason, asked),
            Act::Renew(expires) => self.renew(expires, asked),
            Act::Rotate { next, overlap } => self.rotate(next, overlap, asked),
            Act::Edit(edit) => self.edit(edit, asked),
            Act::Suspend | Act::Resume | Act::Revoke | Act::Delete => self.shift(act.event(), asked),
        }?;
        if changed.key != self.key {
            changed.key.version = self.key.version + 1;
        }
        Ok(changed)
    }

    /// Whether it is theirs to act on. Without being allowed to see it they are not told that it exists.
    fn is_for(&self, by: &Principal, act: &Act) -> Result<(), Objection> {
        let (owner, need) = (&self.key.key.owner, act.need());
        // To decide about a key one needs the right even where the key is one's own.
        let may = by.has(need) || (need != Capability::KeyApprove && self.is_looked_after_by(by));
        if self.key.state == KeyState::Deleted || !(may || by.reaches(owner, Capability::KeyRead)) {
            return Err(Objection::Unknown);
        }
        match (may, self.beyond(by)) {
            (false, _) => Err(Objection::Lacks(need)),
            (true, Some(beyond)) if act.shows_a_secret() => Err(Objection::Above(beyond)),
            (true, _) => Ok(()),
        }
    }

    /// Whether they may act on it because it is their own. A person may; a key or a token of theirs only if it can make
    /// keys, and may do all that this one may: whoever gets hold of a narrow key does not get a wide one with it.
    fn is_looked_after_by(&self, by: &Principal) -> bool {
        let trusted = by.kind == CredentialKind::Session || by.has(Capability::KeyCreate);
        by.is(&self.key.key.owner) && trusted && self.beyond(by).is_none()
    }

    /// What the key may and they may not. Their own key is never more than they are at this moment.
    #[must_use]
    pub fn beyond(&self, by: &Principal) -> Option<Capability> {
        let own = by.is(&self.key.key.owner);
        let mut may = self.capabilities.iter().filter(|one| !own || self.owner.contains(one));
        may.find(|one| !by.has(**one)).copied()
    }

    pub(super) fn moved(&self, event: KeyEvent, now: UnixTime) -> Result<ApiKeyRecord, Objection> {
        let state = apply(self.key.state, self.key.is_expired(now), event)?;
        Ok(ApiKeyRecord { state, ..self.key.clone() })
    }

    fn shift(&self, event: KeyEvent, asked: Asked<'_>) -> Result<Changed, Objection> {
        let mut key = self.moved(event, asked.at)?;
        let notice = match event {
            KeyEvent::Suspend => Some(NoticeEvent::KeySuspended),
            KeyEvent::Resume => Some(NoticeEvent::KeyResumed),
            KeyEvent::Revoke => Some(NoticeEvent::KeyRevoked),
            KeyEvent::Approve
            | KeyEvent::Reject
            | KeyEvent::Edit
            | KeyEvent::Renew
            | KeyEvent::Rotate
            | KeyEvent::Delete => None,
        };
        if event == KeyEvent::Delete {
            key.forget_secrets();
            // Its name may be given again.
            key.key.name = key.id.to_string().parse().expect("an id has the form of a name");
        }
        let withdrawn = self.pending.clone().filter(|pending| !pending.fits(key.state));
        let approval =
            withdrawn.map(|pending| pending.decided(ApprovalState::Withdrawn, &asked.by.user, "", asked.at));
        Ok(Changed { key, approval, notice })
    }

    fn edit(&self, edit: EditApiKey, asked: Asked<'_>) -> Result<Changed, Objection> {
        self.moved(KeyEvent::Edit, asked.at)?;
        Ok(Changed { key: self.key.edited(edit)?, approval: None, notice: None })
    }

    fn renew(&self, expires: Option<Expiry>, asked: Asked<'_>) -> Result<Changed, Objection> {
        let mut key = self.moved(KeyEvent::Renew, asked.at)?;
        if key.key.expires == Expiry::Never {
            return Err(Unacceptable::Endless.into());
        }
        self.is_free()?;
        let expires = asked.rules.expiry.end(expires, asked.at)?;
        if self.needs_consent(ApprovalKind::Renewal, asked) {
            let approval = Some(self.request(ApprovalKind::Renewal, Some(expires), asked));
            return Ok(Changed { key, approval, notice: Some(NoticeEvent::KeyRenewalPending) });
        }
        key.key.expires = expires;
        Ok(Changed { key, approval: None, notice: Some(NoticeEvent::KeyRenewed) })
    }

    fn rotate(
        &self,
        next: Sha256,
        overlap: Option<Duration>,
        asked: Asked<'_>,
    ) -> Result<Changed, Objection> {
        let mut key = self.moved(KeyEvent::Rotate, asked.at)?;
        if let Some(rotation) = &key.rotation {
            // What time has decided already only waits for being written down.
            if !rotation.has_replaced(asked.at) {
                return Err(Objection::Rotating(rotation.state));
            }
            key.retire();
        }
        let waits = self.needs_consent(ApprovalKind::Rotation, asked);
        if waits {
            self.is_free()?;
        }
        let overlap = overlap.unwrap_or(asked.rules.overlap);
        key.rotation = Some(Rotation::begun(next, asked.at, overlap, waits));
        let approval = waits.then(|| self.request(ApprovalKind::Rotation, None, asked));
        let notice = if waits { NoticeEvent::KeyRotationPending } else { NoticeEvent::KeyRotated };
        Ok(Changed { key, approval, notice: Some(notice) })
    }

    fn is_free(&self) -> Result<(), Objection> {
        self.pending.as_ref().map_or(Ok(()), |pending| Err(Objection::Waiting(pending.kind)))
    }

    fn needs_consent(&self, what: ApprovalKind, asked: Asked<'_>) -> bool {
        asked.rules.approval.wants(what, self.key.key.kind, &self.capabilities)
    }

    /// What waits from now on.
    #[must_use]
    pub fn request(&self, kind: ApprovalKind, wanted: Option<Expiry>, asked: Asked<'_>) -> ApprovalRecord {
        ApprovalRecord {
            id: asked.request,
            kind,
            key: self.key.id,
            requester: asked.by.user.clone(),
            at: asked.at,
            wanted,
            state: ApprovalState::Pending,
            decided_by: None,
            decided_at: None,
            reason: String::new(),
        }
    }
}
