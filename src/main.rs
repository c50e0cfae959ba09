//! `gatepass`: the agent's command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gatepass::cli::Cli;
use gatepass::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
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
    let _ = write!(std::io::stderr(), "gatepass: error: {message}\n{hint}");
}
