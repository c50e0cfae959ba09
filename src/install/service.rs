//! Bringing an agent to life: under systemd, or on its own.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::disk::{MYSELF, look_at_file, place};
use super::enrolment::become_user;
use super::error::{At as _, Failure};
use super::host::{Owner, find_user, tool};
use super::journal::{Kept, Made};
use super::step::Look;
use crate::clock::{Clock as _, SystemClock};
use crate::credential::ENVIRONMENT;
use crate::store::Store;

/// Where an administrator's units are.
pub(super) const UNITS: &str = "/etc/systemd/system";

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// With `.service`.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Unit {
    fn path(&self) -> PathBuf {
        Path::new(UNITS).join(&self.name)
    }

    pub(super) async fn look(&self) -> Result<Look, Failure> {
        look_at_unit(&self.name, self.path(), &self.text).await
    }

    pub(super) async fn act(&self) -> Result<(), Failure> {
        place(&self.path(), self.text.as_bytes(), 0o644, &Owner::default())?;
        reload().await
    }
}

/// What one unit of this host has beyond its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    /// The unit's name, with `.service`.
    pub unit: String,
    /// Its own, without `.conf`.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl DropIn {
    /// Its file; the directory is there already.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.d/{}.conf", self.unit, self.name))
    }

    pub(super) async fn look(&self) -> Result<Look, Failure> {
        look_at_unit(&self.unit, self.path(), &self.text).await
    }

    pub(super) async fn act(&self) -> Result<(), Failure> {
        place(&self.path(), self.text.as_bytes(), 0o644, &Owner::default())?;
        reload().await
    }
}

async fn look_at_unit(unit: &str, path: PathBuf, text: &str) -> Result<Look, Failure> {
    let Some(found) = look_at_file(&path)? else {
        return Ok(Look::Wanting(Made::Unit { path, before: None }));
    };
    let same = fs::read(&path).at("read", &path)? == text.as_bytes();
    if same && show(unit, "NeedDaemonReload").await? == "no" {
        return Ok(Look::Fine);
    }
    let before = Some(Kept::of(&path, &found));
    Ok(Look::Wanting(Made::Unit { path, before }))
}

fn systemctl(args: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(["--no-ask-password", "--no-pager"]).args(args);
    command
}

pub(super) async fn reload() -> Result<(), Failure> {
    tool(&mut systemctl(&["daemon-reload"])).await.map(drop)
}

async fn show(unit: &str, property: &str) -> Result<String, Failure> {
    tool(&mut systemctl(&["show", "--value", "--property", property, unit])).await
}

pub(super) async fn look_enabled(unit: &str) -> Result<Look, Failure> {
    let fine = show(unit, "UnitFileState").await? == "enabled";
    Ok(if fine { Look::Fine } else { Look::Wanting(Made::Enabled { unit: unit.to_owned() }) })
}

pub(super) async fn enable(unit: &str) -> Result<(), Failure> {
    tool(&mut systemctl(&["enable", unit])).await.map(drop)
}

pub(super) async fn disable(unit: &str) -> Result<(), Failure> {
    tool(&mut systemctl(&["disable", unit])).await.map(drop)
}

/// Whether it runs.
pub async fn is_active(unit: &str) -> Result<bool, Failure> {
    Ok(show(unit, "ActiveState").await? == "active")
}

pub(super) async fn look_started(unit: &str, changed: bool) -> Result<Look, Failure> {
    let unit_name = unit.to_owned();
    Ok(match (is_active(unit).await?, changed) {
        (true, false) => Look::Fine,
        (true, true) => Look::Wanting(Made::Restarted { unit: unit_name }),
        (false, _) => Look::Wanting(Made::Started { unit: unit_name }),
    })
}

/// When this returns, the agent has told systemd that it is ready: its first step is over.
pub async fn start(unit: &str) -> Result<(), Failure> {
    let started = tool(&mut systemctl(&["restart", unit])).await;
    if started.is_ok() && is_active(unit).await? {
        return Ok(());
    }
    let (result, word) = (show(unit, "Result").await?, show(unit, "StatusText").await?);
    let said = started.err().map(|error| error.to_string()).unwrap_or_default();
    let reason =
        [result, word, said].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    Err(Failure::NotRunning { what: unit.to_owned(), reason })
}

/// Until it has ended.
pub async fn stop(unit: &str) -> Result<(), Failure> {
    tool(&mut systemctl(&["stop", unit])).await.map(drop)
}

/// An agent that runs on its own, where there is no service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawned {
    /// Its configuration, readable by the user.
    pub config: PathBuf,
    /// Its state directory, by that configuration.
    pub state_dir: PathBuf,
    /// As whom it runs; as whoever installs where absent.
    pub user: Option<String>,
    /// Where its log goes; it is appended to.
    pub log: PathBuf,
    /// Which program; this one where absent.
    pub program: Option<PathBuf>,
}

/// Until it holds its directory.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// It finishes its step; hooks are waited for.
const STOPS_WITHIN: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Spawned {
    pub(super) fn look(&self) -> Look {
        let fine = Store::open(&self.state_dir).is_ok_and(|store| store.writer().is_some());
        let state_dir = self.state_dir.clone();
        if fine { Look::Fine } else { Look::Wanting(Made::Spawned { state_dir }) }
    }

    /// Starts it and waits until it works.
    pub async fn act(&self) -> Result<(), Failure> {
        let owner = Owner { user: self.user.clone(), group: None };
        let mut options = OpenOptions::new();
        let log = options.create(true).append(true).mode(0o640).open(&self.log).at("open", &self.log)?;
        owner.give(&self.log)?;
        let mut command = Command::new(self.program.as_deref().unwrap_or(Path::new(MYSELF)));
        command.arg("--config").arg(&self.config).arg("run").env_remove(ENVIRONMENT).current_dir("/");
        if let Some(name) = &self.user {
            become_user(&mut command, &find_user(name)?);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let mut child = command.spawn().at("run", self.program.as_deref().unwrap_or(Path::new(MYSELF)))?;
        let (clock, pid) = (SystemClock, child.id());
        let end = clock.boot() + STARTS_WITHIN;
        while clock.boot() < end {
            if writer(&self.state_dir).is_some_and(|writer| Some(writer) == pid) {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(self.not_running(&format!("it ended with {status}")));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
        _ = child.start_kill();
        Err(self.not_running("it does not get to work"))
    }

    fn not_running(&self, what: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or_default();
        Failure::NotRunning {
            what: format!("the agent for {}", self.state_dir.display()),
            reason: format!("{what}: {last}"),
        }
    }
}

fn writer(state_dir: &Path) -> Option<u32> {
    Store::open(state_dir).ok()?.writer()?.parse().ok()
}

/// Asks the agent that works there to end, and waits for it.
pub async fn stop_spawned(state_dir: &Path) -> Result<(), Failure> {
    let Some(pid) = writer(state_dir) else { return Ok(()) };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return Ok(()) };
    match kill_process(pid, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(error.into()).at("stop the agent of", state_dir),
    }
    let clock = SystemClock;
    let end = clock.boot() + STOPS_WITHIN;
    while writer(state_dir).is_some() {
        if clock.boot() > end {
            let still = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(still).at("stop the agent of", state_dir);
        }
        clock.sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
