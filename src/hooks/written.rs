//! `[[hook]]` as the configuration writes it, and what it means.

use std::path::PathBuf;

use gatepass_contract::name::DisplayName;
use gatepass_contract::span::Span;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::window::Window;
use crate::bundle::Change;

/// `[[hook]]`: one thing to do after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Hook {
    pub(super) name: DisplayName,
    pub(super) action: Action,
    pub(super) timeout: Span,
    pub(super) required: bool,
    pub(super) on: Vec<Change>,
    pub(super) debounce: Span,
    pub(super) window: Option<Window>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Run(Vec<String>),
    Reload(String),
    Restart(String),
    Signal { to: Target, signal: SignalName },
}

/// Who is sent a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    PidFile(PathBuf),
    /// Its main process.
    Unit(String),
}

/// The signals that ask a program for something; none that only ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum SignalName {
    Hup,
    Int,
    Quit,
    Term,
    Usr1,
    Usr2,
    Winch,
}

/// A hook as the configuration writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: DisplayName,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<WrittenSignal>,
    #[serde(default = "default_timeout")]
    timeout: Span,
    #[serde(default)]
    required: bool,
    #[serde(default = "default_on")]
    on: Vec<Change>,
    #[serde(default = "default_debounce")]
    debounce: Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSignal {
    #[serde(skip_serializing_if = "Option::is_none")]
    pidfile: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    signal: SignalName,
}

const fn default_timeout() -> Span {
    Span::from_secs(30)
}

const fn default_debounce() -> Span {
    Span::from_secs(0)
}

fn default_on() -> Vec<Change> {
    vec![Change::Certificate]
}

impl TryFrom<Written> for Hook {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, run, reload, restart, signal, timeout, required, on, debounce, window } = written;
        let action = match (run, reload, restart, signal) {
            (Some(command), None, None, None) => absolute(command).map(Action::Run),
            (None, Some(unit), None, None) => unit_name(unit).map(Action::Reload),
            (None, None, Some(unit), None) => unit_name(unit).map(Action::Restart),
            (None, None, None, Some(signal)) => {
                target(signal.pidfile, signal.unit).map(|to| Action::Signal { to, signal: signal.signal })
            }
            _ => Err("needs exactly one of `run`, `reload`, `restart` and `signal`".to_owned()),
        };
        let action = action.map_err(|what| format!("hook `{name}` {what}"))?;
        if timeout.duration().is_zero() || on.is_empty() {
            return Err(format!("hook `{name}` needs a `timeout` above zero and something in `on`"));
        }
        Ok(Self { name, action, timeout, required, on, debounce, window })
    }
}

fn absolute(command: Vec<String>) -> Result<Vec<String>, String> {
    if command.first().is_some_and(|program| program.starts_with('/')) {
        Ok(command)
    } else {
        Err("needs a `run` that begins with the absolute path of a program; no shell is involved".to_owned())
    }
}

fn unit_name(unit: String) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if unit.contains('.') && !unit.starts_with('-') && unit.chars().all(allowed) {
        Ok(unit)
    } else {
        Err(format!("names `{unit}`, which is no systemd unit like `nginx.service`"))
    }
}

fn target(pidfile: Option<PathBuf>, unit: Option<String>) -> Result<Target, String> {
    match (pidfile, unit) {
        (Some(file), None) if file.is_absolute() => Ok(Target::PidFile(file)),
        (None, Some(unit)) => unit_name(unit).map(Target::Unit),
        _ => {
            Err("needs a `signal` with either `pidfile = \"/run/a.pid\"` or `unit = \"a.service\"`"
                .to_owned())
        }
    }
}

impl From<Hook> for Written {
    fn from(hook: Hook) -> Self {
        let Hook { name, action, timeout, required, on, debounce, window } = hook;
        let (run, reload, restart, signal) = (None, None, None, None);
        let plain = Self { name, run, reload, restart, signal, timeout, required, on, debounce, window };
        match action {
            Action::Run(command) => Self { run: Some(command), ..plain },
            Action::Reload(unit) => Self { reload: Some(unit), ..plain },
            Action::Restart(unit) => Self { restart: Some(unit), ..plain },
            Action::Signal { to, signal } => {
                let (pidfile, unit) = match to {
                    Target::PidFile(file) => (Some(file), None),
                    Target::Unit(unit) => (None, Some(unit)),
                };
                Self { signal: Some(WrittenSignal { pidfile, unit, signal }), ..plain }
            }
        }
    }
}

/// Hooks that can be told apart: what waits, and what is reported, goes by the name.
pub fn distinct<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hook>, D::Error> {
    let hooks = Vec::<Hook>::deserialize(from)?;
    for (at, hook) in hooks.iter().enumerate() {
        if hooks[..at].iter().any(|earlier| earlier.name == hook.name) {
            return Err(D::Error::custom(format!("there are two hooks called `{}`", hook.name)));
        }
    }
    Ok(hooks)
}
