//! What an administrator's tool and the master say to each other.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, KeyId};
use crate::name::{DisplayName, GroupName};
use crate::secret::ShownOnce;
use crate::time::UnixTime;
use crate::wire::agent::{ClockReport, Facts, HookResult};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $text)] $word,)*
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// As on the wire, in the database and in print.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| UnknownWord {
                    text: text.to_owned(),
                    what: $what,
                    all: Self::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

/// A word that is not one of those there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}; there are: {all}")]
pub struct UnknownWord {
    text: String,
    what: &'static str,
    all: String,
}

words! {
    /// One right.
    Capability, "capability" {
        /// Enrol agents.
        AgentEnrol = "agent.enrol",
        /// See agents.
        AgentRead = "agent.read",
        /// Revoke agents.
        AgentRevoke = "agent.revoke",
        /// Create API keys with at most one's own capabilities.
        KeyCreate = "key.create",
        /// See API keys.
        KeyRead = "key.read",
        /// Suspend, resume and revoke API keys.
        KeyManage = "key.manage",
    }
}

words! {
    /// For whom an API key acts.
    KeyKind, "kind of key" {
        /// As its owner.
        Personal = "personal",
        /// As the groups chosen for it.
        Service = "service",
    }
}

words! {
    /// What people did to an API key.
    KeyState, "state of a key" {
        /// In use.
        Active = "active",
        /// Refused until resumed.
        Suspended = "suspended",
        /// Refused for good.
        Revoked = "revoked",
    }
}

words! {
    /// What time does to an API key.
    Standing, "standing of a key" {
        /// Good for a while.
        Valid = "valid",
        /// Good, and due for renewal.
        Expiring = "expiring",
        /// Over.
        Expired = "expired",
    }
}

words! {
    /// What people did to an agent.
    AgentState, "state of an agent" {
        /// May renew.
        Active = "active",
        /// Deregistered itself.
        Deregistered = "deregistered",
        /// Cut off by an administrator.
        Revoked = "revoked",
    }
}

words! {
    /// How an agent's clock stands to the master's.
    ClockStanding, "standing of a clock" {
        /// Within the tolerance.
        Agree = "agree",
        /// Off by more than is comfortable.
        Warn = "warn",
        /// Off by far.
        Critical = "critical",
        /// Measured over too slow a network to tell.
        Unsure = "unsure",
    }
}

/// `POST /apikeys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateApiKey {
    /// For whom it acts.
    pub kind: KeyKind,
    /// Unique on this master.
    pub name: DisplayName,
    /// For people; at most 256 characters.
    #[serde(default)]
    pub description: String,
    /// What its holders act as; a service key needs one at least.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// What it may do; at most what the creator may.
    pub capabilities: Vec<Capability>,
    /// When it ends; the master's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// From where it may be used; empty: anywhere.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub networks: Vec<IpNet>,
    /// How many agents it may enrol; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub uses: Option<u32>,
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Expiry {
    /// At that instant.
    At(UnixTime),
    /// Not by itself.
    Never,
}

/// The one reply that shows a new key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedApiKey {
    /// What was created.
    pub key: ApiKeyView,
    /// The key itself: it cannot be shown again.
    pub secret: ShownOnce,
}

/// An API key as it may be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyView {
    /// Its public half.
    pub id: KeyId,
    /// For whom it acts.
    pub kind: KeyKind,
    /// Unique on this master.
    pub name: DisplayName,
    /// For people.
    pub description: String,
    /// Whose it is.
    pub owner: DisplayName,
    /// What its holders act as.
    pub groups: Vec<GroupName>,
    /// What it may do.
    pub capabilities: Vec<Capability>,
    /// What people did to it.
    pub state: KeyState,
    /// What time did to it.
    pub standing: Standing,
    /// When it was made.
    pub created: UnixTime,
    /// When it ends.
    pub expires: Expiry,
    /// From where it may be used; empty: anywhere.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub networks: Vec<IpNet>,
    /// How many agents it may enrol; absent: any number.
    pub uses: Option<u32>,
    /// How many it has enrolled.
    pub used: u32,
    /// When, from where and for which agent it was last used; to the minute.
    pub last_used: Option<LastUse>,
}

/// A key's last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastUse {
    /// When, to the minute.
    pub at: UnixTime,
    /// From where.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub from: IpAddr,
    /// Which agent it enrolled, if that was the use.
    pub agent: Option<AgentId>,
}

/// An agent as the master sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentView {
    /// Who it is.
    pub id: AgentId,
    /// What it is called.
    pub name: DisplayName,
    /// What people did to it.
    pub state: AgentState,
    /// The groups of the key it enrolled with.
    pub groups: Vec<GroupName>,
    /// The latest generation issued to it.
    pub generation: u64,
    /// The latest generation it was seen to use.
    pub confirmed: u64,
    /// When the latest certificate ends: nobody hears of it after that if the master is down.
    pub not_after: UnixTime,
    /// When it enrolled.
    pub enrolled: UnixTime,
    /// With which API key.
    pub enrolled_with: KeyId,
    /// When it was last heard of.
    pub last_seen: UnixTime,
    /// From where.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub from: IpAddr,
    /// What it says about its host.
    pub facts: Facts,
    /// What it says about its clock.
    pub clock: ClockReport,
    /// What that amounts to.
    pub clock_standing: ClockStanding,
    /// How its hooks went.
    pub hooks: Vec<HookResult>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
