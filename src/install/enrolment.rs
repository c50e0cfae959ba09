//! Getting an identity, as the user whose it will be.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::disk::MYSELF;
use super::error::{At as _, Failure, Standing};
use super::host::find_user;
use super::journal::Made;
use super::step::Look;
use crate::bundle::Bundle;
use crate::clock::{Clock as _, SystemClock};
use crate::credential::{ENVIRONMENT, Source};
use crate::state::{State, Trouble};
use crate::store::Store;

/// The host gets an identity: one visit to the master, as the daemon makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The configuration, readable by the user.
    pub config: PathBuf,
    /// Where the identity goes, by that configuration.
    pub state_dir: PathBuf,
    /// Whose it is; whoever installs where absent.
    pub user: Option<String>,
    /// The API key, handed over on standard input: it is neither in an argument nor in an environment.
    pub api_key: Option<Source>,
    /// For how long a master that is busy or away is asked again.
    pub patience: Duration,
}

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(3);

impl Enrolment {
    pub(super) fn look(&self) -> Look {
        if holds_identity(&self.state_dir) {
            return Look::Fine;
        }
        let (config, state_dir, user) = (self.config.clone(), self.state_dir.clone(), self.user.clone());
        Look::Wanting(Made::Identity { config, state_dir, user, unit: None })
    }

    pub(super) async fn act(&self) -> Result<(), Failure> {
        let clock = SystemClock;
        let end = clock.boot() + self.patience;
        loop {
            match self.once().await {
                Err(Failure::Enrolment { standing: Standing::Later, .. }) if clock.boot() + PAUSE < end => {
                    clock.sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    async fn once(&self) -> Result<(), Failure> {
        // A run that was stopped may have left its child at work.
        wait_for_writer(&self.state_dir).await;
        let key = self.api_key.as_ref().map(Source::read).transpose()?;
        let mut args = vec!["--json", "download"];
        if key.is_some() {
            args.extend(["--apikey-file", "-"]);
        }
        let ended = as_user(&self.config, self.user.as_deref(), &args, key.map(|key| key.reveal())).await?;
        let said = String::from_utf8_lossy(&ended.stderr);
        for line in said.lines() {
            tracing::debug!(line, "the agent says");
        }
        if ended.status.code() == Some(0) && holds_identity(&self.state_dir) {
            Ok(())
        } else {
            Err(judge(&ended))
        }
    }
}

/// A unit that was just started gets an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its configuration.
    pub config: PathBuf,
    /// Its state directory, by that configuration.
    pub state_dir: PathBuf,
    /// Its name, with `.service`.
    pub unit: String,
    /// How long it may take.
    pub patience: Duration,
}

const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Joined {
    pub(super) fn look(&self) -> Look {
        if holds_identity(&self.state_dir) {
            return Look::Fine;
        }
        let (config, state_dir, unit) =
            (self.config.clone(), self.state_dir.clone(), Some(self.unit.clone()));
        Look::Wanting(Made::Identity { config, state_dir, user: None, unit })
    }

    pub(super) async fn act(&self) -> Result<(), Failure> {
        let clock = SystemClock;
        let end = clock.boot() + self.patience;
        loop {
            if holds_identity(&self.state_dir) {
                return Ok(());
            }
            let trouble = self.trouble();
            let needs_human = trouble.as_ref().is_some_and(|trouble| trouble.needs_human);
            if needs_human || clock.boot() >= end {
                return Err(self.not_yet(trouble));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        let state = Store::open(&self.state_dir).and_then(|store| store.load_state::<State>());
        state.ok().flatten()?.trouble
    }

    fn not_yet(&self, trouble: Option<Trouble>) -> Failure {
        let standing = if trouble.as_ref().is_some_and(|trouble| trouble.needs_human) {
            Standing::Human
        } else {
            Standing::Later
        };
        let hint = trouble.as_ref().and_then(|trouble| trouble.hint.clone());
        let reason =
            trouble.map_or_else(|| format!("no word from {} yet", self.unit), |trouble| trouble.message);
        Failure::Enrolment { reason, hint, standing }
    }
}

/// Whether there is one that can be read, good or not: an old one is for the agent to renew.
pub(super) fn holds_identity(state_dir: &Path) -> bool {
    let held = Store::open(state_dir).and_then(|store| store.current());
    held.is_ok_and(|held| held.is_some_and(|(_, parts)| Bundle::recall(parts).is_ok()))
}

/// Until nobody writes there any more, but not for ever.
async fn wait_for_writer(state_dir: &Path) {
    let clock = SystemClock;
    let end = clock.boot() + Duration::from_mins(1);
    while Store::open(state_dir).is_ok_and(|store| store.writer().is_some()) && clock.boot() < end {
        clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Runs this program with that configuration as that user, to its end.
pub async fn as_user(
    config: &Path,
    user: Option<&str>,
    args: &[&str],
    input: Option<Zeroizing<String>>,
) -> Result<Output, Failure> {
    let mut command = Command::new(MYSELF);
    command.arg("--config").arg(config).args(args).env_remove(ENVIRONMENT).current_dir("/");
    if let Some(name) = user {
        become_user(&mut command, &find_user(name)?);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = async {
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        match stdin.write_all(input.as_deref().map_or("", |text| text).as_bytes()).await {
            // It had no use for it.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => drop(stdin),
        }
        child.wait_with_output().await
    };
    run.await.at("run", Path::new(MYSELF))
}

/// No groups but its own: whatever else the installer belongs to is left behind.
pub(super) fn become_user(command: &mut Command, user: &nix::unistd::User) {
    if user.uid != nix::unistd::geteuid() {
        command.gid(user.gid.as_raw()).uid(user.uid.as_raw());
    }
    command.env("HOME", &user.dir).env("USER", &user.name);
}

/// What the agent's last words come to.
fn judge(ended: &Output) -> Failure {
    let status: Option<Value> = serde_json::from_slice(&ended.stdout).ok();
    let trouble = status.as_ref().map(|status| &status["trouble"]).filter(|trouble| !trouble.is_null());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let said = String::from_utf8_lossy(&ended.stderr);
    let last = |mark: &str| said.lines().rev().find_map(|line| line.strip_prefix(mark)).map(str::to_owned);
    let reason = trouble.and_then(|trouble| text(&trouble["message"])).or_else(|| last("gatepass: error: "));
    let signal = || ended.status.signal().map(|signal| format!("the agent was ended by signal {signal}"));
    Failure::Enrolment {
        reason: reason.or_else(signal).unwrap_or_else(|| format!("the agent ended with {}", ended.status)),
        hint: trouble.and_then(|trouble| text(&trouble["hint"])).or_else(|| last("gatepass: hint: ")),
        standing: match (ended.status.code(), trouble.map(|trouble| trouble["needsHuman"] == true)) {
            (Some(4), _) | (_, Some(true)) => Standing::Human,
            (Some(3), _) | (Some(1), Some(false)) => Standing::Later,
            _ => Standing::Failed,
        },
    }
}
