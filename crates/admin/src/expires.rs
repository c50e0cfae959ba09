//! When a new key is to end, as people say it: `90d`, an instant, or `never`.

use std::str::FromStr;

use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::Expiry;

/// What `--expires` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// That long after the key is made.
    After(Span),
    /// Then.
    At(UnixTime),
    /// Not by itself.
    Never,
}

/// Neither of the three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a duration like 90d, nor an instant like 2026-11-22T20:00:00Z, nor `never`")]
pub struct NotAnExpiry(String);

impl Expires {
    /// As the master wants it. `now` is the master's time: the clock of this host has no say in when a key ends.
    #[must_use]
    pub fn from(self, now: UnixTime) -> Expiry {
        match self {
            Self::After(span) => Expiry::At(now + span.duration()),
            Self::At(at) => Expiry::At(at),
            Self::Never => Expiry::Never,
        }
    }
}

impl FromStr for Expires {
    type Err = NotAnExpiry;
    fn from_str(text: &str) -> Result<Self, NotAnExpiry> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let span = text.parse().map(Self::After);
        span.or_else(|_| text.parse().map(Self::At)).map_err(|_| NotAnExpiry(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_forms_and_nothing_else() {
        for (text, want) in [
            ("90d", Expires::After(Span::from_secs(90 * 86_400))),
            ("1d 12h", Expires::After(Span::from_secs(36 * 3_600))),
            ("1970-01-01T00:00:05Z", Expires::At(UnixTime(5_000))),
            ("1970-01-01T01:00:05+01:00", Expires::At(UnixTime(5_000))),
            ("never", Expires::Never),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in ["", "90", "tomorrow", "Never", "-1d", "2026-11-22"] {
            assert!(text.parse::<Expires>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_counts_from_the_masters_time() {
        let now = UnixTime(1_000_000);
        assert_eq!(Expires::After(Span::from_secs(60)).from(now), Expiry::At(UnixTime(1_060_000)));
        assert_eq!(Expires::At(UnixTime(7)).from(now), Expiry::At(UnixTime(7)));
        assert_eq!(Expires::Never.from(now), Expiry::Never);
    }
}
