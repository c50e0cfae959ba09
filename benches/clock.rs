//! The one place of the benchmarks that reads clocks and waits.
//!
//! What is compared is CPU time: on a machine with other work it moves far less than wall time does.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use gatepass_contract::time::UnixTime;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Wall time since it was started.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the benchmarks")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// For proofs: agent and master run on this host, so its clock is the master's.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the benchmarks")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(0) + since
}

#[expect(clippy::disallowed_methods, reason = "this is the clock of the benchmarks")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// What `work` costs the calling thread, in the kernel too.
pub(crate) fn cpu_of<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = read(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    let result = work()?;
    Ok((result, read(ClockId::CLOCK_THREAD_CPUTIME_ID)?.saturating_sub(before)))
}

/// What another process has cost so far, all of its threads together, those that have ended too.
pub(crate) fn cpu_of_process(id: u32) -> Result<Duration> {
    let id = Pid::from_raw(id.try_into()?);
    read(ClockId::pid_cpu_clock_id(id)?)
}

/// What this process has cost so far.
pub(crate) fn cpu_of_us() -> Result<Duration> {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// What all processes together have cost this machine so far, and what its host has kept from it.
pub(crate) fn cpu_of_machine() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
    let [user, nice, system, _idle, _waiting, irq, softirq, steal, ..] = fields[..] else {
        bail!("no line in /proc/stat")
    };
    Ok(TICK * u32::try_from(user + nice + system + irq + softirq + steal)?)
}

/// Of every Linux whatever its timer: `USER_HZ` is 100.
const TICK: Duration = Duration::from_millis(10);

fn read(clock: ClockId) -> Result<Duration> {
    Ok(Duration::from(clock_gettime(clock)?))
}
