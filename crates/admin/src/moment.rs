//! An instant as people say it: itself, or how long ago it was.

use std::str::FromStr;

use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;

/// What `--since` and `--until` take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// That long ago.
    Ago(Span),
    /// Then.
    At(UnixTime),
}

/// Neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an instant like 2026-11-22T20:00:00Z nor how long ago, like 2d")]
pub struct NotAMoment(String);

impl Moment {
    /// As an instant. `now` is the master's time.
    #[must_use]
    pub fn before(self, now: UnixTime) -> UnixTime {
        match self {
            Self::Ago(span) => now - span.duration(),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;
    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let span = text.parse().map(Self::Ago);
        span.or_else(|_| text.parse().map(Self::At)).map_err(|_| NotAMoment(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_or_how_long_ago() {
        let now = UnixTime(86_400_000);
        for (text, want) in [("1d", UnixTime(0)), ("1970-01-01T00:00:05Z", UnixTime(5_000))] {
            assert_eq!(text.parse::<Moment>().map(|moment| moment.before(now)), Ok(want), "{text}");
        }
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
