//! Agents, as administrators see them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, KeyId};
use crate::name::{DisplayName, GroupName};
use crate::time::UnixTime;
use crate::wire::agent::{ClockReport, Facts, HookResult};
use crate::wire::words::words;

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
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Address))]
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
