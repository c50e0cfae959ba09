//! Agents.

use clap::{Args, Subcommand};

use super::{ListArguments, ReasonArguments, SureArguments, Wanted};

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// List agents.
    List(ListArguments),
    /// Show one agent.
    Show(Wanted),
    /// Cut an agent off: it gets no further credentials. This cannot be undone.
    Revoke(RevokeAgent),
}

/// The agent to cut off.
#[derive(Debug, Args)]
pub struct RevokeAgent {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,
    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,
    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}
