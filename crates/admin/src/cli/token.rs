//! API tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatepass_contract::name::{DisplayName, RoleName, UserName};
use gatepass_contract::network::Network;

use super::{ListArguments, ReasonArguments, SureArguments, Wanted};
use crate::expires::Expires;

/// What can be done with API tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token. Its JWT is printed on standard output, this once.
    Create(CreateToken),
    /// List tokens: those you may see.
    List(ListTokens),
    /// Show one token; never its JWT.
    Show(Wanted),
    /// Change a token. The JWT in use stays good as far as it fits.
    Edit(EditToken),
    /// Make a new JWT and print it; the former one stops working.
    Unlock(UnlockToken),
    /// End a token now and keep its history.
    Expire(EndToken),
    /// Delete a token. This cannot be undone.
    Delete(EndToken),
}

/// The token to create.
#[derive(Debug, Args)]
pub struct CreateToken {
    /// What to call it; no other token of the master may have the name.
    pub name: DisplayName,

    /// For whom; for you where absent.
    #[arg(long, value_name = "NAME")]
    pub user: Option<UserName>,

    /// What it may do; may be repeated. You and the user must hold each of them.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',', required = true)]
    pub roles: Vec<RoleName>,

    /// When it ends: a duration like 90d, an instant like 2026-11-22T20:00:00Z, or `never`. The master's default where
    /// absent.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<Expires>,

    /// From where it may be used, like 10.0.0.0/8, 10.0.0.7 or 10.0.0.5-10.0.0.9; may be repeated. Anywhere where absent.
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',')]
    pub networks: Vec<Network>,

    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,

    /// Write the JWT to this new file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// Which tokens.
#[derive(Debug, Args)]
pub struct ListTokens {
    /// Of this user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<UserName>,

    /// With this very name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<DisplayName>,

    /// How many.
    #[command(flatten)]
    pub list: ListArguments,
}

/// What to change.
#[derive(Debug, Args)]
#[command(override_usage = "gatepassctl token edit [OPTIONS] <ID>")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args([
    "name", "user", "description", "roles", "expires", "networks", "anywhere", "enable", "disable"
])))]
pub struct EditToken {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Another name.
    #[arg(long)]
    pub name: Option<DisplayName>,

    /// Another user; ends the JWT in use.
    #[arg(long, value_name = "NAME")]
    pub user: Option<UserName>,

    /// Another description.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,

    /// Other roles instead of all it has; may be repeated.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<RoleName>,

    /// Another end. A JWT does not live longer than it was made for: unlock the token for a longer one.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<Expires>,

    /// Other networks instead of all it has; may be repeated.
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',')]
    pub networks: Vec<Network>,

    /// Let it be used from anywhere.
    #[arg(long, conflicts_with = "networks")]
    pub anywhere: bool,

    /// Accept it again.
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,

    /// Refuse it until it is enabled again.
    #[arg(long)]
    pub disable: bool,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The token to unlock.
#[derive(Debug, Args)]
pub struct UnlockToken {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Write the JWT to this new file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The token to end.
#[derive(Debug, Args)]
pub struct EndToken {
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
