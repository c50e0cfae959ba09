//! When something is told: ends in time, and again what did not arrive.

use std::time::Duration;

use gatepass_contract::time::UnixTime;

use super::{About, NoticeEvent};

/// What an end gives reason to, and when it is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndNotice {
    /// What is told now.
    pub told: Option<Ending>,
    /// When something is due next; `None`: never again.
    pub next: Option<UnixTime>,
}

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It comes.
    Soon,
    /// It is over.
    Over,
}

impl Ending {
    /// As an event.
    #[must_use]
    pub const fn of(self, about: About) -> NoticeEvent {
        match (self, about) {
            (Self::Soon, About::Token(_)) => NoticeEvent::TokenExpiresSoon,
            (Self::Over, About::Token(_)) => NoticeEvent::TokenExpired,
            (Self::Soon, About::ApiKey(_) | About::Nothing) => NoticeEvent::KeyExpiresSoon,
            (Self::Over, About::ApiKey(_) | About::Nothing) => NoticeEvent::KeyExpired,
        }
    }
}

/// When an end is told of first.
#[must_use]
pub fn first_told(expires: Option<UnixTime>, advance: Duration) -> Option<UnixTime> {
    expires.map(|at| at - advance)
}

/// What is due at `now` for something that ends at `expires`: from `advance` before its end once a day, and once when it
/// is over.
#[must_use]
pub fn due(expires: Option<UnixTime>, advance: Duration, now: UnixTime) -> EndNotice {
    match expires {
        None => EndNotice { told: None, next: None },
        Some(end) if end <= now => EndNotice { told: Some(Ending::Over), next: None },
        Some(end) if end - advance > now => EndNotice { told: None, next: Some(end - advance) },
        Some(end) => EndNotice { told: Some(Ending::Soon), next: Some(end.min(now + DAY)) },
    }
}

const DAY: Duration = Duration::from_hours(24);

/// When what could not be delivered is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// After the first failure; doubles with each further one, up to an hour.
    pub first: Duration,
    /// When all the pauses together are longer, nothing is tried any more.
    pub give_up_after: Duration,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self { first: Duration::from_mins(1), give_up_after: Duration::from_hours(3 * 24) }
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt.
    Retry {
        /// When.
        at: UnixTime,
    },
    /// Nothing, until a person asks for it.
    GiveUp,
}

impl RetrySchedule {
    /// What follows the failure of attempt number `attempts` (from one) at `now`.
    #[must_use]
    pub fn after_failure(self, attempts: u32, now: UnixTime) -> Next {
        // Further ones add an hour each: no sum of so many is smaller than what can be configured.
        let pauses = (1..=attempts.min(MOST_ATTEMPTS)).map(|attempt| self.pause(attempt));
        if attempts > MOST_ATTEMPTS || pauses.sum::<Duration>() > self.give_up_after {
            return Next::GiveUp;
        }
        Next::Retry { at: now + self.pause(attempts) }
    }

    fn pause(self, attempts: u32) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
        doubled.min(LONGEST_PAUSE.max(self.first))
    }
}

const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// A year of hourly ones.
const MOST_ATTEMPTS: u32 = 366 * 24;

#[cfg(test)]
mod tests {
    use gatepass_contract::id::TokenId;

    use super::*;

    #[test]
    fn pauses_double_to_an_hour_and_end_when_it_is_no_use() {
        let schedule = RetrySchedule::default();
        let (start, minute) = (UnixTime(0), Duration::from_mins(1));
        for (attempts, minutes) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (76, 60)] {
            let want = Next::Retry { at: start + minute * minutes };
            assert_eq!(schedule.after_failure(attempts, start), want, "attempt {attempts}");
        }
        // 63 minutes and then an hour each: the 77th pause would pass three days.
        assert_eq!(schedule.after_failure(77, start), Next::GiveUp);
        assert_eq!(schedule.after_failure(u32::MAX, start), Next::GiveUp);
        let slow = RetrySchedule { first: Duration::from_hours(5), ..schedule };
        assert_eq!(slow.after_failure(3, start), Next::Retry { at: start + slow.first });
    }

    #[test]
    fn an_end_is_told_of_daily_before_and_once_after() {
        let hour = Duration::from_hours(1);
        let (start, advance) = (UnixTime(0), hour * 48);
        let end = start + hour * 100;
        let at = |hours: u32| due(Some(end), advance, start + hour * hours);
        let next = |hours: u32| Some(start + hour * hours);
        assert_eq!(first_told(Some(end), advance), next(52));
        assert_eq!(at(51), EndNotice { told: None, next: next(52) });
        assert_eq!(at(52), EndNotice { told: Some(Ending::Soon), next: next(76) });
        assert_eq!(at(80), EndNotice { told: Some(Ending::Soon), next: next(100) });
        assert_eq!(at(100), EndNotice { told: Some(Ending::Over), next: None });
        assert_eq!(at(5_000), EndNotice { told: Some(Ending::Over), next: None });
        assert_eq!(due(None, advance, start), EndNotice { told: None, next: None });
        assert_eq!(Ending::Over.of(About::Token(TokenId([0; 10]))), NoticeEvent::TokenExpired);
    }
}
