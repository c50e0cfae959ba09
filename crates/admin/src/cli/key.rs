//! API keys, and what waits for approval.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatepass_contract::name::{DisplayName, GroupName, RoleName, UserName};
use gatepass_contract::network::Network;
use gatepass_contract::span::Span;
use gatepass_contract::wire::admin::{ApprovalState, Capability, KeyKind, KeyOrder, KeyState, Standing};

use super::common::one_of;
use super::{ListArguments, ReasonArguments, SureArguments, WaitArguments, Wanted};
use crate::expires::Expires;

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key. Its secret is printed on standard output, this once.
    Create(Box<CreateKey>),
    /// List keys: those you may see.
    List(ListKeys),
    /// Show one key; never its secret.
    Show(Wanted),
    /// Change a key's name, description, networks, uses, or whether it is enabled.
    Edit(EditKey),
    /// Give a key another end.
    Renew(RenewKey),
    /// Give a key a second secret; the first retires when everybody uses the second, or at a deadline.
    Rotate(RotateKey),
    /// Refuse a key until it is resumed.
    Suspend(MoveKey),
    /// Take a suspended key into use again.
    Resume(MoveKey),
    /// Agree to what is requested for a key: its creation, renewal or rotation.
    Approve(ApproveKey),
    /// Refuse what is requested for a key.
    Reject(RejectKey),
    /// Refuse a key for good. This cannot be undone.
    Revoke(RevokeKey),
    /// Delete keys that are revoked, rejected or expired: all of those named, or none. This cannot be undone.
    Delete(DeleteKeys),
    /// How the keys stand, in numbers, and which end next.
    Summary,
    /// Who used a key in the last 30 days, and whom it enrolled.
    Usage(Wanted),
}

/// The key to create.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("rights").required(true).multiple(true).args(["capabilities", "roles"])))]
pub struct CreateKey {
    /// What to call it; no other key of the master may have the name.
    pub name: DisplayName,

    /// For whom it acts: its owner, or the groups given here.
    #[arg(long, value_parser = one_of!(KeyKind))]
    pub kind: KeyKind,

    /// Group its holders act as; may be repeated. A service key needs one at least.
    #[arg(long = "group", value_name = "GROUP", value_delimiter = ',', required_if_eq("kind", "service"))]
    pub groups: Vec<GroupName>,

    /// What it may do; may be repeated. `gatepassctl capability list` says what there is.
    #[arg(
        long = "capability",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        value_parser = one_of!(Capability),
        hide_possible_values = true
    )]
    pub capabilities: Vec<Capability>,

    /// The same by name: all that a role may do; may be repeated.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<RoleName>,

    /// Whose it is to be; yours where absent.
    #[arg(long, value_name = "USER")]
    pub owner: Option<UserName>,

    /// When it ends: a duration like 90d, an instant like 2026-11-22T20:00:00Z, or `never`. The master's default where
    /// absent.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<Expires>,

    /// From where it may be used, like 10.0.0.0/8, 10.0.0.7 or 10.0.0.5-10.0.0.9; may be repeated. Anywhere where absent.
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',')]
    pub networks: Vec<Network>,

    /// How many agents it may enrol. Any number where absent.
    #[arg(long, value_name = "N")]
    pub uses: Option<NonZeroU32>,

    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,

    /// Where the secret goes.
    #[command(flatten)]
    pub secret: SecretArguments,

    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// Where a new secret goes.
#[derive(Debug, Args)]
pub struct SecretArguments {
    /// Write the secret to this new file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Write id, name, secret, master and end as JSON to this new file (mode 0600) instead of printing the secret.
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub download: Option<PathBuf>,
}

/// Which keys.
#[derive(Debug, Args)]
pub struct ListKeys {
    /// What time did to them.
    #[arg(long, value_parser = one_of!(Standing))]
    pub standing: Option<Standing>,

    /// What people did to them; deleted ones are listed only so.
    #[arg(long, value_parser = one_of!(KeyState))]
    pub state: Option<KeyState>,

    /// For whom they act.
    #[arg(long, value_parser = one_of!(KeyKind))]
    pub kind: Option<KeyKind>,

    /// Of this user.
    #[arg(long, value_name = "USER")]
    pub owner: Option<UserName>,

    /// That act as this group.
    #[arg(long, value_name = "GROUP")]
    pub group: Option<GroupName>,

    /// That end within this time, like 30d.
    #[arg(long, value_name = "TIME")]
    pub expiring_within: Option<Span>,

    /// With this very name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<DisplayName>,

    /// In which order.
    #[arg(long, value_name = "ORDER", value_parser = one_of!(KeyOrder), allow_hyphen_values = true)]
    pub sort: Option<KeyOrder>,

    /// How many.
    #[command(flatten)]
    pub list: ListArguments,
}

/// What to change.
#[derive(Debug, Args)]
#[command(override_usage = "gatepassctl key edit [OPTIONS] <ID>")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args([
    "name", "description", "networks", "anywhere", "uses", "unlimited", "enable", "disable"
])))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct EditKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Another name.
    #[arg(long)]
    pub name: Option<DisplayName>,

    /// Another description.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,

    /// Other networks instead of all it has; may be repeated.
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',')]
    pub networks: Vec<Network>,

    /// Let it be used from anywhere.
    #[arg(long, conflicts_with = "networks")]
    pub anywhere: bool,

    /// How many agents it may enrol in all, those it has enrolled included.
    #[arg(long, value_name = "N")]
    pub uses: Option<NonZeroU32>,

    /// Let it enrol any number of agents.
    #[arg(long, conflicts_with = "uses")]
    pub unlimited: bool,

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

/// The key to renew.
#[derive(Debug, Args)]
pub struct RenewKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Its new end: a duration from now like 90d, an instant, or `never`. The master's default from now where absent.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<Expires>,

    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The key to rotate.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// How long the first secret stays good at most, whoever still uses it; the master's default where absent.
    #[arg(long, value_name = "TIME")]
    pub overlap: Option<Span>,

    /// Where the secret goes.
    #[command(flatten)]
    pub secret: SecretArguments,

    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The key to suspend or resume.
#[derive(Debug, Args)]
pub struct MoveKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What to agree to.
#[derive(Debug, Args)]
pub struct ApproveKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// What the requester is told.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,

    /// Why.
    #[command(flatten)]
    pub annotation: ReasonArguments,
}

/// What to refuse.
#[derive(Debug, Args)]
pub struct RejectKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// What the requester is told.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Why.
    #[command(flatten)]
    pub annotation: ReasonArguments,
}

/// The key to revoke.
#[derive(Debug, Args)]
pub struct RevokeKey {
    /// Which.
    #[command(flatten)]
    pub wanted: Wanted,

    /// Change nothing: say who used the key in the last 30 days and what would stop working when.
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The keys to delete.
#[derive(Debug, Args)]
pub struct DeleteKeys {
    /// Their ids, the beginnings of their ids, or their names.
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,

    /// Change nothing: say who used the keys in the last 30 days and what would stop working when.
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What can be done with approvals.
#[derive(Debug, Subcommand)]
pub enum ApprovalCommand {
    /// List what waits for an approver; `gatepassctl key approve` and `key reject` decide.
    List(ListApprovals),
}

/// Which requests.
#[derive(Debug, Args)]
pub struct ListApprovals {
    /// In this state.
    #[arg(long, value_parser = one_of!(ApprovalState), default_value = "pending")]
    pub state: ApprovalState,

    /// In any state.
    #[arg(long, conflicts_with = "state")]
    pub all: bool,

    /// How many.
    #[command(flatten)]
    pub list: ListArguments,
}
