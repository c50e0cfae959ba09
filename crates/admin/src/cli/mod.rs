//! The commands and their arguments. What can be checked without the master is checked here.

mod access;
mod agent;
mod audit;
mod common;
mod key;
mod notice;
mod people;
mod token;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use gatepass_contract::name::UserName;
use std::path::PathBuf;

pub use access::AccessArguments;
pub use agent::{AgentCommand, RevokeAgent};
pub use audit::{AuditCommand, ExportAudit, ListAudit};
pub use common::{ListArguments, ReasonArguments, SureArguments, WaitArguments, Wanted};
pub use key::{
    ApprovalCommand, ApproveKey, CreateKey, DeleteKeys, EditKey, KeyCommand, ListApprovals, ListKeys,
    MoveKey, RejectKey, RenewKey, RevokeKey, RotateKey, SecretArguments,
};
pub use notice::{ListNotices, NoticeCommand};
pub use people::{
    CapabilityCommand, CreateGroup, CreateRole, CreateUser, DeleteGroup, DeleteRole, DeleteUser, EditGroup,
    EditRole, EditUser, GroupCommand, PasswordArguments, RoleCommand, SwitchUser, UserCommand,
};
pub use token::{CreateToken, EditToken, EndToken, ListTokens, TokenCommand, UnlockToken};

use crate::profile::ProfileName;

/// Administer a Gatepass master: API keys, API tokens, people, agents, notices and the audit.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 try again later, 4 a person must act.
#[derive(Debug, Parser)]
#[command(
    name = "gatepassctl",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_long_help = FIRST_STEPS
)]
pub struct Arguments {
    /// Which master, and the credential to show it.
    #[command(flatten)]
    pub access: AccessArguments,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  Keep the master's address and your credential in a profile:
    gatepassctl login --master https://HOST:31116 --apikey-file admin.key
  Make a key that may enrol agents, from one network, for 90 days:
    gatepassctl key create build --kind service --group build --capability agent.enrol \\
        --network 10.0.0.0/8 --expires 90d --download build.json
  Where policy wants it, somebody else agrees:
    gatepassctl approval list
    gatepassctl key approve build
  Narrow it, give it another secret, and see who still uses the former one:
    gatepassctl key edit build --network 10.7.0.0/16
    gatepassctl key rotate build --out build.key
    gatepassctl key show build
  See who would be stopped, then end it:
    gatepassctl key revoke build --plan
    gatepassctl key revoke build

Every command has its own --help.";

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a master's address and your credential in a profile, for every later command.
    ///
    /// The credential is an API key (from --apikey-file, the environment, or typed in), an API token (--token-file), or a
    /// user's name and password (--user), which makes a session of some hours. The profile is a file that only you can
    /// read, in ~/.config/gatepass/profiles; --profile names it, for when there are several masters.
    Login(LoginArguments),
    /// Forget the credential of a profile; ends the session at the master if it is one.
    Logout,
    /// Who you are to the master, and what you may do.
    Whoami,
    /// Profiles: masters you have signed in to.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// API keys: the secrets hosts enrol with and programs work with.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Approvals: what waits for somebody's agreement, or waited.
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// API tokens: signed JWTs that a person or a script presents, bound to a user.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Users: people, and what they may do.
    #[command(subcommand)]
    User(UserCommand),
    /// Groups: users who have roles together, and what service keys act as.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Roles: named sets of capabilities.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Capabilities: the rights there are.
    #[command(subcommand)]
    Capability(CapabilityCommand),
    /// Agents: the hosts that have enrolled.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Notices: who was told what, and whether it arrived.
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// The audit: who did what, with what, from where and why.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the completion script of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// How to sign in.
#[derive(Debug, Args)]
pub struct LoginArguments {
    /// Sign in as this user with a password, which is asked for.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["apikey_file", "token_file"])]
    pub user: Option<UserName>,

    /// Do not ask: the first line of this file is the password; `-` is standard input.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}

/// What can be done with profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles; the one in use has a star.
    List,
    /// Use a profile where none is named.
    Use {
        /// Which.
        name: ProfileName,
    },
    /// Show a profile; never its secret.
    Show {
        /// Which; the one in use where absent.
        name: Option<ProfileName>,
    },
}

#[cfg(test)]
mod tests;
