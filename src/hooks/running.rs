//! Carrying out one hook: a command with a time limit, its output kept; or a signal.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use gatepass_contract::wire::agent::HookResult;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::Occasion;
use super::written::{Action, Hook, SignalName, Target};

/// How one hook ended.
#[derive(Debug)]
enum Outcome {
    NotStarted(io::Error),
    Ended { status: ExitStatus, output: Tail },
    TimedOut { output: Tail },
    Signalled(io::Result<Pid>),
}

impl Hook {
    /// Does it, and says how it went.
    pub(super) async fn carry_out(&self, occasion: &Occasion<'_>) -> HookResult {
        let outcome = match &self.action {
            Action::Signal { to: Target::PidFile(file), signal } => {
                Outcome::Signalled(send(file, signal.number()))
            }
            Action::Signal { to: Target::Unit(unit), signal } => {
                let signal = format!("--signal={}", signal.as_str());
                // Older versions of systemd know no longer form; newer ones take this as its beginning.
                self.command(systemctl(&["kill", "--kill-who=main", &signal, "--", unit]), occasion).await
            }
            Action::Reload(unit) => {
                self.command(systemctl(&["reload-or-restart", "--", unit]), occasion).await
            }
            Action::Restart(unit) => self.command(systemctl(&["restart", "--", unit]), occasion).await,
            Action::Run(words) => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                self.command(command, occasion).await
            }
        };
        self.result(outcome)
    }

    async fn command(&self, mut command: Command, occasion: &Occasion<'_>) -> Outcome {
        occasion.prepare(&mut command);
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
            Outcome::Signalled(Ok(pid)) => (true, format!("process {pid} was sent the signal")),
            Outcome::Signalled(Err(error)) => (false, format!("no signal was sent: {error}")),
        };
        if ok {
            tracing::info!(hook = %self.name, detail, "hook done");
        } else {
            tracing::warn!(hook = %self.name, required = self.required, detail, "hook failed");
        }
        HookResult { name: self.name.clone(), ok, detail }
    }
}

fn systemctl(args: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(args);
    command
}

impl Occasion<'_> {
    /// The environment that every hook finds, and nothing else; it stands in `/` and reads nothing from standard input.
    fn prepare(&self, command: &mut Command) {
        let reasons: Vec<_> = self.changes.iter().map(|change| change.as_str()).collect();
        command
            .env_clear()
            .env("PATH", PATH)
            .env("GATEPASS_GENERATION", self.generation.to_string())
            .env("GATEPASS_DIR", self.dir)
            .env("GATEPASS_REASON", reasons.join(","))
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
    }
}

impl SignalName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Winch => "WINCH",
        }
    }

    const fn number(self) -> Signal {
        match self {
            Self::Hup => Signal::HUP,
            Self::Int => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Term => Signal::TERM,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
            Self::Winch => Signal::WINCH,
        }
    }
}

/// To the process that a file names. A file that others may write could name any process of this host: refused.
fn send(pidfile: &Path, signal: Signal) -> io::Result<Pid> {
    let about = |what: String| io::Error::other(format!("{} {what}", pidfile.display()));
    let file = File::open(pidfile).map_err(|error| about(format!("cannot be read: {error}")))?;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(about(format!("can be written by others (mode {mode:04o})")));
    }
    let mut text = String::new();
    file.take(64).read_to_string(&mut text)?;
    let number = text.trim().parse::<i32>().ok().filter(|number| *number > 1);
    let pid = number.and_then(Pid::from_raw).ok_or_else(|| about("names no process".to_owned()))?;
    kill_process(pid, signal)
        .map_err(|errno| about(format!("names process {pid}: {}", io::Error::from(errno))))?;
    Ok(pid)
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
