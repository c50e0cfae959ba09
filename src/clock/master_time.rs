//! The master's time as far as this host knows it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gatepass_contract::time::{Skew, UnixTime, as_millis};

use super::Clock;

/// The master's time, shared by all who decide in it. Without a measurement: the wall clock.
#[derive(Debug, Clone)]
pub struct MasterTime(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    reckoning: Mutex<Reckoning>,
}

/// Somebody set the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds, forward or back.
    pub by: i64,
}

impl MasterTime {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let reckoning = Mutex::new(Reckoning::new(Now::of(&*clock)));
        Self(Arc::new(Shared { clock, reckoning }))
    }

    /// Takes a measurement made just now. The latest counts, even a less certain one: the master's clock may be set too.
    pub fn observe(&self, skew: Skew) {
        self.reckoning().observe(skew, self.read());
    }

    /// The master's time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.reckoning().at_master(self.read())
    }

    /// Another reckoning on the same clocks, as if `skew` had been measured: to try out what a server claims.
    #[must_use]
    pub fn supposing(&self, skew: Skew) -> Self {
        let other = Self::new(self.0.clock.clone());
        other.observe(skew);
        other
    }

    /// How the wall clock stands to it now: a step of the wall clock changes this by the step, and the doubt grows with
    /// the age of the measurement. `None` before the first one.
    #[must_use]
    pub fn skew(&self) -> Option<Skew> {
        self.reckoning().skew(self.read())
    }

    /// Whether the wall clock was set since the last look.
    #[must_use]
    pub fn look(&self) -> Option<Step> {
        self.reckoning().look(self.read())
    }

    /// How often the wall clock was seen to be set.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.reckoning().steps
    }

    /// The host's own clocks.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    fn read(&self) -> Now {
        Now::of(self.clock())
    }

    fn reckoning(&self) -> MutexGuard<'_, Reckoning> {
        self.0.reckoning.lock().expect("nothing panics while it holds the lock")
    }
}

/// Both clocks at one instant.
#[derive(Debug, Clone, Copy)]
struct Now {
    wall: UnixTime,
    boot: Duration,
}

impl Now {
    fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), boot: clock.boot() }
    }

    /// Milliseconds by which the wall clock is ahead of the one nobody can set.
    fn offset(self) -> i64 {
        self.wall.0.saturating_sub(as_millis(self.boot))
    }
}

/// The arithmetic, without a clock.
#[derive(Debug)]
struct Reckoning {
    measured: Option<Measured>,
    offset: i64,
    steps: u32,
}

/// At `boot` the master's clock showed `master`, give or take `doubt` milliseconds.
#[derive(Debug, Clone, Copy)]
struct Measured {
    master: UnixTime,
    boot: Duration,
    doubt: i64,
}

/// Smaller changes are slewing by a time service, or the moment between reading one clock and the other.
const STEP: u64 = 500;

/// A quartz of 100 ppm is off by a millisecond after ten seconds.
const MILLIS_PER_DOUBT: i64 = 10_000;

impl Reckoning {
    fn new(now: Now) -> Self {
        Self { measured: None, offset: now.offset(), steps: 0 }
    }

    fn observe(&mut self, skew: Skew, now: Now) {
        self.measured =
            Some(Measured { master: skew.at_master(now.wall), boot: now.boot, doubt: skew.doubt });
    }

    fn at_master(&self, now: Now) -> UnixTime {
        self.measured.map_or(now.wall, |m| m.master + now.boot.saturating_sub(m.boot))
    }

    fn skew(&self, now: Now) -> Option<Skew> {
        let measured = self.measured?;
        let age = as_millis(now.boot.saturating_sub(measured.boot));
        Some(Skew {
            ahead: self.at_master(now).0.saturating_sub(now.wall.0),
            doubt: measured.doubt.saturating_add(age / MILLIS_PER_DOUBT),
        })
    }

    fn look(&mut self, now: Now) -> Option<Step> {
        let by = now.offset().saturating_sub(self.offset);
        self.offset = now.offset();
        if by.unsigned_abs() <= STEP {
            return None;
        }
        self.steps = self.steps.saturating_add(1);
        Some(Step { by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const TODAY: UnixTime = UnixTime(1_795_379_123_456);
    const HOUR: i64 = 3_600_000;

    fn measured(ahead: i64) -> (Arc<ManualClock>, MasterTime) {
        let clock = Arc::new(ManualClock::at(TODAY));
        let time = MasterTime::new(clock.clone());
        time.observe(Skew { ahead, doubt: 2 });
        (clock, time)
    }

    #[test]
    fn without_a_measurement_it_is_the_wall_clock() {
        let clock = Arc::new(ManualClock::at(TODAY));
        let time = MasterTime::new(clock.clone());
        clock.step(HOUR);
        assert_eq!((time.now(), time.skew()), (UnixTime(TODAY.0 + HOUR), None));
    }

    #[test]
    fn a_step_changes_the_skew_and_not_the_masters_time() {
        let to = |year: i64| (year - 2026) * 365 * 24 * HOUR;
        for ahead in [0, -7_000, 400 * 24 * HOUR] {
            for by in [3_000, -3_000, HOUR, -HOUR, 400 * 24 * HOUR, -400 * 24 * HOUR, to(1970), to(2060)] {
                let (clock, time) = measured(ahead);
                clock.advance(Duration::from_millis(5));
                clock.step(by);
                assert_eq!(time.now(), UnixTime(TODAY.0 + ahead + 5), "{ahead} {by}");
                assert_eq!(time.skew(), Some(Skew { ahead: ahead - by, doubt: 2 }), "{ahead} {by}");
                assert_eq!((time.look(), time.look(), time.steps()), (Some(Step { by }), None, 1));
                clock.step(-by);
                assert_eq!((time.look(), time.steps()), (Some(Step { by: -by }), 2));
                assert_eq!(time.skew().map(|skew| skew.ahead), Some(ahead));
            }
        }
    }

    #[test]
    fn slewing_is_no_step_however_long_it_goes_on() {
        let (clock, time) = measured(0);
        for _ in 0..10 {
            clock.advance(Duration::from_mins(15));
            clock.step(450);
            assert_eq!(time.look(), None);
        }
        assert_eq!(time.skew().map(|skew| skew.ahead), Some(-4_500));
    }

    #[test]
    fn suspended_time_counts_and_doubt_grows() {
        let (clock, time) = measured(HOUR);
        clock.advance(Duration::from_hours(8));
        assert_eq!(time.now(), UnixTime(TODAY.0 + 9 * HOUR));
        assert_eq!(time.skew(), Some(Skew { ahead: HOUR, doubt: 2 + 8 * 360 }));
        assert_eq!(time.look(), None);
        time.observe(Skew { ahead: HOUR + 40, doubt: 3 });
        assert_eq!(time.skew(), Some(Skew { ahead: HOUR + 40, doubt: 3 }));
    }
}
