//! What waits for somebody else's consent.
//!
//! Invariant: nobody decides about what they asked for, or about what is theirs; what is decided stays decided.

use std::fmt;
use std::str::FromStr;

use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::name::{DisplayName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{
    ApprovalKind, ApprovalState, ApprovalView, Capability, Expiry, KeyKind, KeyState, UnknownWord,
};
use serde::{Deserialize, Serialize};

/// A request as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Which.
    pub id: ApprovalId,
    /// What it asks for.
    pub kind: ApprovalKind,
    /// For which API key.
    pub key: KeyId,
    /// Who asked.
    pub requester: UserName,
    /// When.
    pub at: UnixTime,
    /// The end that a renewal asks for.
    pub wanted: Option<Expiry>,
    /// What became of it.
    pub state: ApprovalState,
    /// Who decided.
    pub decided_by: Option<UserName>,
    /// When.
    pub decided_at: Option<UnixTime>,
    /// What the requester was told.
    pub reason: String,
}

impl ApprovalRecord {
    /// Whether it is that user's business alone: theirs to ask, somebody else's to decide.
    #[must_use]
    pub fn is_own(&self, user: &UserName, owner: &UserName) -> bool {
        self.requester == *user || owner == user
    }

    /// The same, decided.
    #[must_use]
    pub fn decided(self, state: ApprovalState, by: &UserName, reason: &str, now: UnixTime) -> Self {
        Self { state, decided_by: Some(by.clone()), decided_at: Some(now), reason: reason.to_owned(), ..self }
    }

    /// As it is shown, with what its key is called and how that stands.
    #[must_use]
    pub fn view(&self, key_name: DisplayName, key_state: KeyState) -> ApprovalView {
        ApprovalView {
            id: self.id,
            kind: self.kind,
            key: self.key,
            key_name,
            key_state,
            by: self.requester.clone(),
            at: self.at,
            expires: self.wanted,
            state: self.state,
            decided_by: self.decided_by.clone(),
            decided_at: self.decided_at,
            reason: self.reason.clone(),
        }
    }

    /// Whether what it is about still can be.
    #[must_use]
    pub const fn fits(&self, state: KeyState) -> bool {
        match self.kind {
            ApprovalKind::Creation => matches!(state, KeyState::Pending),
            ApprovalKind::Renewal | ApprovalKind::Rotation => {
                matches!(state, KeyState::Active | KeyState::Suspended)
            }
        }
    }
}

/// What makes a key one that needs consent: its kind, or something it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Trigger {
    /// Keys of that kind.
    Kind(KeyKind),
    /// Keys that may do that, by themselves or by a role.
    Capability(Capability),
}

/// Neither a kind of key nor a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; or a kind of key: personal, service")]
pub struct NoTrigger(UnknownWord);

impl FromStr for Trigger {
    type Err = NoTrigger;
    fn from_str(text: &str) -> Result<Self, NoTrigger> {
        let capability = || text.parse().map(Self::Capability).map_err(NoTrigger);
        text.parse().map(Self::Kind).or_else(|_| capability())
    }
}

impl TryFrom<String> for Trigger {
    type Error = NoTrigger;
    fn try_from(text: String) -> Result<Self, NoTrigger> {
        text.parse()
    }
}

impl From<Trigger> for String {
    fn from(trigger: Trigger) -> Self {
        trigger.to_string()
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::Capability(capability) => capability.fmt(f),
        }
    }
}

/// What needs somebody else's consent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalPolicy {
    /// That such a key is made.
    pub creation: Vec<Trigger>,
    /// That such a key gets another end.
    pub renewal: Vec<Trigger>,
    /// That such a key gets a second secret.
    pub rotation: Vec<Trigger>,
}

impl ApprovalPolicy {
    /// Whether `what` needs consent for a key of that kind that may do all of this.
    #[must_use]
    pub fn wants(&self, what: ApprovalKind, kind: KeyKind, capabilities: &[Capability]) -> bool {
        let triggers = match what {
            ApprovalKind::Creation => &self.creation,
            ApprovalKind::Renewal => &self.renewal,
            ApprovalKind::Rotation => &self.rotation,
        };
        triggers.iter().any(|trigger| match trigger {
            Trigger::Kind(wanted) => *wanted == kind,
            Trigger::Capability(wanted) => capabilities.contains(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_wanted_for_a_kind_or_a_capability() {
        let policy = ApprovalPolicy {
            creation: vec!["service".parse().expect("a kind"), "key.manage".parse().expect("a capability")],
            ..ApprovalPolicy::default()
        };
        let (enrol, manage) = (Capability::AgentEnrol, Capability::KeyManage);
        for (what, kind, capability, want) in [
            (ApprovalKind::Creation, KeyKind::Service, enrol, true),
            (ApprovalKind::Creation, KeyKind::Personal, enrol, false),
            (ApprovalKind::Creation, KeyKind::Personal, manage, true),
            (ApprovalKind::Renewal, KeyKind::Service, manage, false),
            (ApprovalKind::Rotation, KeyKind::Service, manage, false),
        ] {
            assert_eq!(policy.wants(what, kind, &[capability]), want, "{what} {kind} {capability}");
        }
    }

    #[test]
    fn a_trigger_survives_print_and_parse_and_nonsense_is_answered_with_what_there_is() {
        for text in ["service", "personal", "agent.enrol"] {
            assert_eq!(text.parse::<Trigger>().expect("a trigger").to_string(), text);
        }
        let error = "sevice".parse::<Trigger>().expect_err("there is none").to_string();
        assert!(
            error.contains("sevice") && error.contains("agent.enrol") && error.contains("service"),
            "{error}"
        );
    }
}
