//! Whether somebody keeps the identity alive, and nobody else does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_contract::id::AgentId;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;

use super::Subject;
use super::finding::{Finding, Findings, Severity};
use super::id::Id;
use super::units::{self, Unit};
use crate::state::State;

/// The unit, the daemon, and others like it.
pub(super) async fn look(
    subject: &Subject<'_>,
    agent: Option<AgentId>,
    (state, now): (&State, UnixTime),
    findings: &mut Findings,
) {
    let daemon = holder(subject.state_dir);
    findings.add(unit(subject, daemon).await);
    findings.add(alive(subject.state_dir, daemon, now));
    findings.extend(state.trouble.as_ref().map(|trouble| {
        let severity = if trouble.needs_human { Severity::Broken } else { Severity::Warning };
        let message = format!("the last attempt failed at {}: {}", trouble.at, trouble.message);
        Finding::warning(Id::DaemonTrouble, message).as_bad_as(severity).with_hint(trouble.hint.clone())
    }));
    if let Some(agent) = agent {
        findings.add(duplicates(agent, subject.state_dir));
    }
}

/// The process that holds the state directory's lock; its number is 0 where it is not of this PID namespace.
fn holder(state_dir: &Path) -> Option<u32> {
    let inode = fs::metadata(state_dir.join("lock")).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| held_by(line, inode))
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`
fn held_by(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    let is_ours = words.next()? == "FLOCK" && words.nth(1)? == "WRITE";
    let (process, place) = (words.next()?, words.next()?);
    let is_it = is_ours && place.rsplit(':').next()?.parse() == Ok(inode);
    is_it.then(|| process.parse().unwrap_or(0))
}

fn alive(state_dir: &Path, daemon: Option<u32>, now: UnixTime) -> Finding {
    let shown = state_dir.display();
    let Some(process) = daemon else {
        return Finding::fine(Id::DaemonAbsent, format!("no daemon works in {shown}"));
    };
    let said = fs::metadata(state_dir.join("state.json")).map(|meta| UnixTime::from_seconds(meta.mtime()));
    match said {
        Ok(at) if now.since(at) > SILENCE => Finding::warning(
            Id::DaemonStale,
            format!(
                "process {process} works in {shown}, and has said nothing for {}",
                Span::from(now.since(at))
            ),
        ),
        Ok(_) | Err(_) => Finding::fine(Id::DaemonRunning, format!("process {process} works in {shown}")),
    }
}

/// It leaves word at least every quarter of an hour; hooks may take their time.
const SILENCE: Duration = Duration::from_mins(40);

async fn unit(subject: &Subject<'_>, daemon: Option<u32>) -> Finding {
    let name = unit_name(subject.config_file, daemon);
    match units::show(&name).await.filter(Unit::is_there) {
        None => Finding::fine(Id::UnitNone, "no unit of systemd's runs this agent"),
        Some(unit) if !unit.is_active() => Finding::warning(
            Id::UnitInactive,
            format!("{name} does not run: it is {} ({}, {})", unit.active, unit.sub, unit.result),
        )
        .with_hint(Some(format!("systemctl start {name}; why it ended: journalctl -u {name}"))),
        Some(unit) if !unit.is_enabled() => {
            Finding::warning(Id::UnitDisabled, format!("{name} runs, and does not start with this host"))
                .with_hint(Some(format!("systemctl enable {name}")))
        }
        Some(_) => Finding::fine(Id::UnitActive, format!("{name} is enabled and runs")),
    }
}

/// The unit that the daemon runs in, else the one whose file names this configuration, else the package's.
fn unit_name(config_file: Option<&Path>, daemon: Option<u32>) -> String {
    let of_daemon = daemon.and_then(|process| fs::read_to_string(format!("/proc/{process}/cgroup")).ok());
    let of_daemon = of_daemon.as_deref().and_then(service_of);
    of_daemon.or_else(|| naming(config_file?)).unwrap_or_else(|| PACKAGED.to_owned())
}

/// The unit of the daemon of this state directory.
pub(super) fn unit_of(config_file: Option<&Path>, state_dir: &Path) -> String {
    unit_name(config_file, holder(state_dir))
}

/// A service of its own: a daemon that somebody started in a session belongs to no service that could be asked about it.
fn service_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let last = path.trim().rsplit('/').next()?;
    let is_ours = last.ends_with(".service") && (last.contains("gatepass") || last.contains("tebctl"));
    is_ours.then(|| last.to_owned())
}

fn naming(config: &Path) -> Option<String> {
    let config = config.to_str()?;
    UNITS.iter().flat_map(fs::read_dir).flatten().flatten().find_map(|entry| {
        let name = entry.file_name().to_str().filter(|name| name.ends_with(".service"))?.to_owned();
        let text = fs::read_to_string(entry.path()).ok()?;
        let starts =
            |line: &str| line.starts_with("ExecStart=") && line.split_whitespace().any(|word| word == config);
        text.lines().any(starts).then_some(name)
    })
}

const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const PACKAGED: &str = "gatepass.service";

/// Every other agent that runs on this host, by its command line: whether it holds the same identity.
fn duplicates(agent: AgentId, state_dir: &Path) -> Finding {
    let own = fs::canonicalize(state_dir).ok();
    let same = processes().find_map(|(process, root)| {
        let other = state_of(process, &root)?;
        let is_other = fs::canonicalize(&other).ok() != own;
        (is_other && agent_of(&other) == Some(agent)).then_some((process, other))
    });
    match same {
        None => Finding::fine(Id::InstanceSingle, "no other agent on this host uses this identity"),
        Some((process, other)) => {
            let other = other.display();
            Finding::broken(
                Id::InstanceDuplicate,
                format!("process {process} uses the same identity, in {other}"),
            )
        }
    }
}

/// The other processes, each with its own view of the file system.
fn processes() -> impl Iterator<Item = (u32, PathBuf)> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|process| *process != std::process::id()).map(|process| (process, root_of(process)))
}

/// `/` stands for itself: what is in the same place needs no way around.
fn root_of(process: u32) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{process}/root"));
    match fs::read_link(&root) {
        Ok(target) if target != Path::new("/") => root,
        Ok(_) | Err(_) => PathBuf::from("/"),
    }
}

/// The state directory of a process that is an agent's daemon.
fn state_of(process: u32, root: &Path) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let is_daemon =
        words.first()?.rsplit('/').next() == Some("gatepass") && words.iter().any(|word| word == "run");
    let named = || words.windows(2).find(|pair| pair[0] == "--config").map(|pair| pair[1].to_string());
    let joined = || words.iter().find_map(|word| word.strip_prefix("--config=").map(str::to_owned));
    let config = is_daemon.then(|| named().or_else(joined).unwrap_or_else(|| CONFIG.to_owned()))?;
    let text = fs::read_to_string(within(root, Path::new(&config))).ok()?;
    let config: toml::Table = text.parse().ok()?;
    let state = config.get("state_dir").and_then(toml::Value::as_str).unwrap_or(STATE);
    Some(within(root, Path::new(state)))
}

fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn agent_of(state: &Path) -> Option<AgentId> {
    let meta = fs::read(state.join("current/meta.json")).ok()?;
    let meta: serde_json::Value = serde_json::from_slice(&meta).ok()?;
    meta.get("agent")?.as_str()?.parse().ok()
}

const CONFIG: &str = "/etc/gatepass/config.toml";
const STATE: &str = "/var/lib/gatepass";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_holder() {
        let line = "3: FLOCK  ADVISORY  WRITE 18386 fe:00:10757041 0 EOF";
        assert_eq!(held_by(line, 10_757_041), Some(18_386));
        assert_eq!(held_by(line, 1_075_704), None);
        assert_eq!(held_by("1: POSIX  ADVISORY  WRITE 7 00:2f:5 0 EOF", 5), None);
        assert_eq!(held_by("1: FLOCK  ADVISORY  READ 7 00:2f:5 0 EOF", 5), None);
        assert_eq!(held_by("", 5), None);
    }

    #[test]
    fn a_daemon_is_in_the_unit_of_its_control_group() {
        assert_eq!(service_of("0::/system.slice/gatepass.service\n").as_deref(), Some("gatepass.service"));
        let tws = "0::/system.slice/tebctl-tws_cpa_agent_wauser.service\n";
        assert_eq!(service_of(tws).as_deref(), Some("tebctl-tws_cpa_agent_wauser.service"));
        assert_eq!(service_of("0::/user.slice/session-3.scope\n"), None);
        assert_eq!(service_of("0::/system.slice/sshd.service\n"), None);
    }
}
