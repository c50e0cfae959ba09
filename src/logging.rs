//! Log lines on standard error: one event for each change of state.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::{Level as Severity, Metadata};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// The least severe event that is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What needs a person.
    Error,
    /// And what will be tried again.
    Warn,
    /// And every change of state.
    #[default]
    Info,
    /// And every step.
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// Begins to log. In the journal lines carry no time, it has that, and their severity as a mark, which it takes off.
pub fn begin(format: Format, least: Level) {
    let builder = fmt::fmt()
        .with_max_level(LevelFilter::from(least))
        .with_target(false)
        .with_writer(io::stderr)
        // A line that cannot be written, on a full disk for example, is lost. To complain about it on the same way
        // would end the process.
        .log_internal_errors(false);
    let begun = match (format, in_journal()) {
        (Format::Json, false) => builder.json().flatten_event(true).try_init(),
        (Format::Json, true) => builder.json().flatten_event(true).with_writer(Marked).try_init(),
        (Format::Text, false) => builder.with_ansi(false).try_init(),
        (Format::Text, true) => builder.with_ansi(false).without_time().with_writer(Marked).try_init(),
    };
    debug_assert!(begun.is_ok(), "logging begins once");
}

/// Whether standard error is the very stream that the service manager has tied to the journal: what a service starts
/// inherits the variable, but may write elsewhere.
fn in_journal() -> bool {
    let tied = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let ours = rustix::fs::fstat(io::stderr()).map(|found| format!("{}:{}", found.st_dev, found.st_ino));
    ours.is_ok_and(|ours| ours == tied)
}

/// Standard error, each line marked with its severity (`sd-daemon(3)`).
struct Marked;

impl<'a> MakeWriter<'a> for Marked {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line(mark(Severity::INFO))
    }
    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line {
        Line(mark(*event.level()))
    }
}

const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::ERROR => "<3>",
        Severity::WARN => "<4>",
        Severity::INFO => "<6>",
        Severity::DEBUG | Severity::TRACE => "<7>",
    }
}

/// One line to be.
struct Line(&'static str);

impl Write for Line {
    /// An event comes in one piece and goes on in one, so that no other line gets in between.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&[self.0.as_bytes(), event].concat())?;
        Ok(event.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
