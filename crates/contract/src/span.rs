//! Durations as people write them: `12h`, `5d`, `1d 12h`. Units y, d, h, min, s, ms; never a bare number.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration that is read and written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// Largest first; `m` is not among them: it is read as minutes by some and as months by others.
const UNITS: [(&str, u64); 6] =
    [("y", 365 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration like 12h, 5d or 1d 12h (units y, d, h, min, s, ms)")]
pub struct NotASpan(String);

impl Span {
    /// As whole milliseconds; what is smaller is dropped.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// For constants.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = NotASpan;
    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let mut total: u64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(NotASpan(text.to_owned()));
        }
        while !rest.is_empty() {
            let (part, tail) = one_part(rest).ok_or_else(|| NotASpan(text.to_owned()))?;
            total = total.checked_add(part).ok_or_else(|| NotASpan(text.to_owned()))?;
            rest = tail;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

/// The milliseconds of the first number and its unit, and what stands behind them.
fn one_part(text: &str) -> Option<(u64, &str)> {
    let (number, text) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (unit, rest) = text.split_at(end);
    let &(_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((number.parse::<u64>().ok()?.checked_mul(millis)?, rest.trim_start()))
}

impl Span {
    /// Every unit that is not zero, largest first.
    fn parts(self) -> Vec<String> {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let mut parts = Vec::new();
        for (unit, millis) in UNITS {
            if rest >= millis {
                parts.push(format!("{}{unit}", rest / millis));
                rest %= millis;
            }
        }
        if parts.is_empty() { vec!["0s".to_owned()] } else { parts }
    }
}

/// For people: the two largest units that say something, `3d 4h`, `12h`, `1s 20ms`; milliseconds only below ten seconds.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 >= Duration::from_secs(10);
        let parts = if whole { Self::from_secs(self.0.as_secs()).parts() } else { self.parts() };
        f.pad(&parts[..parts.len().min(2)].join(" "))
    }
}

/// For machines: exact to the millisecond.
impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.parts().join(" ")
    }
}

impl TryFrom<String> for Span {
    type Error = NotASpan;
    fn try_from(text: String) -> Result<Self, NotASpan> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_refuses_bare_numbers() {
        for (text, seconds) in [
            ("12h", 43_200),
            ("5d", 432_000),
            ("1d 12h", 129_600),
            ("90 min", 5_400),
            ("1y", 31_536_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Span>(), Ok(Span::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            " ",
            "12",
            "h",
            "12m",
            "1.5h",
            "-1h",
            "12hours",
            "99999999999999999999d",
            "18446744073709551615y",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["12h", "5d", "1d 12h", "1min", "0s", "250ms", "3y 20d"] {
            assert_eq!(text.parse::<Span>().expect("a span").to_string(), text);
        }
        let long = Span(Duration::from_secs(3 * 86_400 + 4 * 3_600 + 61));
        assert_eq!(long.to_string(), "3d 4h");
        assert_eq!(Span(Duration::from_millis(59_265)).to_string(), "59s");
        assert_eq!(Span(Duration::from_millis(9_265)).to_string(), "9s 265ms");
        assert_eq!(String::from(long).parse(), Ok(long));
    }
}
