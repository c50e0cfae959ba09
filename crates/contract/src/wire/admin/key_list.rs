//! API keys in numbers and lists, and who uses one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{AgentState, ApiKeyView, KeyKind, KeyState, Standing};
use crate::id::AgentId;
use crate::name::{DisplayName, GroupName, UserName};
use crate::span::Span;
use crate::time::UnixTime;
use crate::wire::words::words;

/// Which keys are listed, and in which order. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct KeyQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// By what they are ordered; by `id` where absent, by `expires` where `standing` or `expiringWithin` is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub sort: Option<KeyOrder>,
    /// With that standing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub standing: Option<Standing>,
    /// In that state; deleted ones are listed only so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<KeyState>,
    /// Of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub kind: Option<KeyKind>,
    /// Of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserName>,
    /// That act as that group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// That end within that time, and have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiring_within: Option<Span>,
    /// With that very name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
}

words! {
    /// The order of a list of keys; ties are broken by id.
    KeyOrder, "order" {
        /// By id, which is random: cheapest.
        Id = "id",
        /// By name.
        Name = "name",
        /// Oldest first.
        Created = "created",
        /// Youngest first.
        CreatedDown = "-created",
        /// What ends first comes first; what never ends comes last.
        Expires = "expires",
    }
}

/// `GET /apikeys/summary`: how the keys the caller may see stand. Each key counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeySummary {
    /// Active, and good for a while.
    pub valid: u64,
    /// Active, and due for renewal.
    pub expiring: u64,
    /// Active or suspended, and over.
    pub expired: u64,
    /// Waiting for approval.
    pub pending: u64,
    /// Suspended, and not over.
    pub suspended: u64,
    /// Revoked.
    pub revoked: u64,
    /// Rejected.
    pub rejected: u64,
    /// The next ones to end, at most ten, the first one first.
    pub next: Vec<ApiKeyView>,
}

/// `GET /apikeys/{id}/usage`: who used the key in the last 30 days, and what would stop working when without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyUsage {
    /// Which key.
    pub key: ApiKeyView,
    /// Since when uses are listed.
    pub since: UnixTime,
    /// Who showed it, most recent first, at most 500: they are refused from the moment the key is.
    pub callers: Vec<CallerView>,
    /// The agents it enrolled that are active, at most 500: they go on by themselves, and need another key only to enrol anew.
    pub agents: Vec<EnrolledAgent>,
    /// How many active agents it enrolled in all.
    pub agents_in_all: u64,
}

/// Somebody who showed a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallerView {
    /// From where, the last time.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Address))]
    pub from: IpAddr,
    /// Which agent it enrolled last, if it did.
    pub agent: Option<AgentId>,
    /// The first time.
    pub first: UnixTime,
    /// The last time, to the minute.
    pub last: UnixTime,
    /// Whether it was last seen with the key's newest secret.
    pub newest_secret: bool,
}

/// An agent that enrolled with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolledAgent {
    /// Who.
    pub id: AgentId,
    /// What it is called.
    pub name: DisplayName,
    /// How it stands.
    pub state: AgentState,
    /// When it was last heard of.
    pub last_seen: UnixTime,
    /// When its certificate ends unless it renews.
    pub not_after: UnixTime,
}
