//! Runs what must reload after a change: in order, without a shell, with a time limit, its result recorded.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use gatepass_contract::name::DisplayName;
use gatepass_contract::span::Span;
use gatepass_contract::wire::agent::HookResult;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

/// `[[hook]]`: one thing to do after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Hook {
    name: DisplayName,
    action: Action,
    timeout: Span,
    required: bool,
    on: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Run(Vec<String>),
    Reload(String),
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Key, certificate or trust anchors.
    Certificate,
    /// The token.
    Token,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
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
    #[serde(default = "default_timeout")]
    timeout: Span,
    #[serde(default)]
    required: bool,
    #[serde(default = "default_on")]
    on: Vec<Change>,
}

const fn default_timeout() -> Span {
    Span::from_secs(30)
}

fn default_on() -> Vec<Change> {
    vec![Change::Certificate]
}

impl TryFrom<Written> for Hook {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, run, reload, timeout, required, on } = written;
        let action = match (run, reload) {
            (Some(command), None) => Action::Run(absolute(&name, command)?),
            (None, Some(unit)) => Action::Reload(unit_name(&name, unit)?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(format!(
                    "hook `{name}` needs either `run = [\"/path\", …]` or `reload = \"a.service\"`"
                ));
            }
        };
        if timeout.duration().is_zero() || on.is_empty() {
            return Err(format!("hook `{name}` needs a `timeout` above zero and something in `on`"));
        }
        Ok(Self { name, action, timeout, required, on })
    }
}

fn absolute(hook: &DisplayName, command: Vec<String>) -> Result<Vec<String>, String> {
    if command.first().is_some_and(|program| program.starts_with('/')) {
        Ok(command)
    } else {
        Err(format!("hook `{hook}`: `run` begins with the absolute path of a program; no shell is involved"))
    }
}

fn unit_name(hook: &DisplayName, unit: String) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if unit.contains('.') && !unit.starts_with('-') && unit.chars().all(allowed) {
        Ok(unit)
    } else {
        Err(format!("hook `{hook}`: `reload` names a systemd unit like `nginx.service`"))
    }
}

impl From<Hook> for Written {
    fn from(hook: Hook) -> Self {
        let Hook { name, action, timeout, required, on } = hook;
        let (run, reload) = match action {
            Action::Run(command) => (Some(command), None),
            Action::Reload(unit) => (None, Some(unit)),
        };
        Self { name, run, reload, timeout, required, on }
    }
}

/// How all of them went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Those that were run, in order.
    pub results: Vec<HookResult>,
    /// The required one that failed; those behind it were not run.
    pub required_failure: Option<String>,
}

/// Runs those that want to know of one of `changes`. Each finds `GATEPASS_GENERATION` (the master's number),
/// `GATEPASS_DIR` (the directory with the files), `GATEPASS_REASON` (`certificate`, `token` or `certificate,token`) and
/// `PATH` in its environment, and nothing else; it stands in `/` and reads nothing from standard input.
pub async fn run(hooks: &[Hook], changes: &[Change], generation: u64, dir: &Path) -> Ran {
    let mut ran = Ran::default();
    for hook in hooks.iter().filter(|hook| hook.on.iter().any(|change| changes.contains(change))) {
        let outcome = hook.run(hook.command(changes, generation, dir)).await;
        let result = hook.result(outcome);
        let stop = hook.required && !result.ok;
        ran.results.push(result);
        if stop {
            ran.required_failure = Some(hook.name.to_string());
            break;
        }
    }
    ran
}

/// How one hook ended.
#[derive(Debug)]
enum Outcome {
    NotStarted(io::Error),
    Ended { status: ExitStatus, output: Tail },
    TimedOut { output: Tail },
}

impl Hook {
    fn command(&self, changes: &[Change], generation: u64, dir: &Path) -> Command {
        let reasons: Vec<_> = changes.iter().map(|change| change.as_str()).collect();
        let mut command = match &self.action {
            Action::Run(words) => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                command
            }
            Action::Reload(unit) => {
                let mut command = Command::new("systemctl");
                command.args(["reload-or-restart", "--", unit]);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", PATH)
            .env("GATEPASS_GENERATION", generation.to_string())
            .env("GATEPASS_DIR", dir)
            .env("GATEPASS_REASON", reasons.join(","))
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    async fn run(&self, mut command: Command) -> Outcome {
        let (mut child, mut pipe) = match start(&mut command) {
            Ok(started) => started,
            Err(error) => return Outcome::NotStarted(error),
        };
        // The command keeps the writing ends of the pipe open: without this, its end would never be seen.
        drop(command);
        let mut output = Tail::default();
        match tokio::time::timeout(self.timeout.duration(), wait(&mut child, &mut pipe, &mut output)).await {
            Ok(Ok(status)) => Outcome::Ended { status, output },
            Ok(Err(error)) => Outcome::NotStarted(error),
            Err(_) => {
                kill(&mut child).await;
                output.take_rest(&pipe);
                Outcome::TimedOut { output }
            }
        }
    }

    fn result(&self, outcome: Outcome) -> HookResult {
        let (ok, detail) = match outcome {
            Outcome::NotStarted(error) => (false, format!("could not be run: {error}")),
            Outcome::Ended { status, output } => (status.success(), output.behind(&status.to_string())),
            Outcome::TimedOut { output } => (false, output.behind(&format!("killed after {}", self.timeout))),
        };
        if ok {
            tracing::info!(hook = %self.name, detail, "hook done");
        } else {
            tracing::warn!(hook = %self.name, required = self.required, detail, "hook failed");
        }
        HookResult { name: self.name.clone(), ok, detail }
    }
}

/// Both outputs in one pipe, in the order in which they were written.
fn start(command: &mut Command) -> io::Result<(Child, Receiver)> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    Ok((child, Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

/// Until the process itself ends: what it left in the background may hold the pipe for as long as it likes.
async fn wait(child: &mut Child, pipe: &mut Receiver, output: &mut Tail) -> io::Result<ExitStatus> {
    let status = tokio::select! {
        status = child.wait() => status?,
        () = output.follow(pipe) => child.wait().await?,
    };
    output.take_rest(pipe);
    Ok(status)
}

/// The hook and whatever it started in its process group.
async fn kill(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::warn!(%error, "a hook cannot be killed");
    }
    if let Err(error) = child.wait().await {
        tracing::warn!(%error, "a hook cannot be waited for");
    }
}

/// The last of what a hook wrote.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn follow(&mut self, pipe: &mut Receiver) {
        let mut chunk = [0; 1024];
        while let Ok(1..) = pipe.read(&mut chunk).await.inspect(|&size| self.push(&chunk[..size])) {}
    }

    fn take_rest(&mut self, pipe: &Receiver) {
        let mut chunk = [0; 1024];
        // Bounded: a background process may go on writing for ever.
        for _ in 0..64 {
            match pipe.try_read(&mut chunk) {
                Ok(size @ 1..) => self.push(&chunk[..size]),
                Ok(0) | Err(_) => return,
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(TAIL_BYTES);
        self.0.drain(..excess);
    }

    /// For a log line and a report: on one line, without anything that could garble a terminal.
    fn behind(&self, ended: &str) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let words: Vec<_> =
            text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
        if words.is_empty() { ended.to_owned() } else { format!("{ended}: {}", words.join(" ")) }
    }
}

const TAIL_BYTES: usize = 512;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(toml: &str) -> Hook {
        toml::from_str(toml).expect("a hook")
    }

    fn shell(script: &str, more: &str) -> Hook {
        hook(&format!("name = 'test'\nrun = ['/bin/sh', '-c', '''{script}''']\n{more}"))
    }

    async fn ran(hooks: &[Hook]) -> Ran {
        run(hooks, &[Change::Certificate, Change::Token], 7, Path::new("/somewhere")).await
    }

    #[test]
    fn what_cannot_be_run_is_refused_when_read() {
        for bad in [
            "name = 'a'",
            "name = 'a'\nrun = []",
            "name = 'a'\nrun = ['true']",
            "name = 'a'\nrun = ['/bin/true']\nreload = 'a.service'",
            "name = 'a'\nreload = 'nginx'",
            "name = 'a'\nreload = '--root=/x.service'",
            "name = 'a'\nrun = ['/bin/true']\ntimeout = '0s'",
            "name = 'a'\nrun = ['/bin/true']\non = []",
            "name = 'a'\nrun = ['/bin/true']\nonn = []",
        ] {
            assert!(toml::from_str::<Hook>(bad).is_err(), "{bad}");
        }
        let good = hook("name = 'a'\nreload = 'nginx.service'\non = ['token']");
        assert_eq!(hook(&toml::to_string(&good).expect("written")), good);
    }

    #[tokio::test]
    async fn a_hook_finds_a_clean_environment_and_its_output_is_kept() {
        let found = ran(&[shell("env; pwd; echo to stderr >&2", "")]).await;
        assert!(found.results[0].ok && found.required_failure.is_none());
        let detail = &found.results[0].detail;
        for want in [
            "GATEPASS_GENERATION=7",
            "GATEPASS_DIR=/somewhere",
            "GATEPASS_REASON=certificate,token",
            "to stderr",
        ] {
            assert!(detail.contains(want), "{want} in {detail}");
        }
        assert!(!detail.contains("CARGO"), "{detail}");
    }

    #[tokio::test]
    async fn a_required_failure_ends_the_row_and_another_does_not() {
        let failing = |more| shell(r#"printf "no such \033[31mthing" >&2; exit 3"#, more);
        let fine = shell("true", "");
        let found = ran(&[failing(""), fine.clone(), failing("required = true"), fine]).await;
        let oks: Vec<_> = found.results.iter().map(|result| result.ok).collect();
        assert_eq!((oks, found.required_failure.as_deref()), (vec![false, true, false], Some("test")));
        assert_eq!(found.results[0].detail, "exit status: 3: no such [31mthing");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_all_it_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let mark = dir.path().join("mark");
        let script = format!("echo begun; (sleep 1; touch {}) & sleep 60", mark.display());
        let found = ran(&[shell(&script, "timeout = '200ms'")]).await;
        assert_eq!(found.results[0].detail, "killed after 200ms: begun");
        std::process::Command::new("sleep").arg("1.2").status().expect("a wait");
        assert!(!mark.exists(), "its child lived on");
    }

    #[tokio::test]
    async fn what_it_leaves_in_the_background_is_not_waited_for() {
        let found = ran(&[shell("sleep 5 & echo done", "timeout = '4s'")]).await;
        assert_eq!((found.results[0].ok, found.results[0].detail.as_str()), (true, "exit status: 0: done"));
    }

    #[tokio::test]
    async fn only_those_that_asked_are_run_and_long_output_is_cut() {
        let on_token = shell("yes abcdefg | head -c 100000", "on = ['token']");
        let missing = hook("name = 'missing'\nrun = ['/nowhere/at/all']");
        let found = run(&[on_token, missing], &[Change::Certificate], 1, Path::new("/")).await;
        assert_eq!(found.results.len(), 1);
        assert!(found.results[0].detail.starts_with("could not be run: "), "{}", found.results[0].detail);
        let found = ran(&[shell("yes abcdefg | head -c 100000; echo end", "")]).await;
        let detail = &found.results[0].detail;
        assert!(detail.len() < 600 && detail.ends_with("end"), "{detail}");
    }
}
