//! `state.json`: what the daemon knows beyond the bundle, for its next start and for `status`.

use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::agent::HookResult;
use serde::{Deserialize, Serialize};

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
    /// When something is due next, by the master's clock.
    pub due: Option<UnixTime>,
    /// When the master wants the next report, by its clock.
    pub report_at: Option<UnixTime>,
    /// Failed steps in a row.
    pub failures: u32,
    /// Why the last step failed, if it did.
    pub trouble: Option<Trouble>,
    /// How the hooks went after the last change.
    pub hooks: Vec<HookResult>,
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
