//! What each command does: reads the configuration, hands every module its piece, says how it went.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use gatepass_contract::address::MasterUrl;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::pki::Anchors;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::bundle::Bundle;
use crate::check::{self, Severity};
use crate::cli::{Cli, Command, ConfigAction, Overrides};
use crate::clock::{Clock as _, MasterTime, SystemClock};
use crate::config::Config;
use crate::credential::{self, NoApiKey, Source};
use crate::daemon::{Call, Daemon, Ended, Settings};
use crate::master::{Client, Endpoint, Trust};
use crate::state::State;
use crate::status::{Status, Verdict};
use crate::store::{Store, StoreError};
use crate::trouble::whole;
use crate::{facts, logging, systemd};

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
        Command::Status => status(&Config::load(file)?, json),
        Command::Download { dir, overrides } => download(Wiring::new(file, overrides, dir)?, json).await,
        Command::Run { overrides } => run(Wiring::new(file, overrides, None)?).await,
        Command::Renew => renew(Wiring::new(file, Overrides::default(), None)?, json).await,
        Command::Check => check(Wiring::new(file, Overrides::default(), None)?, json).await,
    }
}

/// The configuration with what the command line says instead.
struct Wiring {
    file: Option<PathBuf>,
    config: Config,
    overrides: Overrides,
    dir: Option<PathBuf>,
    api_key: Option<Source>,
}

impl Wiring {
    fn new(file: Option<&Path>, overrides: Overrides, dir: Option<PathBuf>) -> Result<Self> {
        let config = merged(Config::load(file)?, &overrides, dir.as_deref());
        let (named, configured) = (overrides.apikey_file.as_deref(), config.apikey_file.as_deref());
        let api_key = credential::find(named, configured, |name| std::env::var_os(name).map(PathBuf::from));
        Ok(Self { file: file.map(Path::to_owned), config, overrides, dir, api_key })
    }

    /// The same command line over the configuration as it is now; an error where a daemon could not begin with it.
    fn reloaded(&self) -> Result<Self> {
        let mut anew = Self::new(self.file.as_deref(), self.overrides.clone(), self.dir.clone())?;
        if let Some(Source::Stdin(_)) = self.api_key {
            anew.api_key.clone_from(&self.api_key); // standard input has told already
        }
        anew.endpoint(&Store::open(&anew.config.state_dir)?)?;
        settings(&anew.config, None)?;
        Ok(anew)
    }

    fn begin_logging(&self) {
        logging::begin(self.config.log.format, self.config.log.level);
    }

    /// Everything a step needs, wired together.
    fn daemon(&self, store: Store) -> Result<Daemon<Client>> {
        // What is held but cannot be read is no reason to enrol anew: it is good, and a person can mend it.
        if let Err(error @ (StoreError::Io { .. } | StoreError::Exposed { .. })) = store.current() {
            return Err(error.into());
        }
        let time = master_time();
        let endpoint = self.endpoint(&store)?;
        let settings = settings(&self.config, self.api_key.clone())?;
        Ok(Daemon::new(settings, store, Client::new(endpoint, time.clone()), time))
    }

    fn endpoint(&self, store: &Store) -> Result<Endpoint> {
        let config = &self.config;
        let trust = match (&config.ca_file, config.ca_fingerprint) {
            (Some(file), _) => Trust::Pinned(anchors(file)?),
            (None, Some(fingerprint)) => Trust::Fingerprint(fingerprint),
            (None, None) => trust_of_identity(store, self.api_key.as_ref())?,
        };
        Ok(Endpoint {
            masters: config.masters.clone(),
            trust,
            proxy: config.proxy.clone().map(Into::into),
            connect_timeout: config.http.connect_timeout.duration(),
            timeout: config.http.timeout.duration(),
        })
    }
}

/// Who vouches for the master when nothing is configured: the anchors of the identity that is held, before there is
/// one the API key's pin.
fn trust_of_identity(store: &Store, api_key: Option<&Source>) -> Result<Trust> {
    if let Some((_, parts)) = store.current()? {
        return Ok(Trust::Pinned(Anchors::from_pem(&parts.anchors)?));
    }
    let api_key = api_key.ok_or(NoApiKey::Nowhere)?.read()?;
    Ok(Trust::Fingerprint(api_key.pin()))
}

fn anchors(file: &Path) -> Result<Anchors> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Anchors::from_pem(&text).with_context(|| format!("{} holds no certificates", file.display()))
}

fn merged(mut config: Config, overrides: &Overrides, dir: Option<&Path>) -> Config {
    let Overrides { masters, apikey_file: _, name, ca_file, ca_fingerprint, key_kind } = overrides.clone();
    if !masters.is_empty() {
        config.masters = masters;
    }
    if ca_file.is_some() || ca_fingerprint.is_some() {
        (config.ca_file, config.ca_fingerprint) = (ca_file, ca_fingerprint);
    }
    config.name = name.or(config.name);
    config.key.kind = key_kind.unwrap_or(config.key.kind);
    config.state_dir = dir.map_or(config.state_dir, Path::to_owned);
    config
}

fn settings(config: &Config, api_key: Option<Source>) -> Result<Settings> {
    let facts = facts::gather(Path::new("/"));
    let own_name = || {
        facts
            .host_names
            .first()
            .context("this host has no name; choose one with `name`")?
            .as_str()
            .parse()
            .context("the host name")
    };
    Ok(Settings {
        name: config.name.clone().map_or_else(own_name, Ok)?,
        facts: facts.clone(),
        key_kind: config.key.kind,
        api_key,
        policy: config.renewal.policy(),
        pace: config.renewal.pace(),
        tolerance: tolerance(config),
        outputs: config.output.clone(),
        hooks: config.hook.clone(),
        metrics_file: config.metrics_file.clone(),
    })
}

fn tolerance(config: &Config) -> ClockTolerance {
    ClockTolerance { warn: config.clock.warn.duration(), critical: config.clock.critical.duration() }
}

fn master_time() -> MasterTime {
    MasterTime::new(std::sync::Arc::new(SystemClock))
}

async fn download(wiring: Wiring, json: bool) -> Result<Exit> {
    wiring.begin_logging();
    let store = Store::open(&wiring.config.state_dir)?;
    let _lock = store.lock()?;
    once(&mut wiring.daemon(store)?, json).await
}

/// One step, and how things are after it.
async fn once(daemon: &mut Daemon<Client>, json: bool) -> Result<Exit> {
    daemon.step().await;
    let status = daemon.status();
    answer(&status, json)?;
    Ok(exit(&status))
}

async fn run(mut wiring: Wiring) -> Result<Exit> {
    wiring.begin_logging();
    let mut calls = calls()?;
    loop {
        let store = Store::open(&wiring.config.state_dir)?;
        let _lock = store.lock()?;
        let mut daemon = wiring.daemon(store)?;
        match daemon.run(&mut calls).await {
            Ended::Stopped => break,
            Ended::Reload => match wiring.reloaded() {
                Ok(anew) => wiring = anew,
                Err(error) => error!(error = format!("{error:#}"), "the configuration stays as it was"),
            },
        }
        systemd::reloading();
    }
    systemd::stopping();
    info!("stopped");
    Ok(Exit::Done)
}

/// Signals as calls: SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 renews.
fn calls() -> Result<mpsc::Receiver<Call>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, calls) = mpsc::channel(4);
    let kinds = [
        (SignalKind::terminate(), Call::Stop),
        (SignalKind::interrupt(), Call::Stop),
        (SignalKind::hangup(), Call::Reload),
        (SignalKind::user_defined1(), Call::Renew),
    ];
    for (kind, call) in kinds {
        let (mut signals, tell) = (signal(kind)?, tell.clone());
        tokio::spawn(async move { while signals.recv().await.is_some() && tell.send(call).await.is_ok() {} });
    }
    Ok(calls)
}

fn status(config: &Config, json: bool) -> Result<Exit> {
    let store = Store::open(&config.state_dir)?;
    let held = store.current()?.and_then(|(_, parts)| Bundle::recall(parts).ok());
    let state: State = store.load_state()?.unwrap_or_default();
    let time = master_time();
    if let Some(measured) = state.clock {
        time.observe(measured.skew);
    }
    let status = Status::of(held.as_ref(), &state, tolerance(config), time.now());
    answer(&status, json)?;
    Ok(exit(&status))
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

/// Renews now. A running daemon holds the identity: it is asked to do it, and watched.
async fn renew(wiring: Wiring, json: bool) -> Result<Exit> {
    wiring.begin_logging();
    let store = Store::open(&wiring.config.state_dir)?;
    let _lock = match store.lock() {
        Err(StoreError::Locked { holder, .. }) => return renew_by(&holder, &wiring.config, json).await,
        lock => lock?,
    };
    let mut daemon = wiring.daemon(store)?;
    daemon.renew_now();
    once(&mut daemon, json).await
}

/// The daemon keeps the floor between two calls: it may take that long.
async fn renew_by(holder: &str, config: &Config, json: bool) -> Result<Exit> {
    let store = Store::open(&config.state_dir)?;
    let before = store.current()?.map(|(number, _)| number);
    let pid = holder.parse().ok().and_then(Pid::from_raw).context("the daemon's lock names no process")?;
    kill_process(pid, Signal::USR1)
        .with_context(|| format!("the daemon (process {holder}) cannot be asked"))?;
    info!(pid = holder, "the daemon was asked to renew");
    let patience = config.renewal.pace().floor + config.http.timeout.duration();
    let clock = SystemClock;
    let end = clock.boot() + patience;
    while clock.boot() < end && store.current()?.map(|(number, _)| number) == before {
        clock.sleep(LOOK_AGAIN).await;
    }
    let renewed = store.current()?.map(|(number, _)| number) != before;
    let exit = status(config, json)?;
    Ok(if renewed { exit } else { Exit::Later })
}

/// While the daemon is watched.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

async fn check(wiring: Wiring, json: bool) -> Result<Exit> {
    let store = Store::open(&wiring.config.state_dir)?;
    let time = master_time();
    let endpoint = wiring.endpoint(&store);
    let client = |url: &MasterUrl| {
        let endpoint = endpoint.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Client::new(Endpoint { masters: vec![url.clone()], ..endpoint.clone() }, time.clone()))
    };
    let subject = check::Subject {
        store: &store,
        api_key: wiring.api_key.as_ref(),
        masters: wiring.config.masters.iter().map(|url| (url.clone(), client(url))).collect(),
        time: time.clone(),
        tolerance: tolerance(&wiring.config),
        outputs: &wiring.config.output,
    };
    let findings = check::look(subject).await;
    answer(&findings, json)?;
    Ok(match findings.worst() {
        Severity::Fine => Exit::Done,
        Severity::Warning => Exit::Later,
        Severity::Broken => Exit::Human,
    })
}

fn answer(what: &(impl Serialize + fmt::Display), json: bool) -> Result<()> {
    if json { print(&format!("{}\n", serde_json::to_string_pretty(what)?)) } else { print(&what.to_string()) }
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("standard output cannot be written")
}

/// An error with its causes, and what to try: for the last words of the program.
#[must_use]
pub fn last_words(error: &anyhow::Error) -> (String, Option<String>) {
    let hint = error.chain().find_map(|cause| {
        let no_key = cause.downcast_ref::<NoApiKey>().map(|_| {
            "put an API key into a file and name it with --apikey-file, or give the unit a credential `apikey`".to_owned()
        });
        let locked = || matches!(cause.downcast_ref(), Some(StoreError::Locked { .. })).then(|| "`gatepass renew` asks the running one".to_owned());
        no_key.or_else(locked)
    });
    (whole(error.as_ref()), hint)
}
