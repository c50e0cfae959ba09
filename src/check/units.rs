//! What systemd says of a unit, where there is one to ask.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// What is known of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: String,
    load: String,
    file: String,
    pub(super) active: String,
    pub(super) sub: String,
    pub(super) result: String,
}

impl Unit {
    /// Whether there is such a unit at all.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.load.as_str(), "not-found" | "")
    }

    /// Whether it starts with the host.
    pub(super) fn is_enabled(&self) -> bool {
        matches!(
            self.file.as_str(),
            "enabled" | "enabled-runtime" | "static" | "indirect" | "generated" | "alias"
        )
    }

    /// Whether it runs, or is about to.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }

    fn read(name: &str, text: &str) -> Self {
        let mut unit = Self { name: name.to_owned(), ..Self::default() };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let place = match key {
                "LoadState" => &mut unit.load,
                "UnitFileState" => &mut unit.file,
                "ActiveState" => &mut unit.active,
                "SubState" => &mut unit.sub,
                "Result" => &mut unit.result,
                _ => continue,
            };
            value.clone_into(place);
        }
        unit
    }
}

/// `None` where there is no systemd, or none that answers.
pub(super) async fn show(unit: &str) -> Option<Unit> {
    let text = ask("systemctl", &["show", PROPERTIES, "--", unit]).await?;
    Some(Unit::read(unit, &text))
}

/// All of it, for people.
pub(super) async fn status(unit: &str) -> Option<String> {
    ask("systemctl", &["status", "--no-pager", "--full", "--lines=0", "--", unit]).await
}

/// The last of its journal.
pub(super) async fn journal(unit: &str) -> Option<String> {
    ask("journalctl", &["--no-pager", "--quiet", "--output=short-iso", "--lines=500", "--unit", unit]).await
}

/// What it prints, whatever its exit code: `systemctl status` of a unit that is down fails and says why.
async fn ask(program: &str, args: &[&str]) -> Option<String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "");
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

const PROPERTIES: &str = "--property=LoadState,UnitFileState,ActiveState,SubState,Result";
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_is_understood() {
        let text = "LoadState=loaded\nUnitFileState=enabled\nActiveState=failed\nSubState=failed\nResult=exit-code\n";
        let unit = Unit::read("gatepass.service", text);
        assert!(unit.is_there() && unit.is_enabled() && !unit.is_active(), "{unit:?}");
        assert_eq!(unit.result, "exit-code");
        let gone = Unit::read("x.service", "LoadState=not-found\nUnitFileState=\nActiveState=inactive\n");
        assert!(!gone.is_there() && !gone.is_enabled(), "{gone:?}");
    }
}
