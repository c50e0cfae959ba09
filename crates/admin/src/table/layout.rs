//! Columns, and how instants and lists are said.

use std::fmt::Display;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Expiry, LastUse};

use crate::output::printable;

/// Columns of the terminal; `None` when nobody reads it there, and nothing is to be wrapped.
pub type Width = Option<u16>;

/// Columns that are of no use in pieces.
const RIGID: [&str; 5] = ["EXPIRES", "ID", "KIND", "NUMBER", "STATE"];

/// How much of an id a terminal shows: enough to tell things apart and to name one.
const SHORT: usize = 8;

/// An id in a list: whole where a program reads it.
pub(super) fn short(id: impl Display, width: Width) -> String {
    let mut id = id.to_string();
    if width.is_some() {
        id.truncate(SHORT);
    }
    id
}

/// A line for each thing.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, width: Width) -> String {
    let mut table = plain(width);
    table.set_header(header.to_vec());
    for (column, name) in table.column_iter_mut().zip(header) {
        if RIGID.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.add_rows(rows.map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>()));
    finished(table)
}

/// A line for each property of one thing.
pub(super) fn fields(rows: impl IntoIterator<Item = (&'static str, String)>, width: Width) -> String {
    let mut table = plain(width);
    table.add_rows(rows.into_iter().map(|(name, value)| [name.to_owned(), printable(&value)]));
    finished(table)
}

fn plain(width: Width) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

fn finished(mut table: Table) -> String {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}

/// The instant itself and how far it is.
pub(super) fn instant(at: UnixTime, now: UnixTime) -> String {
    format!("{at} ({})", relative(at, now))
}

/// `in 3d 4h`, `12s ago`: whole seconds, the master's.
pub(super) fn relative(at: UnixTime, now: UnixTime) -> String {
    if at > now {
        format!("in {}", rounded(at.since(now).as_secs()))
    } else {
        format!("{} ago", rounded(now.since(at).as_secs()))
    }
}

/// The same in one unit, for lists.
pub(super) fn about(at: UnixTime, now: UnixTime) -> String {
    let seconds = if at > now { at.since(now) } else { now.since(at) }.as_secs();
    let unit = [86_400, 3_600, 60, 1].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    let span = Span::from_secs(seconds / unit * unit);
    if at > now { format!("in {span}") } else { format!("{span} ago") }
}

/// To what is said of it: what was to last 30 days still says so a second later.
fn rounded(seconds: u64) -> Span {
    let to = |unit: u64| (seconds + unit / 2) / unit * unit;
    Span::from_secs(match seconds {
        0..3_600 => seconds,
        3_600..86_400 => to(60),
        _ => to(3_600),
    })
}

/// An end, in a list.
pub(super) fn ends(expires: Expiry, now: UnixTime) -> String {
    match expires {
        Expiry::At(at) => relative(at, now),
        Expiry::Never => "never".to_owned(),
    }
}

/// An end, of one thing.
pub(super) fn end(expires: Expiry, now: UnixTime) -> String {
    match expires {
        Expiry::At(at) => instant(at, now),
        Expiry::Never => "never".to_owned(),
    }
}

/// Something that may not have happened, in a list.
pub(super) fn since(at: Option<UnixTime>, now: UnixTime) -> String {
    at.map_or_else(|| "never".to_owned(), |at| about(at, now))
}

/// A last use, of one thing.
pub(super) fn last_use(used: Option<LastUse>, now: UnixTime) -> String {
    used.map_or_else(
        || "never".to_owned(),
        |used| {
            let by = used.agent.map(|agent| format!(" by agent {agent}")).unwrap_or_default();
            format!("{} from {}{by}", instant(used.at, now), used.from)
        },
    )
}

/// Networks: none means all.
pub(super) fn networks<T: Display>(all: &[T]) -> String {
    if all.is_empty() { "anywhere".to_owned() } else { listed(all) }
}

/// All of them in a row.
pub(super) fn listed<T: Display>(all: &[T]) -> String {
    if all.is_empty() {
        return "-".to_owned();
    }
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// The first ones, and how many more there are: in a list a line has to do.
pub(super) fn few<T: Display>(all: &[T]) -> String {
    const FEW: usize = 3;
    match all.len().saturating_sub(FEW) {
        0 | 1 => listed(all),
        more => format!("{} and {more} more", listed(&all[..FEW])),
    }
}

/// A text, or a dash for none.
pub(super) fn or_dash(text: impl Display) -> String {
    let text = text.to_string();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// `yes` or `no`.
pub(super) fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_to_what_is_said_of_them() {
        for (seconds, want) in [
            (59, "in 59s"),
            (3_599, "in 59min 59s"),
            (7_199, "in 2h"),
            (30 * 86_400 - 1, "in 30d"),
            (365 * 86_400 - 2, "in 1y"),
            (90_000, "in 1d 1h"),
        ] {
            assert_eq!(relative(UnixTime::from_seconds(seconds), UnixTime(0)), want);
        }
        assert_eq!(relative(UnixTime(0), UnixTime(12_345)), "12s ago");
        assert_eq!(about(UnixTime(0), UnixTime(109_000)), "1min ago");
        assert_eq!(about(UnixTime(0), UnixTime(400)), "0s ago");
        assert_eq!(about(UnixTime::from_seconds(90_000), UnixTime(0)), "in 1d");
    }

    #[test]
    fn a_long_list_is_cut_where_that_saves_something() {
        assert_eq!(few::<u8>(&[]), "-");
        assert_eq!(few(&[1, 2, 3, 4]), "1, 2, 3, 4");
        assert_eq!(few(&[1, 2, 3, 4, 5]), "1, 2, 3 and 2 more");
    }
}
