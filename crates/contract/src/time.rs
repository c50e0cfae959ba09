//! Instants, lifetimes, and how far two clocks are apart.
//!
//! Everything that decides about validity does so in the master's time; [`Skew`] is how a host gets there from its own.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span::Span;

/// Milliseconds since 1970-01-01T00:00:00Z. The name that holds it says whose clock it is from.
///
/// On the wire and in print it is RFC 3339 in UTC with milliseconds; [`millis`] writes the bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// From whole seconds, as certificates and JWTs hold them.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Milliseconds of a duration, as the arithmetic on instants wants them.
#[must_use]
pub fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for UnixTime {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(as_millis(later)))
    }
}

impl Sub<Duration> for UnixTime {
    type Output = Self;
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(as_millis(earlier)))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = jiff::Timestamp::from_millisecond(self.0).map(|at| format!("{at:.3}"));
        f.pad(text.as_deref().unwrap_or("out of range"))
    }
}

/// Not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an instant like 2026-11-22T20:00:00Z")]
pub struct NotAnInstant(String);

impl FromStr for UnixTime {
    type Err = NotAnInstant;
    fn from_str(text: &str) -> Result<Self, NotAnInstant> {
        let at = text.parse::<jiff::Timestamp>().map_err(|_| NotAnInstant(text.to_owned()))?;
        Ok(Self(at.as_millisecond()))
    }
}

impl From<UnixTime> for String {
    fn from(at: UnixTime) -> Self {
        at.to_string()
    }
}

impl TryFrom<String> for UnixTime {
    type Error = NotAnInstant;
    fn try_from(text: String) -> Result<Self, NotAnInstant> {
        text.parse()
    }
}

/// For `#[serde(with = "millis")]`: the bare number of milliseconds, where two clocks are compared.
pub mod millis {
    use super::UnixTime;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the number.
    pub fn serialize<S: Serializer>(at: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.0)
    }

    /// Reads the number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        i64::deserialize(from).map(UnixTime)
    }
}

/// From when until when something is good. Invariant: `from < until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Ends", into = "Ends")]
pub struct Validity {
    from: UnixTime,
    until: UnixTime,
}

/// How a [`Validity`] is written down, before its invariant is checked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ends {
    not_before: UnixTime,
    not_after: UnixTime,
}

impl From<Validity> for Ends {
    fn from(validity: Validity) -> Self {
        Self { not_before: validity.from, not_after: validity.until }
    }
}

impl TryFrom<Ends> for Validity {
    type Error = &'static str;
    fn try_from(ends: Ends) -> Result<Self, &'static str> {
        Self::new(ends.not_before, ends.not_after).ok_or("notBefore is not before notAfter")
    }
}

impl Validity {
    /// `None` unless `from` is before `until`.
    #[must_use]
    pub fn new(from: UnixTime, until: UnixTime) -> Option<Self> {
        (from < until).then_some(Self { from, until })
    }

    /// The first good instant.
    #[must_use]
    pub const fn from(self) -> UnixTime {
        self.from
    }

    /// The first instant that is no longer good.
    #[must_use]
    pub const fn until(self) -> UnixTime {
        self.until
    }

    /// How long it is good for in all.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        self.until.since(self.from)
    }

    /// Whether it is good at that instant.
    #[must_use]
    pub fn holds(self, at: UnixTime) -> bool {
        self.from <= at && at < self.until
    }

    /// Where both are good; `None` when they never are together.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.until.min(other.until))
    }

    /// The instant at which `percent` of the lifetime is over.
    #[must_use]
    pub fn at_percent(self, percent: u32) -> UnixTime {
        self.from + self.lifetime() / 100 * percent
    }
}

/// The master's clock minus the local one, and how unsure that is (half the round trip). Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Skew {
    /// Positive when the master is ahead of the host.
    pub ahead: i64,
    /// Never negative: the true value lies within `ahead ± doubt`.
    pub doubt: i64,
}

/// What a [`Skew`] amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Certainly within the tolerance.
    Agree,
    /// Certainly outside it, by that many milliseconds (the master's clock minus the local one).
    Drift {
        /// Milliseconds the master is ahead.
        ahead: i64,
    },
    /// The doubt is too large to tell.
    Unsure,
}

impl Skew {
    /// From one exchange: when it left, when the master got it, when it answered, how long we waited.
    ///
    /// `waited` comes from a clock that only goes forward: ours may step back in between. The time the master spent
    /// between `got` and `answered` was not spent on the way and is taken off (RFC 5905, section 8).
    #[must_use]
    pub fn from_exchange(left: UnixTime, got: UnixTime, answered: UnixTime, waited: Duration) -> Self {
        let on_the_way = waited.saturating_sub(answered.since(got));
        let half = as_millis(on_the_way / 2);
        // Each instant and the half were cut to whole milliseconds: up to two of doubt more.
        Self { ahead: got.0.saturating_sub(left.0.saturating_add(half)), doubt: half.saturating_add(2) }
    }

    /// What the master's clock shows when the local one shows `local`.
    #[must_use]
    pub fn at_master(self, local: UnixTime) -> UnixTime {
        UnixTime(local.0.saturating_add(self.ahead))
    }

    /// The round trip this was measured over.
    #[must_use]
    pub fn round_trip(self) -> Duration {
        Duration::from_millis(u64::try_from(self.doubt).unwrap_or(0).saturating_mul(2))
    }

    /// Whether the clocks agree within `tolerance`, as far as the doubt lets one say.
    #[must_use]
    pub fn agreement(self, tolerance: Duration) -> Agreement {
        let (off, tolerance) = (self.ahead.saturating_abs(), as_millis(tolerance));
        if off.saturating_add(self.doubt) <= tolerance {
            Agreement::Agree
        } else if off.saturating_sub(self.doubt) > tolerance {
            Agreement::Drift { ahead: self.ahead }
        } else {
            Agreement::Unsure
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = Span::from(Duration::from_millis(self.ahead.unsigned_abs()));
        let doubt = Span::from(Duration::from_millis(self.doubt.unsigned_abs()));
        if self.ahead.saturating_abs() <= self.doubt {
            write!(f, "in step with the master (±{doubt})")
        } else if self.ahead > 0 {
            write!(f, "{off} behind the master (±{doubt})")
        } else {
            write!(f, "{off} ahead of the master (±{doubt})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_print_and_parse() {
        for at in [0, 1, -1, 1_795_379_123_456, 2_840_140_800_000, -62_000_000_000_000] {
            assert_eq!(UnixTime(at).to_string().parse(), Ok(UnixTime(at)));
        }
        assert_eq!(UnixTime(1_795_379_123_456).to_string(), "2026-11-22T20:25:23.456Z");
        assert!("yesterday".parse::<UnixTime>().is_err());
    }

    #[test]
    fn an_exchange_measures_the_offset_whatever_the_master_does_in_between() {
        // The host is at 1,000, the master one hour ahead; 10 ms there, 30 ms thinking, 10 ms back.
        let hour = 3_600_000;
        let skew = Skew::from_exchange(
            UnixTime(1_000),
            UnixTime(1_010 + hour),
            UnixTime(1_040 + hour),
            Duration::from_millis(50),
        );
        assert_eq!(skew, Skew { ahead: hour, doubt: 12 });
        assert_eq!(skew.to_string(), "1h behind the master (±12ms)");
        assert_eq!(skew.at_master(UnixTime(5)), UnixTime(5 + hour));
    }

    #[test]
    fn agreement_is_claimed_only_where_the_doubt_allows() {
        let tolerance = Duration::from_secs(5);
        for (ahead, doubt, want) in [
            (0, 1, Agreement::Agree),
            (4_000, 1_000, Agreement::Agree),
            (4_000, 1_001, Agreement::Unsure),
            (-5_500, 400, Agreement::Drift { ahead: -5_500 }),
            (5_500, 500, Agreement::Unsure),
            (i64::MIN, 0, Agreement::Drift { ahead: i64::MIN }),
            (0, i64::MAX, Agreement::Unsure),
        ] {
            assert_eq!(Skew { ahead, doubt }.agreement(tolerance), want, "{ahead} ± {doubt}");
        }
    }

    #[test]
    fn a_validity_never_ends_before_it_begins() {
        assert_eq!(Validity::new(UnixTime(2), UnixTime(2)), None);
        assert!(
            serde_json::from_str::<Validity>(
                r#"{"notBefore":"2026-01-02T00:00:00Z","notAfter":"2026-01-01T00:00:00Z"}"#
            )
            .is_err()
        );
        let week = Validity::new(UnixTime(0), UnixTime(700)).expect("from < until");
        assert_eq!(week.at_percent(50), UnixTime(350));
        assert!(week.holds(UnixTime(0)) && !week.holds(UnixTime(700)));
    }
}
