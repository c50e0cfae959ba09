//! How often somebody may fail to show who they are: per address, and per API key or user they name.
//!
//! Invariants: a right API key or token is never refused here, whoever else fails from its address; the memory for it is
//! fixed, whoever fails from however many addresses.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gatepass_contract::id::KeyId;
use gatepass_contract::name::UserName;
use gatepass_contract::time::UnixTime;

/// Who fails, or as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// From there; of IPv6 the network, for a host has as many addresses as it likes.
    Address(IpAddr),
    /// With the id of that key and another secret.
    Key(KeyId),
    /// With that user's name and another password.
    User(UserName),
}

impl Source {
    /// From that address.
    pub(super) fn address(from: IpAddr) -> Self {
        Self::Address(match from.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// What an attempt comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is one of those that everybody has.
    Within,
    /// It is one too many; another has a chance after that time.
    Beyond {
        /// Until then.
        retry_after: Duration,
        /// Whether it is the first one too many.
        first: bool,
    },
}

/// Counts attempts in leaking buckets. Each source has one; two that share one by chance share its room.
pub(super) struct Attempts {
    /// Twice the instant at which it is empty, and one more if it was told that it ran over.
    buckets: Box<[AtomicI64]>,
    hasher: RandomState,
    /// What one attempt takes of [`WINDOW`].
    cost: i64,
}

impl Attempts {
    /// So many in a minute.
    pub(super) fn new(a_minute: u32) -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicI64::new(i64::MIN)).collect();
        Self { buckets, hasher: RandomState::new(), cost: WINDOW / i64::from(a_minute.max(1)) }
    }

    /// Counts one attempt of all these sources.
    pub(super) fn count(&self, sources: &[Source], now: UnixTime) -> Verdict {
        let verdicts = sources.iter().map(|source| self.fill(self.bucket(source), now));
        verdicts.reduce(worse).unwrap_or(Verdict::Within)
    }

    /// Takes one back that turned out right.
    pub(super) fn forgive(&self, sources: &[Source]) {
        for source in sources {
            let less = |old: i64| Some(old.saturating_sub(2 * self.cost));
            // Always succeeds: there is always a new value.
            let _ = self.bucket(source).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    fn bucket(&self, source: &impl Hash) -> &AtomicI64 {
        let place = self.hasher.hash_one(source) % BUCKETS as u64;
        &self.buckets[usize::try_from(place).expect("a number of a bucket")]
    }

    fn fill(&self, bucket: &AtomicI64, now: UnixTime) -> Verdict {
        let mut verdict = Verdict::Within;
        let change = |old: i64| {
            let (next, what) = self.next(old, now.0);
            verdict = what;
            Some(next)
        };
        // Always succeeds: there is always a new value.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        verdict
    }

    fn next(&self, old: i64, now: i64) -> (i64, Verdict) {
        // A clock that was set back must not lock anybody out for long: a bucket is never fuller than full.
        let level = (old >> 1).saturating_sub(now).clamp(0, WINDOW);
        let told = level > 0 && old & 1 == 1;
        if level + self.cost <= WINDOW {
            return ((now + level + self.cost) << 1 | i64::from(told), Verdict::Within);
        }
        let wait = u64::try_from(level + self.cost - WINDOW).unwrap_or(0);
        let beyond = Verdict::Beyond { retry_after: Duration::from_millis(wait), first: !told };
        ((now + level) << 1 | 1, beyond)
    }
}

const fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Within, worse) | (worse, Verdict::Within) => worse,
        (
            Verdict::Beyond { retry_after: a, first: one },
            Verdict::Beyond { retry_after: b, first: other },
        ) => {
            let longer = if a.as_nanos() > b.as_nanos() { a } else { b };
            Verdict::Beyond { retry_after: longer, first: one && other }
        }
    }
}

/// 8 bytes each.
const BUCKETS: usize = 16_384;
/// A minute, in milliseconds.
const WINDOW: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_379_123_000);

    fn from(address: &str) -> Source {
        Source::address(address.parse().expect("an address"))
    }

    #[test]
    fn so_many_a_minute_and_the_first_too_many_is_told_once() {
        let attempts = Attempts::new(3);
        let one = [from("192.0.2.1")];
        for _ in 0..3 {
            assert_eq!(attempts.count(&one, NOW), Verdict::Within);
        }
        let retry_after = Duration::from_secs(20);
        assert_eq!(attempts.count(&one, NOW), Verdict::Beyond { retry_after, first: true });
        assert_eq!(attempts.count(&one, NOW), Verdict::Beyond { retry_after, first: false });
        assert_eq!(attempts.count(&[from("192.0.2.2")], NOW), Verdict::Within, "another address");
        let later = NOW + retry_after;
        assert_eq!(attempts.count(&one, later), Verdict::Within, "as promised");
        assert!(matches!(attempts.count(&one, later), Verdict::Beyond { first: false, .. }));
        let empty = later + Duration::from_mins(1);
        for _ in 0..3 {
            assert_eq!(attempts.count(&one, empty), Verdict::Within);
        }
        assert!(matches!(attempts.count(&one, empty), Verdict::Beyond { first: true, .. }), "told anew");
    }

    #[test]
    fn one_source_too_many_is_enough_and_right_attempts_are_given_back() {
        let attempts = Attempts::new(2);
        let user = Source::User("ann".parse().expect("a name"));
        for address in ["192.0.2.1", "192.0.2.2"] {
            assert_eq!(attempts.count(&[from(address), user.clone()], NOW), Verdict::Within);
        }
        let third = [from("192.0.2.3"), user];
        assert!(matches!(attempts.count(&third, NOW), Verdict::Beyond { .. }));
        let calm = [from("192.0.2.4")];
        for _ in 0..100 {
            assert_eq!(attempts.count(&calm, NOW), Verdict::Within);
            attempts.forgive(&calm);
        }
    }

    #[test]
    fn a_host_has_one_network_and_a_clock_set_back_locks_nobody_out() {
        assert_eq!(from("2001:db8::1"), from("2001:db8::ffff:2"));
        assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        let attempts = Attempts::new(1);
        let one = [from("192.0.2.1")];
        assert_eq!(attempts.count(&one, NOW), Verdict::Within);
        let back = NOW - Duration::from_hours(24);
        let Verdict::Beyond { retry_after, .. } = attempts.count(&one, back) else { panic!("still full") };
        assert!(retry_after <= Duration::from_mins(1), "{retry_after:?}");
    }
}
