//! The command line: what can be asked of `gatepass-master`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use gatepass_contract::name::HostName;

use crate::config::{JwtAlgorithm, Lifetime, ServerName};
use crate::store::PostgresUrl;

/// The server that agents enrol with: API keys in, living certificates and tokens out.
#[derive(Debug, Parser)]
#[command(name = "gatepass-master", version, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "To try it out: gatepass-master dev\n\
    Exit codes: 0 done, 1 failed, 2 usage, 3 try again later, 4 a person must act";

/// Where a master lives when nothing else is said.
pub const DEFAULT_DIR: &str = "/var/lib/gatepass-master";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up a master: its directory, CA, token key, configuration and first administrator API key
    Init(InitArguments),
    /// Serve agents and administrators
    Serve(ServeArguments),
    /// Set up a master in a directory if need be, and serve from there: for trying out
    Dev(DevArguments),
    /// Say whether this program can read the configuration, the key and the database that are there; changes nothing
    #[command(
        after_help = "Packages ask this before they restart the service: 0 it can, 3 the database cannot be reached now, 4 it \
        cannot, and why.\nWith --json: `knows` is the newest schema of the database that this program knows, `schema` the one \
        found."
    )]
    Preflight {
        /// Where the master lives.
        #[command(flatten)]
        place: Place,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the `OpenAPI` document of the REST interface
    Openapi,
    /// Put a copy of the master aside while it serves: database, root CA, configuration
    Backup(BackupArguments),
    /// Put a master back from a backup, into a new directory
    Restore(RestoreArguments),
    /// Move the database of a master that is stopped to `PostgreSQL`
    Migrate(MigrateArguments),
    /// Read the audit records
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which one
        shell: Shell,
    },
}

/// Where the master lives.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The master's directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR, env = "GATEPASS_MASTER_DIR")]
    pub dir: PathBuf,
}

/// How long what it issues is good.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Lifetimes {
    /// How long certificates are good, like 7d or 90s
    #[arg(long, value_name = "TIME")]
    pub lifetime: Option<Lifetime>,
    /// How long tokens are good, like 1h
    #[arg(long, value_name = "TIME")]
    pub token_lifetime: Option<Lifetime>,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// What agents will call it: a host name or an IP address; may be given several times
    #[arg(long = "name", value_name = "NAME", required = true)]
    pub names: Vec<ServerName>,
    /// Where it will listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// A PostgreSQL server that several masters share, like `postgresql://gatepass@db.example.com/gatepass`; without one,
    /// everything is in a file in the directory
    #[arg(long, value_name = "URL", env = "GATEPASS_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<PostgresUrl>,
    /// The authority in the agents' SPIFFE ids
    #[arg(long, value_name = "NAME")]
    pub trust_domain: Option<HostName>,
    /// How tokens are signed, for good: ES256 (the default), `EdDSA` or RS256
    #[arg(long, value_name = "ALGORITHM")]
    pub jwt_algorithm: Option<JwtAlgorithm>,
    /// How long what it issues is good.
    #[command(flatten)]
    pub lifetimes: Lifetimes,
}

/// `serve`
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where the master lives.
    #[command(flatten)]
    pub place: Place,
    /// Where to listen, instead of what the configuration says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// `dev`
#[derive(Debug, Args)]
pub struct DevArguments {
    /// The directory to make or to go on with
    #[arg(long, value_name = "DIR", default_value = "gatepass-dev")]
    pub dir: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:31116")]
    pub listen: SocketAddr,
    /// How long what it issues is good.
    #[command(flatten)]
    pub lifetimes: Lifetimes,
}

/// `backup`
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Where the master lives.
    #[command(flatten)]
    pub place: Place,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Put the key that opens all others into it, too: whoever reads the backup can then be this master
    #[arg(long)]
    pub with_key: bool,
}

/// `restore`
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Put the database into this empty one instead of a file
    #[arg(long, value_name = "URL")]
    pub database_url: Option<PostgresUrl>,
}

/// `migrate`
#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// Where the master lives.
    #[command(flatten)]
    pub place: Place,
    /// The empty database to fill, like `postgresql://gatepass@db/gatepass`
    #[arg(long, value_name = "URL")]
    pub to: PostgresUrl,
}

/// `audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print every record as a line of JSON, oldest first
    Export(Place),
    /// Follow the chain of hashes; names the first record that does not fit
    Verify {
        /// Where the master lives.
        #[command(flatten)]
        place: Place,
        /// An export to follow instead of the database
        export: Option<PathBuf>,
    },
    /// After a backup was restored: show what was revoked, suspended, deleted, rejected or disabled since
    Replay {
        /// Where the restored master lives.
        #[command(flatten)]
        place: Place,
        /// An export of the audit from after the backup was made
        export: PathBuf,
        /// Do it again
        #[arg(long)]
        apply: bool,
    },
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file
    Validate {
        /// The file
        file: PathBuf,
    },
    /// Print the configuration in effect, defaults included
    Show(Place),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
