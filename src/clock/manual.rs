//! A clock that tests move by hand.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use gatepass_contract::time::UnixTime;

use super::{Clock, Nap, Woken};

/// Stands still but for [`ManualClock::advance`], [`ManualClock::step`] and the naps taken on it, which last no time.
#[derive(Debug)]
pub struct ManualClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    wall: UnixTime,
    boot: Duration,
    naps: Vec<Duration>,
    next_step: Option<i64>,
}

impl ManualClock {
    /// Shows `wall`, a minute after the host was started.
    #[must_use]
    pub fn at(wall: UnixTime) -> Self {
        Self(Mutex::new(Hands { wall, boot: Duration::from_mins(1), naps: Vec::new(), next_step: None }))
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().expect("no test panics while it moves the clock")
    }

    /// Time passes, awake or suspended.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.wall = hands.wall + by;
        hands.boot += by;
    }

    /// Somebody sets the wall clock, that many milliseconds forward or back.
    pub fn step(&self, by: i64) {
        let mut hands = self.hands();
        hands.wall = UnixTime(hands.wall.0 + by);
    }

    /// Somebody sets the wall clock halfway through the next nap, which ends then.
    pub fn step_in_next_nap(&self, by: i64) {
        self.hands().next_step = Some(by);
    }

    /// The naps taken so far.
    #[must_use]
    pub fn naps(&self) -> Vec<Duration> {
        self.hands().naps.clone()
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> UnixTime {
        self.hands().wall
    }

    fn boot(&self) -> Duration {
        self.hands().boot
    }

    fn sleep(&self, nap: Duration) -> Nap<'_> {
        Box::pin(async move {
            // Others get a turn, as they would in a real nap.
            tokio::task::yield_now().await;
            let step = {
                let mut hands = self.hands();
                hands.naps.push(nap);
                hands.next_step.take()
            };
            let Some(by) = step else {
                self.advance(nap);
                return Woken::Elapsed;
            };
            self.advance(nap / 2);
            self.step(by);
            Woken::Stepped
        })
    }
}
