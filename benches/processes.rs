//! What the benchmarks start, how it is stopped, and what the kernel tells about it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{Stopwatch, pause};

/// A running program; stopped when dropped, by its process id.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// From `/proc/PID/status`, in megabytes.
    pub(crate) fn status_memory(&self, field: &str) -> Result<f64> {
        megabytes(&self.proc_file("status")?, field)
    }

    /// From `/proc/PID/smaps_rollup`, in megabytes.
    pub(crate) fn mapped_memory(&self, field: &str) -> Result<f64> {
        megabytes(&self.proc_file("smaps_rollup")?, field)
    }

    /// How often its threads have gone to sleep, and so been woken.
    pub(crate) fn sleeps(&self) -> Result<f64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id()))?;
        let each = tasks.map(|task| {
            let status = fs::read_to_string(task?.path().join("status"))?;
            number(&status, "voluntary_ctxt_switches")
        });
        each.sum()
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let since = Stopwatch::start();
        while since.elapsed() < PATIENCE && matches!(self.0.try_wait(), Ok(None)) {
            pause(Duration::from_millis(10));
        }
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// For a program to end by itself once it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command that takes nothing from our surroundings and reads no standard input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// A command that runs a part of this very program.
pub(crate) fn ourselves(part: &str) -> Result<Command> {
    let mut command = command(std::env::current_exe()?);
    command.arg(part);
    Ok(command)
}

/// Where a program's talk goes, and with it the reason if it fails.
pub(crate) fn log(path: &Path) -> Result<Stdio> {
    Ok(fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?.into())
}

/// The kernel says kB and means 1024 bytes.
fn megabytes(text: &str, field: &str) -> Result<f64> {
    Ok(number(text, field)? * 1024.0 / 1e6)
}

fn number(text: &str, field: &str) -> Result<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("the kernel does not tell {field}"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
