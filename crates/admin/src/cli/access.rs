//! Which master, and how to be let in.

use std::path::PathBuf;

use clap::Args;
use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;

use crate::output::Form;
use crate::profile::ProfileName;

/// Which master to talk to, how to be let in, how to answer.
///
/// The environment is read elsewhere, not by `clap`: it has to come behind a profile that the command line names, and
/// before one that it does not.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Access and output")]
pub struct AccessArguments {
    /// Which profile, where not the one in use.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help = "Use this profile, not the one in use [env: GATEPASS_PROFILE]"
    )]
    pub profile: Option<ProfileName>,

    /// Which master.
    #[arg(
        long = "master",
        alias = "url",
        global = true,
        value_name = "URL",
        help = "The master's address, https://HOST:PORT [env: GATEPASS_MASTER]"
    )]
    pub url: Option<MasterUrl>,

    /// Where the API key is. It is never an argument itself: those can be read by everybody on the host.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "token_file",
        help = "File that holds your API key; `-` is standard input [env: GATEPASS_APIKEY_FILE]",
        long_help = "File that holds your API key; `-` is standard input [env: GATEPASS_APIKEY_FILE]\n\n\
                     The environment variable GATEPASS_APIKEY may hold the key itself. It is never an argument: those \
                     can be read by everybody on the host."
    )]
    pub apikey_file: Option<PathBuf>,

    /// Where the API token is.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        hide_short_help = true,
        help = "File that holds your API token; `-` is standard input [env: GATEPASS_TOKEN_FILE]",
        long_help = "File that holds your API token; `-` is standard input [env: GATEPASS_TOKEN_FILE]\n\n\
                     The environment variable GATEPASS_TOKEN may hold the token itself."
    )]
    pub token_file: Option<PathBuf>,

    /// What vouches for the master.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        hide_short_help = true,
        conflicts_with = "ca_fingerprint",
        help = "Trust the CA certificates in this PEM file [env: GATEPASS_CA_FILE]",
        long_help = "Trust the CA certificates in this PEM file [env: GATEPASS_CA_FILE]\n\n\
                     Instead of the CA pinned in the API key, for a master behind a load balancer that terminates TLS; \
                     and for credentials that pin nothing: passwords and API tokens."
    )]
    pub ca_file: Option<PathBuf>,

    /// The same by a fingerprint.
    #[arg(
        long,
        global = true,
        value_name = "SHA256",
        hide_short_help = true,
        help = "Trust the master's CA by its fingerprint, of the certificate or of its public key"
    )]
    pub ca_fingerprint: Option<Sha256>,

    /// How to answer: table, json (as the master says it) or yaml.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORM",
        value_enum,
        default_value_t = Form::Table,
        hide_possible_values = true
    )]
    pub output: Form,

    /// The same as `-o json`.
    #[arg(long, global = true, hide_short_help = true, overrides_with = "output")]
    pub json: bool,
}

impl AccessArguments {
    /// How to answer.
    #[must_use]
    pub const fn form(&self) -> Form {
        if self.json { Form::Json } else { self.output }
    }
}
