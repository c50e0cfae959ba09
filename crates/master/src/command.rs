//! Carries out what the command line asks, and says how it went.

use std::error::Error as _;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use gatepass_contract::name::HostName;
use ipnet::IpNet;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::{
    Arguments, AuditCommand, Command, ConfigCommand, DevArguments, InitArguments, Lifetimes, ServeArguments,
};
use crate::clock;
use crate::config::{Config, ConfigError, Log, LogFormat, LogLevel, ServerName};
use crate::domain::audit::{Broken, Head, Record, follow};
use crate::http;
use crate::init::{self, InitError, file};
use crate::output::{answer, talk};
use crate::serve::{self, ServeError};
use crate::store::{Store, StoreError};
use crate::tasks;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No master was set up.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The master cannot run.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit's chain does not hold.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Nobody reads the answer, or a signal cannot be waited for.
    #[error("the system refused")]
    Io(#[from] io::Error),
}

impl CommandError {
    /// What happened, why, and what to try next, on standard error.
    pub fn explain(&self) {
        let mut message = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        talk(format_args!("gatepass-master: error: {message}"));
        if let Some(hint) = self.hint() {
            talk(format_args!("gatepass-master: hint: {hint}"));
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(ConfigError::Parse { meant: Some(meant), .. }) => {
                Some(format!("did you mean `{meant}`?"))
            }
            Self::Config(ConfigError::Read { .. }) | Self::Serve(ServeError::NoMaster(_)) => Some(
                "set a master up with `gatepass-master init`, or name its directory with --dir".to_owned(),
            ),
            Self::Init(InitError::Exists(dir)) => Some(format!(
                "run it with `gatepass-master serve --dir {}`, or choose another directory",
                dir.display()
            )),
            Self::Serve(ServeError::Listen { .. }) => Some("choose another port with --listen".to_owned()),
            Self::Broken(_) => Some("somebody changed the audit: compare with an earlier export".to_owned()),
            Self::Config(_) | Self::Init(_) | Self::Serve(_) | Self::Store(_) | Self::Io(_) => None,
        }
    }

    /// 0 done, 1 failed, 2 usage, 3 try again later, 4 a person must act.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Init(InitError::Exists(_)) | Self::Serve(ServeError::NoMaster(_)) => 4,
            Self::Init(_) | Self::Serve(_) | Self::Store(_) | Self::Broken(_) | Self::Io(_) => 1,
        }
    }
}

/// Does it.
pub fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Init(arguments) => init(arguments),
        Command::Serve(arguments) => serve(arguments),
        Command::Dev(arguments) => dev(&arguments),
        Command::Openapi => Ok(answer(http::document().to_pretty_json().expect("a document is plain JSON"))?),
        Command::Audit(AuditCommand::Export(place)) => audit(&place.dir, |record| {
            Ok(answer(serde_json::to_string(record).expect("a record is plain JSON"))?)
        }),
        Command::Audit(AuditCommand::Verify(place)) => verify(&place.dir),
        Command::Config(ConfigCommand::Validate { file }) => {
            Config::from_file(&file)?;
            Ok(answer(format_args!("{} is valid", file.display()))?)
        }
        Command::Config(ConfigCommand::Show(place)) => {
            let config = Config::from_file(&place.dir.join(file::CONFIG))?;
            Ok(answer(toml::to_string(&config).expect("a configuration can be written"))?)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "gatepass-master", &mut io::stdout());
            Ok(())
        }
    }
}

fn init(arguments: InitArguments) -> Result<(), CommandError> {
    let mut config = Config { names: arguments.names, ..Config::default() };
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.trust_domain = arguments.trust_domain.unwrap_or(config.trust_domain);
    config.profile.jwt_algorithm = arguments.jwt_algorithm.unwrap_or(config.profile.jwt_algorithm);
    override_lifetimes(&mut config, arguments.lifetimes);
    let dir = arguments.dir;
    let key = once(init::init(&dir, &config, clock::now()))?;
    let shown = dir.display();
    talk(format_args!(
        "gatepass-master: set up in {shown}; the first administrator's API key, also in {shown}/admin.key:"
    ));
    answer(key.reveal().as_str())?;
    talk(format_args!("gatepass-master: next: gatepass-master serve --dir {shown}"));
    Ok(())
}

fn override_lifetimes(config: &mut Config, lifetimes: Lifetimes) {
    let profile = &mut config.profile;
    profile.lifetime = lifetimes.lifetime.unwrap_or(profile.lifetime);
    profile.token_lifetime = lifetimes.token_lifetime.unwrap_or(profile.token_lifetime);
}

fn serve(arguments: ServeArguments) -> Result<(), CommandError> {
    let dir = arguments.place.dir;
    let mut config = configuration(&dir)?;
    config.listen = arguments.listen.unwrap_or(config.listen);
    start_log(config.log);
    runtime(&config)?.block_on(serve_until_told(&dir, &config, |_| {}))
}

fn configuration(dir: &Path) -> Result<Config, CommandError> {
    let path = dir.join(file::CONFIG);
    if path.exists() {
        Ok(Config::from_file(&path)?)
    } else {
        Err(ServeError::NoMaster(dir.to_owned()).into())
    }
}

fn dev(arguments: &DevArguments) -> Result<(), CommandError> {
    let dir = &arguments.dir;
    if !dir.join(file::CONFIG).exists() {
        once(init::init(dir, &dev_config(arguments), clock::now()))?;
    }
    let mut config = configuration(dir)?;
    config.listen = arguments.listen;
    override_lifetimes(&mut config, arguments.lifetimes);
    start_log(config.log);
    let dir = std::path::absolute(dir)?;
    runtime(&config)?.block_on(serve_until_told(&dir, &config, |url| next_steps(&dir, url)))
}

/// For trying out: this machine's names, and every name and address a host claims is granted.
fn dev_config(arguments: &DevArguments) -> Config {
    let mut names: Vec<ServerName> =
        ["localhost", "127.0.0.1", "::1"].map(|name| name.parse().expect("a name")).into();
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    names.extend(host.parse::<HostName>().ok().map(ServerName::Host).filter(|own| !names.contains(own)));
    let mut config = Config { names, listen: arguments.listen, ..Config::default() };
    config.profile.host_names = vec!["*".to_owned()];
    config.profile.networks =
        ["0.0.0.0/0", "::/0"].map(|all| all.parse::<IpNet>().expect("a network")).into();
    override_lifetimes(&mut config, arguments.lifetimes);
    config
}

fn next_steps(dir: &Path, url: &str) {
    let dir = dir.display();
    talk(format_args!(
        "gatepass-master: for trying out; everything is in {dir}\n\
         gatepass-master: make an API key:  gatepassctl --master {url} --apikey-file {dir}/admin.key key create --help\n\
         gatepass-master: enrol a host:     gatepass download --help\n\
         gatepass-master: look around:      curl --cacert {dir}/root-ca.crt {url}/api/v1/time\n\
         gatepass-master: end:              Ctrl-C"
    ));
}

/// Serves until SIGTERM or SIGINT. The one line on stdout says that it is ready, and where.
async fn serve_until_told(dir: &Path, config: &Config, ready: impl FnOnce(&str)) -> Result<(), CommandError> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let bound = serve::bind(dir, config).await?;
    let url = config.url(bound.address().port());
    info!(%url, address = %bound.address(), dir = %dir.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    answer(format_args!("listening on {url}"))?;
    ready(&url);
    tasks::tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on {url}"))]);
    let told = async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tasks::tell(&[NotifyState::Stopping]);
    };
    bound.run(told).await;
    Ok(())
}

fn runtime(config: &Config) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(config.workers.into())
        .thread_name("worker")
        .max_blocking_threads(4)
        .enable_all()
        .build()
}

/// For commands that do one thing and are done.
fn once<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, CommandError>
where
    CommandError: From<E>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work)?)
}

/// Our own events at the wanted level; of the libraries', only warnings, unless everything is asked for.
fn start_log(log: Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    let filter = Targets::new().with_default(others).with_target("gatepass_master", level);
    let format = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    // A line that cannot be written, on a full disk for example, is lost. To complain about it on the same way would
    // end the thread that wrote it.
    let format = format.log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    // Fails only when a log was started before, and then there is one.
    let _ = match log.format {
        LogFormat::Text => registry.with(format.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(format.json()).try_init(),
    };
}

/// Hands every record to `each`, oldest first.
fn audit(dir: &Path, mut each: impl FnMut(&Record) -> Result<(), CommandError>) -> Result<(), CommandError> {
    let database = dir.join(file::DATABASE);
    if !database.exists() {
        return Err(ServeError::NoMaster(dir.to_owned()).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = Store::open(&database)?;
    let mut after = 0;
    loop {
        let page = runtime.block_on(store.audit_records(after, RECORDS_AT_ONCE))?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        page.iter().try_for_each(&mut each)?;
    }
    runtime.block_on(store.close());
    Ok(())
}

const RECORDS_AT_ONCE: u32 = 1000;

fn verify(dir: &Path) -> Result<(), CommandError> {
    let mut head = Head::EMPTY;
    audit(dir, |record| {
        head = follow(head, record.clone())?;
        Ok(())
    })?;
    Ok(answer(format_args!("{} records, the last one has the hash {}", head.seq, head.hash))?)
}
