//! When to renew. Pure: reads no clock, draws no random number; every instant here is the master's time.

use std::time::Duration;

use gatepass_contract::time::{UnixTime, Validity};
use serde::{Deserialize, Serialize};

/// A share of a lifetime, 1 to 95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// For constants; `None` outside 1 to 95.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent >= 1 && percent <= 95 { Some(Self(percent)) } else { None }
    }
}

impl TryFrom<u8> for Percent {
    type Error = &'static str;
    fn try_from(percent: u8) -> Result<Self, &'static str> {
        Self::new(percent).ok_or("a share of the lifetime is 1 to 95 (percent)")
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

/// When to renew if the master names no moment: after that share of the lifetime, give or take `spread`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalPolicy {
    /// Of the lifetime.
    pub after: Percent,
    /// Of the lifetime; hosts installed together spread over twice that.
    pub spread: Percent,
}

/// What the decision needs to know of the bundle that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// When the certificate chain is good.
    pub certificate: Validity,
    /// When the token is good.
    pub token: Validity,
    /// When the master expects the next call.
    pub renew_at: UnixTime,
    /// From when on a renewal should bring a new key.
    pub rekey_at: UnixTime,
    /// 0 to 99, drawn once when it was stored.
    pub lot: u8,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is held: trade the API key for an identity.
    Enrol,
    /// Ask for the next bundle by proof.
    Renew(RenewalKey),
    /// Nothing before that instant.
    Rest {
        /// When something is due.
        until: UnixTime,
    },
}

/// Which key a renewal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalKey {
    /// A new one, and with it a new certificate.
    Fresh,
    /// The one that is held: only the token is due.
    Same,
}

/// Bounds inside which the master may choose the moment, in percent of the lifetime: earlier would be a waste,
/// later leaves no time for a second try.
const SLOT_BOUNDS: (u32, u32) = (10, 90);

impl RenewalPolicy {
    /// When the next call is due. Always inside the time in which certificate and token are both good; where they
    /// never are, at once.
    #[must_use]
    pub fn due(self, held: &Held) -> UnixTime {
        match held.certificate.and(held.token) {
            Some(both) => self.moment(both, held.renew_at, held.lot),
            None => held.certificate.from(),
        }
    }

    /// The master's slot where it is sane, else the own choice.
    fn moment(self, validity: Validity, slot: UnixTime, lot: u8) -> UnixTime {
        let (earliest, latest) = (validity.at_percent(SLOT_BOUNDS.0), validity.at_percent(SLOT_BOUNDS.1));
        if (earliest..=latest).contains(&slot) { slot } else { self.own_choice(validity, lot) }
    }

    fn own_choice(self, validity: Validity, lot: u8) -> UnixTime {
        let (after, spread) = (u32::from(self.after.0), u32::from(self.spread.0));
        let earliest = after.saturating_sub(spread).max(SLOT_BOUNDS.0);
        let width = (after + spread).min(SLOT_BOUNDS.1).saturating_sub(earliest);
        // In hundredths of a percent, so that a hundred lots make a hundred moments.
        let share = earliest * 100 + width * u32::from(lot.min(99));
        validity.from() + validity.lifetime() / 10_000 * share
    }

    /// What to do `now` while all there is are certificates that somebody else made: enrol when a renewal would be due.
    #[must_use]
    pub fn decide_adopted(self, now: UnixTime, validity: Validity, lot: u8) -> Decision {
        let due = self.own_choice(validity, lot);
        if now < due { Decision::Rest { until: due } } else { Decision::Enrol }
    }

    /// What to do `now`. What has ended is renewed too: the key still proves who this host is, and the master says
    /// whether that is enough. So is what is not good yet: the master's clock was set back since it was issued.
    #[must_use]
    pub fn decide(self, now: UnixTime, held: Option<&Held>) -> Decision {
        let Some(held) = held else { return Decision::Enrol };
        if now < held.certificate.from() {
            return Decision::Renew(RenewalKey::Fresh);
        }
        if now < held.token.from() {
            return Decision::Renew(RenewalKey::Same);
        }
        let due = self.due(held);
        if now < due {
            return Decision::Rest { until: due };
        }
        let rekey = self.moment(held.certificate, held.rekey_at, held.lot);
        Decision::Renew(if now < rekey { RenewalKey::Same } else { RenewalKey::Fresh })
    }
}

/// How long to wait after failures. None of it is ever shorter than the floor: whatever the master answers, it is not
/// called more often than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The least time between two calls.
    pub floor: Duration,
}

/// The first wait after a failure; doubled with each further one.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait while time remains.
const LONGEST: Duration = Duration::from_mins(30);
/// Where only a person can help: look again this often.
const SLOW: Duration = Duration::from_hours(1);

impl Pace {
    /// After `failures` in a row (from 1), with `left` before what is held ends (zero when nothing is), and no sooner
    /// than the master asked for. Scaled to the deadline: eight tries fit into whatever is left.
    #[must_use]
    pub fn backoff(self, failures: u32, left: Duration, at_least: Duration) -> Duration {
        let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
        let scaled = if left.is_zero() { doubled } else { doubled.min(left / 8) };
        scaled.max(at_least).max(self.floor)
    }

    /// While a person must act and what is held stays good for `left`: scaled to the deadline as well, so that help that
    /// comes late is noticed in time.
    #[must_use]
    pub fn slow(self, left: Duration) -> Duration {
        SLOW.min(left / 8).max(self.floor)
    }
}

/// Spreads `wait` by up to a quarter, by `lot` (0 to 99): a fleet that failed together does not come back together.
#[must_use]
pub fn spread(wait: Duration, lot: u8) -> Duration {
    wait + wait / 400 * u32::from(lot.min(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validity(from: i64, until: i64) -> Validity {
        Validity::new(UnixTime(from), UnixTime(until)).expect("from < until")
    }

    fn policy() -> RenewalPolicy {
        RenewalPolicy { after: Percent(66), spread: Percent(10) }
    }

    /// A certificate of 100 s, a token of 10 s that began with it.
    fn held(renew_at: i64, rekey_at: i64) -> Held {
        Held {
            certificate: validity(0, 100_000),
            token: validity(0, 10_000),
            renew_at: UnixTime(renew_at),
            rekey_at: UnixTime(rekey_at),
            lot: 50,
        }
    }

    #[test]
    fn decisions() {
        use Decision::{Enrol, Renew, Rest};
        use RenewalKey::{Fresh, Same};
        for (now, held, want) in [
            (0, None, Enrol),
            (0, Some(held(7_000, 70_000)), Rest { until: UnixTime(7_000) }),
            (6_999, Some(held(7_000, 70_000)), Rest { until: UnixTime(7_000) }),
            (7_000, Some(held(7_000, 70_000)), Renew(Same)),
            (70_000, Some(held(7_000, 70_000)), Renew(Fresh)),
            // Ended long ago: the key still proves who this host is.
            (i64::MAX, Some(held(7_000, 70_000)), Renew(Fresh)),
            // The master's clock was set back: nothing that is held is good.
            (i64::MIN, Some(held(7_000, 70_000)), Renew(Fresh)),
            (-1, Some(held(7_000, 70_000)), Renew(Fresh)),
            (999, Some(Held { token: validity(1_000, 10_000), ..held(7_000, 70_000) }), Renew(Same)),
            // Slots outside the bounds are not obeyed.
            (0, Some(held(9_999, 70_000)), Rest { until: UnixTime(6_600) }),
            (0, Some(held(-5, 70_000)), Rest { until: UnixTime(6_600) }),
            (70_000, Some(held(7_000, i64::MAX)), Renew(Fresh)),
        ] {
            assert_eq!(policy().decide(UnixTime(now), held.as_ref()), want, "at {now} with {held:?}");
        }
    }

    #[test]
    fn certificates_of_somebody_else_are_replaced_when_a_renewal_of_them_is_due() {
        let at = |now| policy().decide_adopted(UnixTime(now), validity(0, 100_000), 50);
        assert_eq!(at(0), Decision::Rest { until: UnixTime(66_000) });
        assert_eq!((at(65_999), at(66_000)), (at(0), Decision::Enrol));
        assert_eq!(at(i64::MAX), Decision::Enrol, "ended long ago");
    }

    #[test]
    fn due_is_always_inside_the_validity_whatever_the_settings() {
        for after in 1..=95 {
            for spread in [1, 10, 50, 95] {
                for lot in [0, 1, 50, 99, 255] {
                    for renew_at in [i64::MIN, 0, 1_500, 9_500, i64::MAX] {
                        let policy = RenewalPolicy { after: Percent(after), spread: Percent(spread) };
                        let held = Held { lot, ..held(renew_at, 0) };
                        let due = policy.due(&held);
                        assert!(held.token.holds(due), "{after} {spread} {lot} {renew_at}: {due:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lots_spread_the_fleet() {
        let own = |lot| policy().due(&Held { lot, ..held(i64::MAX, 0) });
        let moments: std::collections::BTreeSet<_> = (0..100).map(own).collect();
        assert_eq!(moments.len(), 100);
        assert_eq!((own(0), own(99)), (UnixTime(5_600), UnixTime(7_580)));
    }

    #[test]
    fn backoff_grows_obeys_the_master_and_keeps_the_floor() {
        let (second, none) = (Duration::from_secs(1), Duration::ZERO);
        let pace = Pace { floor: second };
        let week = Duration::from_hours(168);
        for (failures, left, at_least, want) in [
            (1, week, none, 10 * second),
            (2, week, none, 20 * second),
            (9, week, none, LONGEST),
            (u32::MAX, week, none, LONGEST),
            (1, none, none, 10 * second),
            (9, 80 * second, none, 10 * second),
            (9, 4 * second, none, second),
            (1, 80 * second, 300 * second, 300 * second),
        ] {
            assert_eq!(pace.backoff(failures, left, at_least), want, "{failures} failures, {left:?} left");
        }
        let minute = Pace { floor: Duration::from_mins(1) };
        for failures in 0..40 {
            assert!(minute.backoff(failures, Duration::from_millis(1), none) >= minute.floor);
        }
        assert_eq!(minute.slow(week), SLOW);
        assert_eq!(minute.slow(Duration::from_mins(80)), Duration::from_mins(10));
        assert_eq!(minute.slow(second), minute.floor);
        assert_eq!(spread(100 * second, 0), 100 * second);
        assert!(spread(100 * second, 99) < 125 * second);
    }
}
