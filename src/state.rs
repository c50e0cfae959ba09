//! `state.json`: what the daemon knows beyond the bundle, for its next start and for `status`.

use std::net::SocketAddr;

use gatepass_contract::digest::Sha256;
use gatepass_contract::name::DisplayName;
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::agent::HookResult;
use serde::{Deserialize, Serialize};

use crate::bundle::Change;

/// What the daemon knows beyond the bundle. A missing or unreadable file is the default: nothing here is needed to
/// hold or renew an identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// How the clock stood to the master's when last measured.
    pub clock: Option<Measured>,
    /// Steps of the local clock noticed since the daemon started.
    pub steps: u32,
    /// The bundle on disk whose outputs and hooks are done.
    pub applied: Option<u64>,
    /// The machine that the identity was issued to: a copy of this directory on another one gives itself away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Sha256>,
    /// When something is due next, by the master's clock.
    pub due: Option<UnixTime>,
    /// When the master wants the next report, by its clock.
    pub report_at: Option<UnixTime>,
    /// Failed steps in a row.
    pub failures: u32,
    /// Why the last step failed, if it did.
    pub trouble: Option<Trouble>,
    /// How each hook went when it was run last.
    pub hooks: Vec<HookResult>,
    /// Hooks that have not been told of a change yet.
    pub pending: Vec<Pending>,
    /// What this host relays for others, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayView>,
}

/// What this host has relayed for others since its daemon started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayView {
    /// What it is called.
    pub id: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether it does.
    pub listening: bool,
    /// Why not.
    pub trouble: Option<String>,
    /// Connections right now.
    pub open: u64,
    /// Connections that are over.
    pub relayed: u64,
    /// Those refused because there were too many.
    pub refused: u64,
    /// Those given up because no master could be reached.
    pub stuck: u64,
}

/// A hook that has not been told of a change yet. Instants are the master's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The hook's name.
    pub name: DisplayName,
    /// All it has not been told of.
    pub changes: Vec<Change>,
    /// When the first of it happened.
    pub since: UnixTime,
    /// When what its consumer goes on using ends; `None` when there was nothing before.
    pub in_use_until: Option<UnixTime>,
    /// The bundle on disk that came with the first of it.
    pub bundle: u64,
    /// When it will be run, unless more happens.
    pub due: UnixTime,
}

/// One measurement of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Master minus local, and how unsure.
    pub skew: Skew,
    /// When, by the master's clock.
    pub at: UnixTime,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// When, by the master's clock as far as it is known.
    pub at: UnixTime,
    /// What happened and why.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether waiting helps or a person must act.
    pub needs_human: bool,
}
