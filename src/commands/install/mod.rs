//! `install`, `uninstall`, `adopt`, `seal`, `deregister`: how this host comes to be an agent, and stops being one.

mod adopt;
mod leave;
mod seal;
mod settle;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gatepass_contract::id::AgentId;

pub(super) use adopt::adopt;
pub(super) use leave::{deregister, uninstall};
pub(super) use seal::seal;

use super::{Exit, print};
use crate::cli::{InstallArgs, Overrides};
use crate::config::DEFAULT_PATH;
use crate::credential::{self, NoApiKey, Source};
use crate::install::{self, Event, InstallError, Native, Plan, Service, Standing};
use crate::store::Store;

/// Why a command of these was not even begun, or not finished.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It changes the system.
    #[error("only root can do this")]
    NotRoot,
    /// Neither on the command line nor in the configuration.
    #[error("no master is named")]
    NoMaster,
    /// An existing configuration is never overruled in silence.
    #[error("{} is there and says otherwise than this command line", .0.display())]
    Otherwise(PathBuf),
    /// A path that the unit could not name.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// The identity is in use.
    #[error("an agent is at work in {} (process {holder})", root.display())]
    AtWork {
        /// Its state directory.
        root: PathBuf,
        /// Its process.
        holder: String,
    },
    /// The host was to leave, and the master does not know.
    #[error("the master could not be told that agent {agent} leaves: {reason}")]
    NotTold {
        /// Who it is.
        agent: AgentId,
        /// Why not.
        reason: String,
    },
    /// There is nothing there to be adopted.
    #[error("{} cannot be adopted: {reason}", dir.display())]
    Unfit {
        /// Where it was looked for.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Refused {
    /// How the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NoMaster | Self::Otherwise(_) | Self::Relative(_) | Self::Unfit { .. } => Exit::Usage,
            Self::NotRoot | Self::AtWork { .. } => Exit::Failed,
            Self::NotTold { .. } => Exit::Later,
        }
    }

    /// What to try.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotRoot => "run it with sudo; --dry-run shows what it would do".to_owned(),
            Self::NoMaster => "--master https://master.example.com:31116".to_owned(),
            Self::Otherwise(path) => format!("edit {}, or leave out what it says already", path.display()),
            Self::Relative(_) => "begin it with /".to_owned(),
            Self::AtWork { .. } => format!("stop it first: systemctl stop {}", install::UNIT),
            Self::NotTold { agent, .. } => format!(
                "try again later; or go on with --force, and have an administrator run `gatepassctl agent revoke {agent}`"
            ),
            Self::Unfit { .. } => "name the directory that holds ca.crt, tls.crt and tls.key".to_owned(),
        }
    }
}

impl From<Standing> for Exit {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Failed => Self::Failed,
            Standing::Later => Self::Later,
            Standing::Human => Self::Human,
        }
    }
}

/// Tells events: lines as talk and the last as the answer, or all of them as objects.
pub(super) fn tell(json: bool) -> impl FnMut(Event) {
    move |event| {
        // Whoever listens no more does not stop an installation.
        _ = match (&event, json) {
            (_, true) => print(&format!("{}\n", serde_json::to_string(&event).expect("plain data"))),
            (Event::Finished { .. }, false) => print(&format!("{event}\n")),
            (_, false) => writeln!(std::io::stderr(), "gatepass: {event}").map_err(Into::into),
        };
    }
}

pub(super) async fn install(
    file: Option<&Path>,
    args: InstallArgs,
    overrides: &Overrides,
    json: bool,
) -> Result<Exit> {
    let config = config_path(file)?;
    must_be_root(args.dry_run)?;
    let settled = settle::settle(&config, overrides)?;
    let service = Service::here();
    // What was adopted serves until a renewal of it is due.
    let later = args.enrol_later || settled.config.adopted.dir.is_some();
    let native = Native {
        api_key: api_key(overrides, &settled.config.state_dir, later)?,
        config,
        text: settled.text,
        keep: settled.keep,
        state_dir: settled.config.state_dir,
        patience: (!later).then(|| args.wait.duration()),
        program: program()?,
        service,
    };
    let mut tell = tell(json);
    if service == Service::None {
        tell(Event::Note {
            what: "no systemd runs here: this host is enrolled once, and nothing keeps its identity alive; \
                   have your own supervisor run `gatepass run` as the user gatepass"
                .to_owned(),
        });
    }
    carry_out(&install::plan(&native), args.dry_run, &mut tell).await
}

async fn carry_out(plan: &Plan, dry_run: bool, tell: &mut impl FnMut(Event)) -> Result<Exit> {
    let ended = if dry_run { install::dry_run(plan, tell).await } else { install::apply(plan, tell).await };
    ended?;
    Ok(Exit::Done)
}

fn must_be_root(dry_run: bool) -> Result<(), Refused> {
    if dry_run || rustix::process::geteuid().is_root() { Ok(()) } else { Err(Refused::NotRoot) }
}

fn config_path(file: Option<&Path>) -> Result<PathBuf, Refused> {
    let path = file.unwrap_or(Path::new(DEFAULT_PATH));
    if path.is_absolute() { Ok(path.to_owned()) } else { Err(Refused::Relative(path.to_owned())) }
}

/// What was given, else what an earlier installation left; needed only where there is no identity yet.
fn api_key(overrides: &Overrides, state_dir: &Path, later: bool) -> Result<Option<Source>> {
    let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let kept = Path::new(install::KEY);
    let kept = kept.exists().then_some(kept);
    let found = credential::find(overrides.apikey_file.as_deref(), kept, env);
    let has_identity =
        || Store::open(state_dir).and_then(|store| store.current()).is_ok_and(|held| held.is_some());
    if found.is_none() && !later && !has_identity() {
        return Err(NoApiKey::Nowhere.into());
    }
    if let Some(source) = &found {
        source.read()?; // a typing error is found before anything is done
    }
    Ok(found)
}

/// Where it is, if that is a place for programs; else where it will be.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program's own file")?;
    let places = ["/usr/bin", "/usr/local/bin"];
    let stays = places.iter().any(|dir| own.parent() == Some(Path::new(dir)));
    Ok(if stays { own } else { "/usr/local/bin/gatepass".into() })
}

/// Exit code and hint of what went wrong here.
pub(super) fn verdict(error: &anyhow::Error) -> Option<(Exit, Option<String>)> {
    let refused = error.downcast_ref::<Refused>().map(|refused| (refused.exit(), Some(refused.hint())));
    refused.or_else(|| {
        let error = error.downcast_ref::<InstallError>()?;
        Some((error.standing().into(), error.hint()))
    })
}
