//! The only reader of time in the master.
//!
//! Everything else takes an instant as an argument. The wall clock is read through [`SystemTime`], so that what the host
//! shows is what agents are told.

#![expect(clippy::disallowed_methods, reason = "this is the module the others are sent to")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatepass_contract::time::{UnixTime, as_millis};

/// What the master's clock shows; also before 1970.
#[must_use]
pub fn now() -> UnixTime {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => UnixTime(as_millis(since)),
        Err(before) => UnixTime(-as_millis(before.duration())),
    }
}

/// Measures how long something takes, whatever happens to the wall clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits in a task.
pub async fn sleep(nap: Duration) {
    tokio::time::sleep(nap).await;
}

/// Waits in a thread of one's own.
pub(crate) fn pause(nap: Duration) {
    std::thread::sleep(nap);
}
