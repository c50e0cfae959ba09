//! `gatepass`: the agent's command line.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use gatepass::cli::Cli;
use gatepass::commands::{self, Exit};
use gatepass::commands;
use gatepass::config::BadConfig;
use gatepass::credential::{ENVIRONMENT, NoApiKey};
use gatepass::disguise::{self, Word};
use gatepass::store::StoreError;

fn main() -> ExitCode {
    match begin() {
        Ok(arguments) => obey(Cli::parse_from(arguments)),
        Err(error) => {
            complain(&anyhow::Error::new(error).context("what is secret cannot be hidden from others"));
            Exit::Failed.into()
        }
    }
}

/// Before anything else: secrets out of sight.
fn begin() -> io::Result<Vec<OsString>> {
    let words = disguise::put_on(std::env::args_os().collect(), |_| Vec::new(), &[ENVIRONMENT])?;
    disguise::keep_out_of_core_dumps()?;
    Ok(words.into_iter().filter_map(Word::plain).collect())
}

fn obey(cli: Cli) -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nothing else installs one");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        // The thread that resolves names goes away soon: a daemon at rest is one thread.
        .thread_keep_alive(std::time::Duration::from_millis(100))
        .build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(commands::carry_out(cli)));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error);
            commands::exit_of(&error).into()
        }
    }
}

/// Whether anybody can read it or not, the exit code says the same.
fn complain(error: &anyhow::Error) {
    let (message, hint) = commands::last_words(error);
    let hint = hint.map(|hint| format!("gatepass: hint: {hint}\n")).unwrap_or_default();
    let _ = write!(io::stderr(), "gatepass: error: {message}\n{hint}");
}
