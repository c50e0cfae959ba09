//! Every answer that is not a success: what the caller may know, and beside it what the log and the audit need.
//!
//! Invariant: what a stranger can tell apart are codes. The text of a code that covers several reasons is always the same.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use gatepass_contract::id::RequestId;
use gatepass_contract::wire::{Code, Problem, Remedy};

use crate::domain::Refusal;
use crate::domain::audit::{Action, Actor, Subject};
use crate::store::StoreError;

/// Why a request is not carried out.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// For the caller's program.
    pub(crate) code: Code,
    /// For the person behind it.
    pub(crate) detail: Cow<'static, str>,
    /// For the log and the audit alone.
    pub(crate) reason: Cow<'static, str>,
    /// When to come back, if that is known.
    pub(crate) retry_after: Option<Duration>,
    /// What the audit is to hold of it.
    pub(crate) trail: Trail,
}

/// What the audit holds of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trail {
    /// Nothing: whoever asked has not even tried to show who they are.
    None,
    /// This is still to be written.
    Missing(Box<Denied>),
    /// The transaction that refused has written it.
    Written,
}

/// Who was denied what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) subject: Subject,
}

impl Failure {
    /// One whose reason the caller may know.
    pub(crate) fn open(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { code, reason: detail.clone(), detail, retry_after: None, trail: Trail::None }
    }

    /// One whose reason is nobody else's business.
    pub(crate) fn private(code: Code, reason: impl fmt::Display) -> Self {
        let detail = Cow::Borrowed(code.title());
        Self { code, detail, reason: Cow::Owned(reason.to_string()), retry_after: None, trail: Trail::None }
    }

    /// Something is broken in here.
    pub(crate) fn internal(reason: impl fmt::Display) -> Self {
        Self::private(Code::Internal, reason)
    }

    /// The same, to be tried again after that time.
    pub(crate) fn after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// The same, for the audit; what is there already stays. Who only has to wait is denied nothing: a record for each
    /// would be more work exactly when there is too much.
    pub(crate) fn denying(self, actor: Actor, action: Action, subject: Subject) -> Self {
        let trail = match self.trail {
            Trail::None if self.code.remedy() == Remedy::Wait => Trail::None,
            Trail::None => Trail::Missing(Box::new(Denied { actor, action, subject })),
            known @ (Trail::Missing(_) | Trail::Written) => known,
        };
        Self { trail, ..self }
    }

    /// The same, for the audit, even though who asked only has to wait.
    pub(crate) fn telling(self, actor: Actor, action: Action, subject: Subject) -> Self {
        Self { trail: Trail::Missing(Box::new(Denied { actor, action, subject })), ..self }
    }

    /// The same, when the store has recorded it.
    pub(crate) fn recorded(self) -> Self {
        Self { trail: Trail::Written, ..self }
    }

    /// As the caller is told.
    pub(crate) fn problem(&self, request: RequestId) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.clone(), request);
        problem.hint = self.hint().map(str::to_owned);
        problem
    }

    /// What to try next.
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        hint(self.code)
    }
}

/// Unknown, wrong and revoked look alike; everything else is told to who has proven to hold the credential.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        if matches!(code, Code::ApiKeyRefused | Code::ProofRefused | Code::Unauthenticated) {
            Self::private(code, refusal)
        } else {
            Self::open(code, refusal.to_string())
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let failure = Self::private(error.code(), format!("{error}{cause}"));
        if failure.code.status() == 503 { failure.after(A_MOMENT) } else { failure }
    }
}

/// A full disk or a locked database takes somebody some time.
const A_MOMENT: Duration = Duration::from_secs(10);

/// The failure travels to where all answers pass; there it is given its request's id, logged and written out.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// What to try next when that is the answer.
pub(super) const fn hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => {
            Some("send `Authorization: Bearer` with an API key, an API token, a proof or an agent's token")
        }
        Code::ApiKeyRefused => Some("ask an administrator to look the request id up, or for a new key"),
        Code::ApiKeySuspended => Some("ask an administrator to resume the key"),
        Code::ApiKeyPending => Some("ask an approver to decide about it"),
        Code::ApiKeyDisabled => Some("ask its owner or an administrator to switch it on"),
        Code::OwnerInactive => {
            Some("ask an administrator to enable the owner, or for a key of somebody else")
        }
        Code::TokenExpired => Some("sign in again, or ask for the token to be extended and unlocked"),
        Code::TokenDisabled => Some("ask whoever manages API tokens to switch it on"),
        Code::ApiKeyExpired | Code::ApiKeyUsedUp => Some("ask an administrator for a new key"),
        Code::NetworkNotAllowed => {
            Some("ask an administrator to allow this address, or call from an allowed one")
        }
        Code::CapabilityMissing => Some("use a key that has the capability"),
        Code::ProofTime => Some("measure the clock with GET /api/v1/time, then try again"),
        Code::KeySuperseded => Some("if this host was restored from a copy, enrol it again"),
        Code::ProofRefused | Code::GraceOver | Code::HostChanged => Some("enrol again with an API key"),
        Code::KeyInUse | Code::KeySpent => Some("make a new key pair"),
        Code::AgentRevoked => Some("ask an administrator whether this host should be let in again"),
        Code::MediaType => Some("send `Content-Type: application/json`"),
        Code::NameTaken => Some("choose another name"),
        Code::OwnRequest => Some("ask another approver"),
        Code::AnnotationRequired => Some("send `annotation` with a text that says why"),
        Code::PreconditionRequired => Some("read it, and send its ETag as If-Match"),
        Code::PreconditionFailed => Some("read it again, and decide again"),
        Code::IdempotencyMismatch => Some("use another idempotency key for another request"),
        Code::RateLimited => Some("check the credential before trying again"),
        Code::Internal | Code::Unavailable => {
            Some("ask the master's operator to look the request id up in its log")
        }
        Code::BadRequest
        | Code::CsrRefused
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::Timeout
        | Code::IllegalMove
        | Code::RequestPending
        | Code::Unacceptable
        | Code::InUse
        | Code::BodyTooLarge
        | Code::Overloaded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_tell_unknown_wrong_and_revoked_apart() {
        let seen = |refusal| {
            let failure = Failure::from(refusal);
            (failure.code, failure.detail.clone(), failure.hint())
        };
        assert_eq!(seen(Refusal::UnknownKey), seen(Refusal::WrongSecret));
        assert_eq!(seen(Refusal::UnknownKey), seen(Refusal::KeyRevoked));
        assert_eq!(seen(Refusal::UnknownProof), seen(Refusal::AgentGone));
        assert_ne!(Failure::from(Refusal::UnknownKey).reason, Failure::from(Refusal::KeyRevoked).reason);
    }
}
