//! The kernel's clocks.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use gatepass_contract::time::UnixTime;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::{Clock, Nap, Woken};

/// The host's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn wall(&self) -> UnixTime {
        let signed = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
        UnixTime(match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => signed(after.as_millis()),
            Err(before) => -signed(before.duration().as_millis()),
        })
    }

    fn boot(&self) -> Duration {
        duration(clock_gettime(ClockId::Boottime))
    }

    fn sleep(&self, nap: Duration) -> Nap<'_> {
        Box::pin(async move {
            match alarm(nap) {
                Ok(alarm) => woken(&alarm).await,
                Err(_) => plain_sleep(nap).await,
            }
        })
    }
}

/// A timer on the wall clock that the kernel also ends when that clock is set (`timerfd_create(2)`,
/// `TFD_TIMER_CANCEL_ON_SET`); it counts suspended time as well.
fn alarm(nap: Duration) -> io::Result<AsyncFd<OwnedFd>> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    // The kernel's wall clock, not `wall()`: both ends of the nap have to be read from the same one.
    let end = duration(clock_gettime(ClockId::Realtime)) + nap;
    let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(end) };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
    watched(timer)
}

#[expect(deprecated, reason = "its successor is unsafe; an `OwnedFd` upholds what that one asks for")]
fn watched(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(timer)
}

async fn woken(alarm: &AsyncFd<OwnedFd>) -> Woken {
    let expired = alarm.async_io(tokio::io::Interest::READABLE, |timer| {
        rustix::io::read(timer, &mut [0; 8]).map_err(io::Error::from)
    });
    match expired.await {
        Ok(_) => Woken::Elapsed,
        // ECANCELED; whatever else it might be, looking at the clocks is the right answer to it.
        Err(_) => Woken::Stepped,
    }
}

/// Where timers on the wall clock are not permitted: a step is then noticed at the end of the nap.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
async fn plain_sleep(nap: Duration) -> Woken {
    tokio::time::sleep(nap).await;
    Woken::Elapsed
}

fn duration(at: Timespec) -> Duration {
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(at.tv_nsec).unwrap_or(0))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_nap_lasts_as_long_as_it_should() {
        let before = SystemClock.boot();
        assert_eq!(SystemClock.sleep(Duration::from_millis(30)).await, Woken::Elapsed);
        let slept = SystemClock.boot().saturating_sub(before);
        assert!(slept >= Duration::from_millis(29), "{slept:?}");
    }

    #[tokio::test]
    async fn so_does_one_without_a_timer_on_the_wall_clock() {
        let before = SystemClock.boot();
        assert_eq!(plain_sleep(Duration::from_millis(30)).await, Woken::Elapsed);
        assert!(SystemClock.boot() >= before + Duration::from_millis(29));
    }

    #[test]
    fn the_wall_clock_shows_the_kernels_time() {
        let kernel = duration(clock_gettime(ClockId::Realtime));
        let wall = SystemClock.wall();
        assert!(wall.since(UnixTime::from_seconds(0)).abs_diff(kernel) < Duration::from_secs(1), "{wall}");
    }
}
