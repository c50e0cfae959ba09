//! Waiting until somebody has decided on what needs an approval.

use std::time::Duration;

use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::wire::admin::{
    ApiKeyView, ApprovalQuery, ApprovalState, ApprovalView, Expiry, KeyState, RotationState,
};

use crate::clock;
use crate::error::{CtlError, Exit};
use crate::master::{Extent, Master};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A key.
    Creation,
    /// Another end for it: this one.
    Renewal(Expiry),
    /// A second secret.
    Rotation,
}

/// Something that may need an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// For which key.
    pub key: KeyId,
    /// What.
    pub asked: Asked,
    /// Under which id it waits.
    pub approval: Option<ApprovalId>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has decided.
    Open,
    /// It was carried out.
    Agreed,
    /// It was not, and will not be.
    Refused,
}

/// What the key itself says about the request.
#[must_use]
pub fn verdict(key: &ApiKeyView, asked: Asked) -> Verdict {
    match (asked, key.state) {
        (_, KeyState::Rejected | KeyState::Deleted) => Verdict::Refused,
        (_, KeyState::Pending) => Verdict::Open,
        (Asked::Creation, KeyState::Active | KeyState::Suspended | KeyState::Revoked) => Verdict::Agreed,
        (Asked::Renewal(_), _) if key.pending.is_some() => Verdict::Open,
        (Asked::Renewal(end), _) if key.expires == end => Verdict::Agreed,
        (Asked::Renewal(_), _) => Verdict::Refused,
        (Asked::Rotation, _) => match key.rotation.map(|rotation| rotation.state) {
            Some(RotationState::Pending) => Verdict::Open,
            Some(RotationState::Ready | RotationState::Overlap) => Verdict::Agreed,
            None => Verdict::Refused,
        },
    }
}

/// Looks again and again. A master that cannot answer at the moment stops nobody from waiting.
pub async fn decided(request: Request, patience: Duration, master: &Master) -> Result<(), CtlError> {
    for nap in clock::naps(patience) {
        if look(request, master).await? {
            return Ok(());
        }
        clock::nap(nap).await;
    }
    if look(request, master).await? {
        Ok(())
    } else {
        Err(CtlError::StillPending { id: request.key.to_string() })
    }
}

async fn look(request: Request, master: &Master) -> Result<bool, CtlError> {
    let key = match master.key(request.key).await {
        Err(error) if error.exit() == Exit::Later => return Ok(false),
        key => key?,
    };
    match verdict(&key, request.asked) {
        Verdict::Open => Ok(false),
        Verdict::Agreed => Ok(true),
        Verdict::Refused => {
            let reason = reason(request, master).await.unwrap_or_default();
            Err(CtlError::Rejected { name: key.name.to_string(), id: key.id.to_string(), reason })
        }
    }
}

/// What the requester was told. Not worth failing for: whether they may list requests is the master's policy.
async fn reason(request: Request, master: &Master) -> Option<String> {
    let query = ApprovalQuery { state: Some(ApprovalState::Rejected), ..ApprovalQuery::default() };
    let rejected = master.approvals(query, Extent::All).await.ok()?;
    let is_ours =
        |one: &ApprovalView| one.key == request.key && request.approval.is_none_or(|id| one.id == id);
    rejected.items.into_iter().rfind(is_ours).map(|one| one.reason)
}

#[cfg(test)]
mod tests {
    use gatepass_contract::time::UnixTime;
    use gatepass_contract::wire::admin::RotationView;

    use super::*;
    use crate::table::samples::{NOW, some_approval, some_key};

    #[test]
    fn a_new_key_says_itself_what_became_of_it() {
        for (state, want) in [
            (KeyState::Pending, Verdict::Open),
            (KeyState::Active, Verdict::Agreed),
            (KeyState::Rejected, Verdict::Refused),
        ] {
            assert_eq!(verdict(&ApiKeyView { state, ..some_key() }, Asked::Creation), want, "{state}");
        }
    }

    #[test]
    fn a_renewal_is_told_by_the_end_it_asked_for() {
        let (old, new) = (some_key().expires, Expiry::At(UnixTime(7)));
        for (pending, expires, want) in [
            (Some(some_approval()), old, Verdict::Open),
            (None, new, Verdict::Agreed),
            (None, old, Verdict::Refused),
        ] {
            let key = ApiKeyView { pending, expires, ..some_key() };
            assert_eq!(verdict(&key, Asked::Renewal(new)), want);
        }
    }

    #[test]
    fn a_rotation_is_told_by_the_second_secret() {
        let rotation = |state| Some(RotationView { state, started: NOW, deadline: NOW, waiting: None });
        for (rotation, want) in [
            (rotation(RotationState::Pending), Verdict::Open),
            (rotation(RotationState::Ready), Verdict::Agreed),
            (rotation(RotationState::Overlap), Verdict::Agreed),
            (None, Verdict::Refused),
        ] {
            assert_eq!(verdict(&ApiKeyView { rotation, ..some_key() }, Asked::Rotation), want);
        }
    }
}
