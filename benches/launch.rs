//! Runs a program once and tells what it cost.
//!
//! # Why a process of its own
//!
//! The kernel counts a child's peak memory from the moment it is forked, when it still is its parent. So the parent has
//! to be small: not the benchmark, which holds thousands of keys, but a copy of it that has done nothing yet.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use crate::clock::Stopwatch;
use crate::processes::{command, ourselves};

/// What one run of a program cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Milliseconds from before the fork until it was waited for.
    pub(crate) wall: f64,
    /// Milliseconds, in the kernel too.
    pub(crate) cpu: f64,
    /// Megabytes.
    pub(crate) peak: f64,
}

/// Runs `program`, which has to succeed, from a small parent.
pub(crate) fn cost(program: &Command) -> Result<Cost> {
    let mut parent = ourselves(PART)?;
    parent.arg("--").arg(program.get_program()).args(program.get_args());
    let output = parent.output()?;
    ensure!(output.status.success(), "{program:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the launcher said something else than a cost")
}

/// The name of the part of this program that is [`here`].
const PART: &str = "launch";

/// Runs the program in this process's stead and prints its [`Cost`].
pub(crate) fn here(words: &[OsString]) -> Result<()> {
    let (program, arguments) = words.split_first().context("nothing to run")?;
    let since = Stopwatch::start();
    let status = command(program).args(arguments).stdout(Stdio::null()).status()?;
    let wall = since.elapsed();
    ensure!(status.success(), "it ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    let cost = Cost {
        wall: wall.as_secs_f64() * 1e3,
        cpu: Duration::from_micros(u64::try_from(cpu.num_microseconds())?).as_secs_f64() * 1e3,
        peak: f64::from(u32::try_from(usage.max_rss())?) * 1024.0 / 1e6,
    };
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&cost)?)?)
}
