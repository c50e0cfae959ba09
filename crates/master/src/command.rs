//! Carries out what the command line asks, and says how it went.

mod audit;
mod moves;
mod replay;

use std::error::Error as _;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use gatepass_contract::audit::Broken;
use gatepass_contract::name::HostName;
use ipnet::IpNet;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::backup::BackupError;
use crate::cli::{
    Arguments, AuditCommand, Command, ConfigCommand, DevArguments, InitArguments, Lifetimes, ServeArguments,
};
use crate::clock;
use crate::config::{Config, ConfigError, Log, LogFormat, LogLevel, ServerName};
use crate::http;
use crate::init::{self, InitError, file};
use crate::migrate::MigrateError;
use crate::notify::{NotifyError, TemplateError};
use crate::output::{answer, talk};
use crate::preflight::{Preflight, Verdict};
use crate::serve::{self, ServeError};
use crate::store::{CopyError, StoreError};
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
    /// A template of the notices cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The audit's chain does not hold.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The audit's records are gone.
    #[error("there is not one audit record")]
    NoAudit,
    /// The audit's beginning is gone.
    #[error("the audit begins with record {first}, and no record tells that those before were dropped")]
    Cut {
        /// Its number.
        first: u64,
    },
    /// An export is of another master, or records are missing between the two.
    #[error("the export does not go on where the audit of this master's backup ends")]
    OtherAudit,
    /// Nobody is left who could do it.
    #[error("there is no active administrator")]
    NoAdministrator,
    /// There is no backup, or nothing was restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database has not moved.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database cannot be reached.
    #[error("whether this program can go on is not known now")]
    NotNow,
    /// A newer schema, a configuration that is not accepted.
    #[error("this program cannot go on with what is there")]
    NotReadable,
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
            // Some messages name their causes themselves.
            if !message.contains(&text) {
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
            Self::Init(InitError::Founded) => Some(
                "to have one more master serve it, copy the other's directory, or at least master.toml and master.key"
                    .to_owned(),
            ),
            Self::Serve(ServeError::Listen { .. }) => Some("choose another port with --listen".to_owned()),
            Self::Broken(_) | Self::NoAudit | Self::Cut { .. } => {
                Some("somebody changed the audit: compare with an earlier export".to_owned())
            }
            Self::OtherAudit => Some(
                "export the audit of the master that was lost, from its last backup on: \
                 gatepass-master audit export, or gatepassctl audit export"
                    .to_owned(),
            ),
            Self::Migrate(MigrateError::Copy(CopyError::InUse(_))) => Some("stop the master first".to_owned()),
            Self::Migrate(MigrateError::Copy(CopyError::NotEmpty { .. }))
            | Self::Backup(BackupError::Copy(CopyError::NotEmpty { .. })) => {
                Some("name an empty database; `createdb` makes one".to_owned())
            }
            Self::Template(_) | Self::Serve(ServeError::Notify(NotifyError::Template(_))) => Some(
                "correct the template or take it away; crates/master/templates/README.md lists the names there are".to_owned(),
            ),
            Self::Store(StoreError::Unavailable(_))
            | Self::Init(InitError::Store(StoreError::Unavailable(_)))
            | Self::Serve(ServeError::Store(StoreError::Unavailable(_))) => Some(
                "see that the database is there, can be reached from here and has room, then try again".to_owned(),
            ),
            Self::Config(_)
            | Self::Init(_)
            | Self::Serve(_)
            | Self::Store(_)
            | Self::NoAdministrator
            | Self::NotNow
            | Self::NotReadable
            | Self::Backup(_)
            | Self::Migrate(_)
            | Self::Io(_) => None,
        }
    }

    /// 0 done, 1 failed, 2 usage, 3 try again later, 4 a person must act.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        match self {
            Self::NotNow => 3,
            Self::Config(_)
            | Self::Template(_)
            | Self::NotReadable
            | Self::Init(InitError::Exists(_) | InitError::Founded)
            | Self::Serve(ServeError::NoMaster(_) | ServeError::Notify(_)) => 4,
            Self::Migrate(error) if !matches!(error, MigrateError::Copy(_)) => 4,
            Self::Backup(error) if error.needs_a_person() => 4,
            Self::NoAudit
            | Self::Cut { .. }
            | Self::OtherAudit
            | Self::NoAdministrator
            | Self::Migrate(_)
            | Self::Backup(_)
            | Self::Init(_)
            | Self::Serve(_)
            | Self::Store(_)
            | Self::Broken(_)
            | Self::Io(_) => 1,
        }
    }
}

/// Does it.
pub fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Init(arguments) => init(arguments),
        Command::Serve(arguments) => serve(arguments),
        Command::Dev(arguments) => dev(&arguments),
        Command::Preflight { place, json } => look_ahead(&place.dir, json),
        Command::Openapi => Ok(answer(http::document().to_pretty_json().expect("a document is plain JSON"))?),
        Command::Backup(arguments) => moves::back_up(&arguments),
        Command::Restore(arguments) => moves::restore(arguments),
        Command::Migrate(arguments) => moves::migrate(arguments),
        Command::Audit(AuditCommand::Export(place)) => audit::export(&place.dir),
        Command::Audit(AuditCommand::Verify { place, export }) => {
            audit::verify(&place.dir, export.as_deref())
        }
        Command::Audit(AuditCommand::Replay { place, export, apply }) => {
            replay::replay(&place.dir, &export, apply)
        }
        Command::Config(ConfigCommand::Validate { file }) => {
            let config = Config::from_file(&file)?;
            config.notices.try_templates(file.parent().unwrap_or(Path::new("")), &config.url(0))?;
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

/// For whoever is about to put this program in another's place.
fn look_ahead(dir: &Path, json: bool) -> Result<(), CommandError> {
    let preflight = Preflight::of(dir);
    if json {
        answer(serde_json::to_string_pretty(&preflight).expect("it is plain data"))?;
    } else {
        answer(&preflight)?;
    }
    match preflight.verdict() {
        Verdict::Clear => Ok(()),
        Verdict::Later => Err(CommandError::NotNow),
        Verdict::Human => Err(CommandError::NotReadable),
    }
}

fn init(arguments: InitArguments) -> Result<(), CommandError> {
    let mut config = Config { names: arguments.names, ..Config::default() };
    config.listen = arguments.listen.unwrap_or(config.listen);
    config.database.url = arguments.database_url;
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
        .max_blocking_threads(if config.database.url.is_some() { SHARED_BLOCKING } else { OWN_BLOCKING })
        .enable_all()
        .build()
}

/// Long reads of a database of the master's own; others are answered where they are asked.
const OWN_BLOCKING: usize = 4;
/// Every read of a server's database waits for the network.
const SHARED_BLOCKING: usize = 12;

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
