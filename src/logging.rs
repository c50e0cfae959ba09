//! Log lines on standard error: one event for each change of state.

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

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

/// Begins to log. Under systemd lines carry no time: the journal has it, and has it right.
pub fn begin(format: Format, least: Level) {
    let builder = fmt::fmt()
        .with_max_level(LevelFilter::from(least))
        .with_target(false)
        .with_writer(std::io::stderr)
        // A line that cannot be written, on a full disk for example, is lost. To complain about it on the same way
        // would end the process.
        .log_internal_errors(false);
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let begun = match (format, in_journal) {
        (Format::Json, _) => builder.json().flatten_event(true).try_init(),
        (Format::Text, true) => builder.with_ansi(false).without_time().try_init(),
        (Format::Text, false) => builder.with_ansi(false).try_init(),
    };
    debug_assert!(begun.is_ok(), "logging begins once");
}
