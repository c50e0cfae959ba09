//! The commands and their arguments. What can be checked without the master is checked here.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use gatepass_contract::name::{DisplayName, GroupName};
use gatepass_contract::wire::admin::{Capability, KeyKind};

use crate::expires::Expires;
use gatepass_contract::address::MasterUrl;

/// Administer a Gatepass master: API keys and agents.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 try again later, 4 a person must act.
#[derive(Debug, Parser)]
#[command(name = "gatepassctl", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// Which master, and the key to show it.
    #[command(flatten)]
    pub access: AccessArguments,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which master to talk to, and how to be let in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArguments {
    /// The master's address, https://HOST:PORT.
    #[arg(long = "master", alias = "url", global = true, value_name = "URL", env = "GATEPASS_MASTER")]
    pub url: Option<MasterUrl>,

    /// File that holds your API key; `-` reads it from standard input.
    ///
    /// Without it the key is taken from the environment variable `GATEPASS_APIKEY`. It is never an argument: those can
    /// be read by everybody on the host.
    #[arg(long, global = true, value_name = "FILE", env = "GATEPASS_APIKEY_FILE")]
    pub apikey_file: Option<PathBuf>,

    /// Trust the CA certificates in this PEM file instead of the CA pinned in the API key.
    ///
    /// For a master behind a load balancer that terminates TLS.
    #[arg(long, global = true, value_name = "FILE", env = "GATEPASS_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// Answer in JSON, as the master says it.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// API keys: the secrets hosts enrol with and administrators work with.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Agents: the hosts that have enrolled.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Print the completion script of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key. Its secret is printed on standard output, this once.
    Create(CreateArguments),
    /// List all keys.
    List,
    /// Show one key.
    Show(Wanted),
    /// Refuse a key until it is resumed.
    Suspend(Wanted),
    /// Take a suspended key into use again.
    Resume(Wanted),
    /// Refuse a key for good. This cannot be undone.
    Revoke(Final),
}

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// List all agents.
    List,
    /// Show one agent.
    Show(Wanted),
    /// Cut an agent off: it gets no further credentials. This cannot be undone.
    Revoke(Final),
}

/// One key or agent.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Its id, the beginning of its id, or its name.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// One key or agent, to be ended.
#[derive(Debug, Args)]
pub struct Final {
    /// Its id, the beginning of its id, or its name.
    #[arg(value_name = "ID")]
    pub id: String,

    /// Do not ask. Needed where nobody can be asked.
    #[arg(long, short)]
    pub yes: bool,
}

/// The key to create.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// What to call it; no other key of the master may have the name.
    pub name: DisplayName,

    /// For whom it acts: its owner, or the groups given here.
    #[arg(long, value_parser = words::<KeyKind>(KeyKind::ALL.iter().map(|kind| kind.as_str())))]
    pub kind: KeyKind,

    /// Group its holders act as; may be repeated. A service key needs one at least.
    #[arg(long = "group", value_name = "GROUP", value_delimiter = ',', required_if_eq("kind", "service"))]
    pub groups: Vec<GroupName>,

    /// What it may do; may be repeated.
    #[arg(
        long = "capability",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        required = true,
        value_parser = words::<Capability>(Capability::ALL.iter().map(|capability| capability.as_str()))
    )]
    pub capabilities: Vec<Capability>,

    /// When it ends: a duration like 90d, an instant like 2026-11-22T20:00:00Z, or `never`. The master's default where
    /// absent.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<Expires>,

    /// Network it may be used from, like 10.0.0.0/8; may be repeated. Anywhere where absent.
    #[arg(long = "network", value_name = "CIDR", value_delimiter = ',')]
    pub networks: Vec<Network>,

    /// How many agents it may enrol. Any number where absent.
    #[arg(long, value_name = "N")]
    pub uses: Option<NonZeroU32>,

    /// What it is for.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,

    /// Write the secret to this new file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A network in CIDR notation.
pub type Network = ipnet::IpNet;

/// Reads one of a closed set of words, lists them in the help and in completions.
fn words<T>(all: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(all).try_map(|word| word.parse::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        crate::command().debug_assert();
    }

    #[test]
    fn what_can_be_refused_here_is_refused_here() {
        for (line, reason) in [
            ("gatepassctl key create ci --kind service --capability agent.enrol", "--group"),
            ("gatepassctl key create ci --kind personal", "--capability"),
            ("gatepassctl key create ci --kind robot --capability agent.enrol", "service"),
            ("gatepassctl key create ci --kind personal --capability agent.fly", "agent.enrol"),
            ("gatepassctl key create ci --kind personal --capability agent.enrol --uses 0", "--uses"),
            ("gatepassctl key create ci --kind personal --capability agent.enrol --expires 90", "90d"),
            (
                "gatepassctl key create ci --kind personal --capability agent.enrol --network 10.0.0.0/33",
                "--network",
            ),
            ("gatepassctl --master http://master key list", "https://"),
            ("gatepassctl key revoke", "ID"),
        ] {
            let refused = parse(line).expect_err(line).to_string();
            assert!(refused.contains(reason), "{line}: {refused}");
        }
    }

    #[test]
    fn access_may_stand_before_or_behind_the_command() {
        for line in [
            "gatepassctl --master https://m:1 --json key list",
            "gatepassctl key list --json --master https://m:1",
        ] {
            let arguments = parse(line).expect(line);
            assert!(arguments.access.json && arguments.access.url.is_some(), "{line}");
        }
    }
}
