//! `gatepass`: the agent's command line.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use gatepass::cli::Cli;
use gatepass::commands::{self, Exit};
use gatepass::credential::ENVIRONMENT;
use gatepass::dialect::{self, Tool};
use gatepass::disguise::{self, Word};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    match begin() {
        Ok((Some(tool), words)) => speak(tool, words),
        Ok((None, words)) => obey(Cli::parse_from(words.into_iter().filter_map(Word::plain))),
        Err(error) => {
            complain(&anyhow::Error::new(error).context("what is secret cannot be hidden from others"));
            Exit::Failed.into()
        }
    }
}

/// Before anything else: secrets out of sight. Which dialect is spoken, if one is, and the words of it.
fn begin() -> io::Result<(Option<Tool>, Vec<Word>)> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let spoken = Tool::of(&arguments);
    let mut words = disguise::put_on(arguments, dialect::secrets, &SECRET_VARIABLES)?;
    disguise::keep_out_of_core_dumps()?;
    words.drain(..spoken.map_or(0, |(_, own)| own));
    Ok((spoken.map(|(tool, _)| tool), words))
}

/// Those that hold secrets: the API key, and what scripts for the products Gatepass stands in for are given.
const SECRET_VARIABLES: [&str; 4] =
    [ENVIRONMENT, "WA_API_KEY", "WA_USER_ENGINE_PASSWORD", "SECUREWRAP_PASSPHRASE"];

fn speak(tool: Tool, words: Vec<Word>) -> ExitCode {
    match runtime() {
        Ok(runtime) => ExitCode::from(runtime.block_on(dialect::obey(tool, words)) as u8),
        Err(error) => {
            complain(&error.into());
            Exit::Failed.into()
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nothing else installs one");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        // The thread that resolves names goes away soon: a daemon at rest is one thread.
        .thread_keep_alive(std::time::Duration::from_millis(100))
        .build()
}

fn obey(cli: Cli) -> ExitCode {
    let ended = runtime().map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(commands::carry_out(cli));
        // A name service that does not answer holds a thread for long: nobody waits for that one.
        runtime.shutdown_background();
        ended
    });
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
