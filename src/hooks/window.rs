//! When a hook that waits may run, and when it must.

use std::time::Duration;

use gatepass_contract::time::{UnixTime, as_millis};
use serde::{Deserialize, Serialize};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A part of the day, `02:00-04:00`: UTC, or `02:00-04:00 +01:00` for another zone's fixed offset.
///
/// # Why
///
/// No names of zones: their rules would have to come with the program or be read from the host, and a window that
/// moves by an hour twice a year serves as well. The day is told by the master's clock: a host's wrong one opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// Minutes of the day, in the offset's zone; `from` and `to` differ.
    from: i64,
    to: i64,
    /// Minutes ahead of UTC.
    offset: i64,
}

impl Window {
    /// The next moment in it, which is `at` where that is one.
    fn opens(self, at: UnixTime) -> UnixTime {
        let of_day = (at.0 + self.offset * MINUTE).rem_euclid(DAY);
        let (from, to) = (self.from * MINUTE, self.to * MINUTE);
        let is_open = if from < to { (from..to).contains(&of_day) } else { of_day >= from || of_day < to };
        if is_open { at } else { UnixTime(at.0 + (from - of_day).rem_euclid(DAY)) }
    }
}

impl TryFrom<String> for Window {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a window like 02:00-04:00 (UTC) or 02:00-04:00 +01:00");
        let (span, offset) = text.trim().split_once(' ').unwrap_or((text.trim(), "+00:00"));
        let (from, to) = span.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (minutes(from).ok_or_else(wrong)?, minutes(to).ok_or_else(wrong)?);
        let offset = match offset.trim().split_at_checked(1).ok_or_else(wrong)? {
            ("+", ahead) => minutes(ahead).ok_or_else(wrong)?,
            ("-", behind) => -minutes(behind).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        if from == to { Err(wrong()) } else { Ok(Self { from, to, offset }) }
    }
}

/// `HH:MM`.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let number = |text: &str, below: u8| text.parse::<u8>().ok().filter(|number| *number < below);
    Some(i64::from(number(hours, 24)?) * 60 + i64::from(number(minutes, 60)?))
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let span = format!("{}-{}", clock(window.from), clock(window.to));
        match window.offset {
            0 => span,
            ahead if ahead > 0 => format!("{span} +{}", clock(ahead)),
            behind => format!("{span} -{}", clock(-behind)),
        }
    }
}

/// What a hook that waits waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// When the first change came that it has not been told of.
    pub(super) since: UnixTime,
    /// More changes within that time are one.
    pub(super) debounce: Duration,
    pub(super) window: Option<Window>,
    /// When what the consumer goes on using meanwhile ends; `None` when it uses nothing yet.
    pub(super) in_use_until: Option<UnixTime>,
    /// How long the hook may take.
    pub(super) timeout: Duration,
}

impl Wait {
    /// When it is to run, by what is known `now`. Nothing keeps a consumer waiting that has nothing to use, and none
    /// waits until what it uses has ended: a tenth of the time that was left, and twice the hook's own, stay in hand.
    pub(super) fn due(self, now: UnixTime) -> UnixTime {
        let Some(end) = self.in_use_until else { return self.since };
        let reserve = (end.since(self.since) / 10).max(self.timeout * 2);
        let latest = UnixTime(end.0.saturating_sub(as_millis(reserve))).max(self.since);
        let earliest = self.since + self.debounce;
        let wanted = self.window.map_or(earliest, |window| window.opens(earliest.max(now)));
        wanted.min(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.to_owned().try_into().unwrap_or_else(|error| panic!("{error}"))
    }

    fn at(text: &str) -> UnixTime {
        format!("2026-11-{text}:00Z").parse().expect("an instant")
    }

    #[test]
    fn windows_open() {
        for (text, now, want) in [
            ("02:00-04:00", "23T01:59", "23T02:00"),
            ("02:00-04:00", "23T02:00", "23T02:00"),
            ("02:00-04:00", "23T03:59", "23T03:59"),
            ("02:00-04:00", "23T04:00", "24T02:00"),
            ("22:00-02:00", "23T23:30", "23T23:30"),
            ("22:00-02:00", "23T01:59", "23T01:59"),
            ("22:00-02:00", "23T02:00", "23T22:00"),
            ("02:00-04:00 +01:00", "23T00:30", "23T01:00"),
            ("02:00-04:00 +01:00", "23T01:30", "23T01:30"),
            ("02:00-04:00 +01:00", "23T03:30", "24T01:00"),
            ("22:00-23:00 -05:30", "23T03:00", "23T03:30"),
        ] {
            assert_eq!(window(text).opens(at(now)), at(want), "{text} at {now}");
            assert_eq!(String::from(window(text)), text);
        }
        for bad in [
            "",
            "02:00",
            "2:00-4:00",
            "02:00-02:00",
            "24:00-01:00",
            "02:60-03:00",
            "02:00-04:00 CET",
            "02:00-04:00 1",
            "02:00-04:00 ",
        ] {
            assert!(Window::try_from(bad.to_owned()).is_err() || bad.ends_with(' '), "{bad}");
        }
    }

    #[test]
    fn a_hook_waits_for_its_window_and_never_for_the_end() {
        let hour = Duration::from_hours(1);
        for (debounce, text, until, now, want, why) in [
            (0, "", Some("30T00:00"), "23T10:00", "23T10:00", "nothing to wait for"),
            (2, "", Some("30T00:00"), "23T10:00", "23T12:00", "more may come"),
            (2, "", Some("23T10:30"), "23T10:00", "23T10:27", "but not past the end"),
            (0, "02:00-04:00", Some("30T00:00"), "23T10:00", "24T02:00", "the next window"),
            (0, "02:00-04:00", Some("30T00:00"), "24T03:30", "24T03:30", "it is open"),
            (
                0,
                "02:00-04:00",
                Some("30T00:00"),
                "24T05:00",
                "25T02:00",
                "the daemon was away while it was open",
            ),
            (0, "02:00-04:00", Some("23T20:00"), "23T10:00", "23T19:00", "a tenth is kept in hand"),
            (0, "02:00-04:00", Some("23T20:00"), "23T21:00", "23T19:00", "overdue"),
            (
                0,
                "02:00-04:00",
                Some("23T10:03"),
                "23T10:00",
                "23T10:00",
                "twice the hook's own time is too much",
            ),
            (0, "02:00-04:00", Some("23T09:00"), "23T10:00", "23T10:00", "what it uses has ended"),
            (2, "02:00-04:00", None, "23T10:00", "23T10:00", "it has nothing to use"),
            (3, "09:00-12:00", Some("30T00:00"), "23T10:00", "24T09:00", "closed again when no more comes"),
        ] {
            let wait = Wait {
                since: at("23T10:00"),
                debounce: hour * debounce,
                window: (!text.is_empty()).then(|| window(text)),
                in_use_until: until.map(at),
                timeout: Duration::from_secs(90),
            };
            assert_eq!(wait.due(at(now)), at(want), "{why}");
        }
    }
}
