//! What can be told, how much it matters, and whom it concerns.

use std::fmt;
use std::str::FromStr;

use gatepass_contract::wire::admin::Severity;
use serde::{Deserialize, Serialize};

/// Whom an event concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Whose the key or token is.
    Owner,
    /// Who asked for it.
    Requester,
    /// Who runs what the key opens: addresses from the configuration.
    Provider,
    /// Everybody who may decide it.
    Approvers,
}

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident = $text:literal, $severity:ident, [$($reader:ident),*];)*) => {
        /// What is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum NoticeEvent {
            $($(#[$doc])* $event,)*
        }

        impl NoticeEvent {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$event),*];

            /// As in the database, in webhooks and in print; never changes its meaning.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$event => $text),* }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$event => Severity::$severity),* }
            }

            /// Who gets it; webhooks get what they are configured for.
            #[must_use]
            pub const fn readers(self) -> &'static [Reader] {
                match self { $(Self::$event => &[$(Reader::$reader),*]),* }
            }
        }
    };
}

events! {
    /// A new key waits for approval.
    KeyCreationPending = "key.creation-pending", Info, [Provider, Approvers];
    /// A new key can be used; nobody had to approve it.
    KeyCreated = "key.created", Info, [Owner, Provider];
    /// A new key was approved.
    KeyCreationApproved = "key.creation-approved", Info, [Owner, Requester, Provider];
    /// A new key was refused.
    KeyCreationRejected = "key.creation-rejected", Info, [Owner, Requester];
    /// A key's later end waits for approval; the key stays good until its present one.
    KeyRenewalPending = "key.renewal-pending", Info, [Provider, Approvers];
    /// A key has another end.
    KeyRenewed = "key.renewed", Info, [Owner, Provider];
    /// A key's later end was approved.
    KeyRenewalApproved = "key.renewal-approved", Info, [Owner, Requester, Provider];
    /// A key's later end was refused.
    KeyRenewalRejected = "key.renewal-rejected", Info, [Owner, Requester];
    /// A key's second secret waits for approval.
    KeyRotationPending = "key.rotation-pending", Info, [Provider, Approvers];
    /// A key has a second secret.
    KeyRotated = "key.rotated", Info, [Owner, Provider];
    /// A key's second secret was approved.
    KeyRotationApproved = "key.rotation-approved", Info, [Owner, Requester, Provider];
    /// A key's second secret was refused.
    KeyRotationRejected = "key.rotation-rejected", Info, [Owner, Requester];
    /// A key is refused until it is resumed.
    KeySuspended = "key.suspended", Warning, [Owner];
    /// A suspended key can be used again.
    KeyResumed = "key.resumed", Info, [Owner];
    /// A key is refused for good.
    KeyRevoked = "key.revoked", Warning, [Owner];
    /// A key ends soon; told once a day.
    KeyExpiresSoon = "key.expires-soon", Warning, [Owner, Provider];
    /// A key has ended; told once.
    KeyExpired = "key.expired", Critical, [Owner, Provider];
    /// A token ends soon; told once a day.
    TokenExpiresSoon = "token.expires-soon", Warning, [Owner, Provider];
    /// A token has ended; told once.
    TokenExpired = "token.expired", Critical, [Owner, Provider];
    /// Somebody tries out whether notices arrive.
    Test = "notice.test", Info, [];
}

/// Not an event there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no event; there are: {all}", all = every_event())]
pub struct UnknownEvent(String);

fn every_event() -> String {
    NoticeEvent::ALL.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for NoticeEvent {
    type Err = UnknownEvent;
    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let found = Self::ALL.iter().copied().find(|event| event.as_str() == text);
        found.ok_or_else(|| UnknownEvent(text.chars().filter(|c| !c.is_control()).take(80).collect()))
    }
}

impl fmt::Display for NoticeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<NoticeEvent> for String {
    fn from(event: NoticeEvent) -> Self {
        event.as_str().to_owned()
    }
}

impl TryFrom<String> for NoticeEvent {
    type Error = UnknownEvent;
    fn try_from(text: String) -> Result<Self, UnknownEvent> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_print_and_parse_and_a_wrong_one_is_answered_with_those_there_are() {
        for &event in NoticeEvent::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
        let error = "key.exploded\r\n".parse::<NoticeEvent>().expect_err("there is none");
        assert!(
            error.to_string().starts_with("`key.exploded` is no event; there are: key.creation-pending, ")
        );
    }

    #[test]
    fn what_waits_concerns_approvers_what_is_refused_whoever_asked() {
        for &event in NoticeEvent::ALL {
            let (word, readers) = (event.as_str(), event.readers());
            assert_eq!(word.ends_with("-pending"), readers.contains(&Reader::Approvers), "{word}");
            let decided = word.ends_with("-approved") || word.ends_with("-rejected");
            assert_eq!(decided, readers.contains(&Reader::Requester), "{word}");
            assert_eq!(word.ends_with(".expired"), event.severity() == Severity::Critical, "{word}");
        }
    }
}
