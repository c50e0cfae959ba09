//! The only reader of time, and what is known of the master's.
//!
//! Invariant: once measured, the master's time is carried forward on a clock that nobody can set and that counts
//! suspended time. A step of the wall clock therefore moves no deadline; it is noticed, counted and reported.

#[cfg(any(test, feature = "faults"))]
mod manual;
mod master_time;
mod system;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use gatepass_contract::time::UnixTime;

#[cfg(any(test, feature = "faults"))]
pub use manual::ManualClock;
pub use master_time::{MasterTime, Step};
pub use system::SystemClock;

/// This host's clocks.
pub trait Clock: fmt::Debug + Send + Sync {
    /// What the host believes the time to be. Anybody may set it, at any moment.
    fn wall(&self) -> UnixTime;

    /// Time since the host was started, suspended time included (`CLOCK_BOOTTIME`). It only goes forward.
    fn boot(&self) -> Duration;

    /// Waits, at most until the wall clock is set.
    fn sleep(&self, nap: Duration) -> Nap<'_>;
}

/// A wait under way; dropping it ends it.
pub type Nap<'a> = Pin<Box<dyn Future<Output = Woken> + Send + 'a>>;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The time is over.
    Elapsed,
    /// Somebody set the wall clock, or the host woke from suspension.
    Stepped,
}
