//! The command line: names, help and nothing else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::DisplayName;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::span::Span;

/// Gives this host its identity and keeps it alive: one API key in, a living certificate and JWT out.
#[derive(Debug, Parser)]
#[command(name = "gatepass", version, propagate_version = true)]
#[command(
    after_help = "Called as twsinst or AgentCertificateDownloader.sh, or with one of these as the first word, it takes the \
    command lines of the product's installer or downloader: see twsinst(1).\n\n\
    Exit status: 0 done, 1 failed, 2 usage, 3 try again later, 4 a person must act."
)]
pub struct Cli {
    /// The configuration file [default: /etc/gatepass/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "GATEPASS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Get an identity once, or renew the one that is there if it is due, and end
    #[command(
        after_help = "The files are DIR/current/{tls.key,tls.crt,ca.crt,agent.jwt}; `current` only ever moves as a whole.\n\n\
        Example: gatepass download --master https://master:31116 --apikey-file key --dir identity"
    )]
    Download {
        /// Where the identity goes [default: the configuration's]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// How to reach and trust the master.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Keep the identity alive until told to stop (SIGTERM); SIGHUP reads the configuration again
    Run {
        /// How to reach and trust the master.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Say how things are: identity, clock, what is due, what is wrong
    Status,
    /// Renew now, with a new key; a running daemon is asked to do it
    Renew,
    /// Look for everything that could go wrong, changing nothing
    ///
    /// Runs what an enrolment and a renewal run, up to the point where something would be issued, and reports each finding
    /// with an id that stays, what was found and what to do about it. Exit status: 0 all is well, 3 something is worth a
    /// look, 4 something does not work.
    Check {
        /// Also write a support archive (zip): findings, status, configuration, versions, unit, journal, names and modes
        /// of files; without any secret
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
    },
    /// Say whether this program can read the configuration and the state that are there; changes nothing
    #[command(
        after_help = "Packages ask this before they restart the service: 0 it can, 4 it cannot, and why.\n\
        With --json: `reads` is the newest format of the state that this program reads, `format` the one found."
    )]
    Preflight,
    /// Make this host a living agent: system user, configuration, service, identity
    #[command(
        after_help = "Does nothing where all is as it should be; resumes where it was stopped; leaves the host as it \
        was where it fails.\n\nExample: gatepass install --master https://master:31116 --apikey-file key"
    )]
    Install {
        /// How it is done.
        #[command(flatten)]
        args: InstallArgs,
        /// How to reach and trust the master.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Take this host off the master and remove what `install` made, and nothing else
    Uninstall(UninstallArgs),
    /// Watch certificates that somebody else made until this host gets an identity of its own
    #[command(
        after_help = "The first renewal is due by the usual policy on their validity. Where masters and an API key are \
        there, it is an enrolment whose files take the place of DIR; DIR is kept as DIR.before-gatepass."
    )]
    Adopt(AdoptArgs),
    /// Forget who this host is, before its disk becomes an image: identity and keys go, the configuration stays
    Seal {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell the master that this host leaves, and forget the identity
    Deregister,
    /// Look at the configuration
    Config {
        /// What to do with it.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigAction {
    /// Say whether it is accepted, and if not, why
    Validate,
    /// Print what is in force, defaults included
    Show,
}

/// What the command line may say instead of the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// The master's address; several are tried in order
    #[arg(long = "master", value_name = "URL", env = "GATEPASS_MASTER", value_delimiter = ',')]
    pub masters: Vec<MasterUrl>,
    /// A file with the API key; `-` reads standard input
    #[arg(long, value_name = "FILE", env = "GATEPASS_APIKEY_FILE")]
    pub apikey_file: Option<PathBuf>,
    /// What this host is to be called [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<DisplayName>,
    /// PEM certificates that may vouch for the master, instead of the API key's pin
    #[arg(long, value_name = "FILE", conflicts_with = "ca_fingerprint")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the one certificate that may vouch for the master
    #[arg(long, value_name = "HEX")]
    pub ca_fingerprint: Option<Sha256>,
    /// Which keys to make: ecdsa-p256, ed25519, rsa3072
    #[arg(long, value_name = "KIND")]
    pub key_kind: Option<KeyKind>,
}

/// How it is installed.
#[derive(Debug, Clone, Copy, Args)]
pub struct InstallArgs {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// How long a master that is busy or away is waited for
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    pub wait: Span,
    /// Leave the enrolment to the service: it tries until it succeeds
    #[arg(long, conflicts_with = "wait")]
    pub enrol_later: bool,
}

/// How much is removed.
#[derive(Debug, Clone, Copy, Args)]
pub struct UninstallArgs {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Keep identity, API key and configuration, and stay known to the master
    #[arg(long)]
    pub keep_credentials: bool,
    /// Go on where the master cannot be told
    #[arg(long, conflicts_with = "keep_credentials")]
    pub force: bool,
}

/// What is adopted.
#[derive(Debug, Clone, Args)]
pub struct AdoptArgs {
    /// The directory with `ca.crt`, `tls.crt` and `tls.key`, or that of the instance they belong to
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}
