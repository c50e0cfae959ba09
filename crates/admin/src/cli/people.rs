//! Users, groups, roles and capabilities.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatepass_contract::name::{GroupName, MailAddress, RoleName, UserName};
use gatepass_contract::wire::admin::Capability;

use super::common::one_of;
use super::{ListArguments, ReasonArguments, SureArguments};

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user.
    Create(CreateUser),
    /// List users.
    List(ListArguments),
    /// Show one user, and what their roles amount to.
    Show {
        /// Whom they sign in as.
        name: UserName,
    },
    /// Change a user's names, address, roles or groups; felt by their very next request.
    Edit(EditUser),
    /// Let a disabled user and everything of theirs act again.
    Enable(SwitchUser),
    /// Refuse a user and everything of theirs until they are enabled again.
    Disable(SwitchUser),
    /// Set a password: your own where no user is named.
    Password(PasswordArguments),
    /// Delete a user: nothing of theirs is accepted any more. This cannot be undone; the name is not given again.
    Delete(DeleteUser),
}

/// The user to create.
#[derive(Debug, Args)]
pub struct CreateUser {
    /// Whom they sign in as; cannot be changed.
    pub name: UserName,

    /// What they are called.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub full_name: String,

    /// Where notices go.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<MailAddress>,

    /// What they may do; may be repeated. `gatepassctl role list` says what there is.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<RoleName>,

    /// What they belong to: the roles of groups are theirs too; may be repeated.
    #[arg(long = "group", value_name = "GROUP", value_delimiter = ',')]
    pub groups: Vec<GroupName>,

    /// Ask for a password to sign in with. Without one they cannot.
    #[arg(long)]
    pub password: bool,

    /// Read the password from the first line of this file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What to change.
#[derive(Debug, Args)]
#[command(override_usage = "gatepassctl user edit [OPTIONS] <NAME>")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args([
    "full_name", "email", "no_email", "add_roles", "remove_roles", "add_groups", "remove_groups"
])))]
pub struct EditUser {
    /// Whom they sign in as.
    pub name: UserName,

    /// What they are called.
    #[arg(long, value_name = "TEXT")]
    pub full_name: Option<String>,

    /// Where notices go.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<MailAddress>,

    /// Send them no notices.
    #[arg(long, conflicts_with = "email")]
    pub no_email: bool,

    /// Role to give them; may be repeated.
    #[arg(long = "add-role", value_name = "ROLE", value_delimiter = ',')]
    pub add_roles: Vec<RoleName>,

    /// Role to take from them; may be repeated.
    #[arg(long = "remove-role", value_name = "ROLE", value_delimiter = ',')]
    pub remove_roles: Vec<RoleName>,

    /// Group to put them in; may be repeated.
    #[arg(long = "add-group", value_name = "GROUP", value_delimiter = ',')]
    pub add_groups: Vec<GroupName>,

    /// Group to take them out of; may be repeated.
    #[arg(long = "remove-group", value_name = "GROUP", value_delimiter = ',')]
    pub remove_groups: Vec<GroupName>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The user to enable or disable.
#[derive(Debug, Args)]
pub struct SwitchUser {
    /// Whom they sign in as.
    pub name: UserName,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// Whose password, and where it comes from.
#[derive(Debug, Args)]
pub struct PasswordArguments {
    /// Whose; yours where absent.
    pub name: Option<UserName>,

    /// Read the new password from the first line of this file; `-` is standard input. Asked for where absent.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Read your present password from the first line of this file. Needed to change your own.
    #[arg(long, value_name = "FILE")]
    pub present_file: Option<PathBuf>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The user to delete.
#[derive(Debug, Args)]
pub struct DeleteUser {
    /// Whom they sign in as.
    pub name: UserName,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What can be done with groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Create a group.
    Create(CreateGroup),
    /// List groups.
    List(ListArguments),
    /// Show one group.
    Show {
        /// What it is called.
        name: GroupName,
    },
    /// Change a group's description or roles; felt by its members' very next request.
    Edit(EditGroup),
    /// Delete a group. This cannot be undone.
    Delete(DeleteGroup),
}

/// The group to create.
#[derive(Debug, Args)]
pub struct CreateGroup {
    /// What to call it; cannot be changed.
    pub name: GroupName,

    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,

    /// What its members have; may be repeated.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<RoleName>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What to change.
#[derive(Debug, Args)]
#[command(override_usage = "gatepassctl group edit [OPTIONS] <NAME>")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args([
    "description", "add_roles", "remove_roles"
])))]
pub struct EditGroup {
    /// What it is called.
    pub name: GroupName,

    /// Another description.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,

    /// Role to give its members; may be repeated.
    #[arg(long = "add-role", value_name = "ROLE", value_delimiter = ',')]
    pub add_roles: Vec<RoleName>,

    /// Role to take from its members; may be repeated.
    #[arg(long = "remove-role", value_name = "ROLE", value_delimiter = ',')]
    pub remove_roles: Vec<RoleName>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The group to delete.
#[derive(Debug, Args)]
pub struct DeleteGroup {
    /// What it is called.
    pub name: GroupName,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What can be done with roles.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Create a role.
    Create(CreateRole),
    /// List roles.
    List(ListArguments),
    /// Show one role.
    Show {
        /// What it is called.
        name: RoleName,
    },
    /// Change a role's description or capabilities; felt by its holders' very next request.
    Edit(EditRole),
    /// Delete a role. This cannot be undone.
    Delete(DeleteRole),
}

/// The role to create.
#[derive(Debug, Args)]
pub struct CreateRole {
    /// What to call it; cannot be changed.
    pub name: RoleName,

    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,

    /// What its holders may do; may be repeated. `gatepassctl capability list` says what there is.
    #[arg(
        long = "capability",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        required = true,
        value_parser = one_of!(Capability),
        hide_possible_values = true
    )]
    pub capabilities: Vec<Capability>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What to change.
#[derive(Debug, Args)]
#[command(override_usage = "gatepassctl role edit [OPTIONS] <NAME>")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["description", "add", "remove"])))]
pub struct EditRole {
    /// What it is called.
    pub name: RoleName,

    /// Another description.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,

    /// Capability to give its holders; may be repeated.
    #[arg(
        long = "add-capability",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        value_parser = one_of!(Capability),
        hide_possible_values = true
    )]
    pub add: Vec<Capability>,

    /// Capability to take from its holders; may be repeated.
    #[arg(
        long = "remove-capability",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        value_parser = one_of!(Capability),
        hide_possible_values = true
    )]
    pub remove: Vec<Capability>,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// The role to delete.
#[derive(Debug, Args)]
pub struct DeleteRole {
    /// What it is called.
    pub name: RoleName,

    /// Whether to ask.
    #[command(flatten)]
    pub sure: SureArguments,

    /// Why.
    #[command(flatten)]
    pub reason: ReasonArguments,
}

/// What can be done with capabilities.
#[derive(Debug, Subcommand)]
pub enum CapabilityCommand {
    /// List every capability, and what other products call it.
    List,
}
