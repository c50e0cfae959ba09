//! What each command does: reads the configuration, hands every module its piece, says how it went.

mod check;
mod install;
mod preflight;
mod wiring;
mod work;

pub use install::Refused;

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use serde::Serialize;

use crate::adopted;
use crate::bundle::Bundle;
use crate::cli::{Cli, Command, ConfigAction, Overrides};
use crate::config::{BadConfig, Config};
use crate::credential::NoApiKey;
use crate::state::State;
use crate::status::{Status, Verdict};
use crate::store::{Store, StoreError};
use crate::trouble::whole;
use wiring::{Wiring, master_time, tolerance};

/// How a command ended, by the exit codes of every Gatepass program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It did not work.
    Failed,
    /// It was asked for wrongly.
    Usage,
    /// It may work later.
    Later,
    /// A person must act.
    Human,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Carries out what the command line says.
pub async fn carry_out(cli: Cli) -> Result<Exit> {
    let Cli { config: file, json, command } = cli;
    let file = file.as_deref();
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gatepass", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::Config { action } => show_config(&Config::load(file)?, action, json),
        Command::Preflight => preflight::look(file, json),
        Command::Status => status(&Config::load(file)?, json),
        Command::Download { dir, overrides } => {
            work::download(Wiring::new(file, overrides, dir)?, json).await
        }
        Command::Run { overrides } => work::run(Wiring::new(file, overrides, None)?).await,
        Command::Renew => work::renew(Wiring::new(file, Overrides::default(), None)?, json).await,
        Command::Install { args, overrides } => install::install(file, args, &overrides, json).await,
        Command::Uninstall(args) => install::uninstall(file, args, json).await,
        Command::Adopt(args) => install::adopt(file, args, json).await,
        Command::Seal { dry_run } => {
            install::seal(&Wiring::new(file, Overrides::default(), None)?, dry_run, json)
        }
        Command::Deregister => {
            install::deregister(Wiring::new(file, Overrides::default(), None)?, json).await
        }
        Command::Check { bundle } => check::check(file, bundle.as_deref(), json).await,
    }
}

fn status(config: &Config, json: bool) -> Result<Exit> {
    let status = status_now(config)?;
    answer(&status, json)?;
    Ok(exit(&status))
}

fn status_now(config: &Config) -> Result<Status> {
    let store = Store::open(&config.state_dir)?;
    let held = store.current()?.and_then(|(_, parts)| Bundle::recall(parts).ok());
    let adopted = config.adopted.dir.as_deref().map(adopted::watched);
    let state: State = store.load_state()?.unwrap_or_default();
    let time = master_time();
    if let Some(measured) = state.clock {
        time.observe(measured.skew);
    }
    Ok(Status::of(held.as_ref(), &state, tolerance(config), time.now()).watching(adopted))
}

fn exit(status: &Status) -> Exit {
    match status.verdict {
        Verdict::Good => Exit::Done,
        Verdict::Retrying => Exit::Later,
        Verdict::NoIdentity if status.trouble.is_some() => Exit::Later,
        Verdict::NoIdentity => Exit::Failed,
        Verdict::NeedsHuman => Exit::Human,
    }
}

fn show_config(config: &Config, action: ConfigAction, json: bool) -> Result<Exit> {
    match action {
        ConfigAction::Validate => print("the configuration is accepted\n")?,
        ConfigAction::Show if json => print(&format!("{}\n", serde_json::to_string_pretty(config)?))?,
        ConfigAction::Show => print(&toml::to_string(config)?)?,
    }
    Ok(Exit::Done)
}

fn answer(what: &(impl Serialize + fmt::Display), json: bool) -> Result<()> {
    if json { print(&format!("{}\n", serde_json::to_string_pretty(what)?)) } else { print(&what.to_string()) }
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("standard output cannot be written")
}

/// How a program ends that failed like that.
#[must_use]
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some((exit, _)) = install::verdict(error) {
        exit
    } else if error.is::<BadConfig>() {
        Exit::Usage
    } else if error.is::<NoApiKey>() || matches!(error.downcast_ref(), Some(StoreError::TooNew { .. })) {
        Exit::Human
    } else {
        Exit::Failed
    }
}

/// On standard error: what is not the answer. Nobody reading it is no reason to fail.
fn talk(text: &str) {
    let _ = writeln!(std::io::stderr(), "gatepass: {text}");
}

/// An error with its causes, and what to try: for the last words of the program.
#[must_use]
pub fn last_words(error: &anyhow::Error) -> (String, Option<String>) {
    let installing = install::verdict(error).and_then(|(_, hint)| hint);
    let known = || {
        error.chain().find_map(|cause| {
        let no_key = cause.downcast_ref::<NoApiKey>().map(|_| {
            "put an API key into a file and name it with --apikey-file, or give the unit a credential `apikey`".to_owned()
        });
        let locked = || matches!(cause.downcast_ref(), Some(StoreError::Locked { .. })).then(|| "`gatepass renew` asks the running one".to_owned());
        let newer = || matches!(cause.downcast_ref(), Some(StoreError::TooNew { .. })).then(|| "install the version that wrote it, or a newer one".to_owned());
        no_key.or_else(locked).or_else(newer)
    })
    };
    (whole(error.as_ref()), installing.or_else(known))
}
