//! API keys.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Annotation, ApprovalView, Capability};
use crate::id::{AgentId, KeyId};
use crate::name::{DisplayName, GroupName, RoleName, UserName};
use crate::network::Network;
use crate::secret::ShownOnce;
use crate::span::Span;
use crate::time::UnixTime;
use crate::wire::words::words;

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
        /// Admits nobody until somebody else approves it.
        Pending = "pending",
        /// In use.
        Active = "active",
        /// Refused until resumed.
        Suspended = "suspended",
        /// Refused for good.
        Revoked = "revoked",
        /// Was never approved and never will be.
        Rejected = "rejected",
        /// Gone but for its id, in the audit and with the agents it enrolled.
        Deleted = "deleted",
    }
}

words! {
    /// What time does to an API key or token.
    Standing, "standing of a key" {
        /// Good for a while.
        Valid = "valid",
        /// Good, and due for renewal.
        Expiring = "expiring",
        /// Over.
        Expired = "expired",
    }
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// At that instant.
    At(UnixTime),
    /// Not by itself.
    Never,
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
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: String,
    /// Whose it is to be; the caller's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserName>,
    /// What its holders act as; a service key needs one at least.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// What it may do; at most what the creator and the owner may.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// The same by name; the creator and the owner must hold all of them.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// When it ends; the master's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// From where it may be used; empty: anywhere.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// How many agents it may enrol; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub uses: Option<u32>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PATCH /apikeys/{id}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditApiKey {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: Option<String>,
    /// From where it may be used from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Network>>,
    /// Off: refused but kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many agents it may enrol in all, those it has enrolled included; `null`: any number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub uses: Option<Option<u32>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// Tells `null` from absent (RFC 7396).
pub(super) fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// `POST /apikeys/{id}/renew`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenewApiKey {
    /// Its new end; the master's default from now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `POST /apikeys/{id}/rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotateApiKey {
    /// After that time the former secret is refused, whoever still uses it; the master's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Span>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `POST /apikeys/delete`: all of them, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteApiKeys {
    /// Which; 1 to 500, each once.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    pub ids: Vec<KeyId>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// The one reply that shows a new secret.
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
    /// Whose it is: it never may more than they.
    pub owner: UserName,
    /// Who made it.
    pub creator: UserName,
    /// What its holders act as.
    pub groups: Vec<GroupName>,
    /// What it may do, as far as its owner may at that moment.
    pub capabilities: Vec<Capability>,
    /// The same by name.
    pub roles: Vec<RoleName>,
    /// What people did to it.
    pub state: KeyState,
    /// What time did to it.
    pub standing: Standing,
    /// Off: refused but kept.
    pub enabled: bool,
    /// When it was made.
    pub created: UnixTime,
    /// When it ends.
    pub expires: Expiry,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// How many agents it may enrol; absent: any number.
    pub uses: Option<u32>,
    /// How many it has enrolled.
    pub used: u32,
    /// When, from where and for which agent it was last used; to the minute.
    pub last_used: Option<LastUse>,
    /// A second secret on its way, if there is one.
    pub rotation: Option<RotationView>,
    /// What waits for an approver, if anything does; only where one key is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<ApprovalView>,
    /// Counts its edits; in quotes it is the `ETag`.
    pub version: u64,
}

/// A key's last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastUse {
    /// When, to the minute.
    pub at: UnixTime,
    /// From where.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Address))]
    pub from: IpAddr,
    /// Which agent it enrolled, if that was the use.
    pub agent: Option<AgentId>,
}

words! {
    /// How far a rotation is.
    RotationState, "state of a rotation" {
        /// The new secret admits nobody until somebody else approves it.
        Pending = "pending",
        /// The new secret is good and nobody has used it.
        Ready = "ready",
        /// The new secret is in use, the former one still good.
        Overlap = "overlap",
    }
}

/// A key's second secret on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotationView {
    /// How far it is.
    pub state: RotationState,
    /// When the second secret was made.
    pub started: UnixTime,
    /// When the former secret is refused, whoever still uses it.
    pub deadline: UnixTime,
    /// How many callers have used the former secret and not the new one; only where one key is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
}
