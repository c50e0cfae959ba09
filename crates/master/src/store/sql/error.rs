//! Why a statement was not carried out, or a row not understood.

use std::error::Error;

/// What went wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The file cannot be used, or refuses.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The server cannot be reached, or refuses.
    #[error("{}", in_short(.0))]
    Postgres(#[from] postgres::Error),
    /// Encryption to the server cannot be set up.
    #[error("the TLS to the database cannot be set up: {0}")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// A column holds what no version of this program writes there.
    #[error("column {column} cannot be read: {source}")]
    Column {
        /// Counted from 0.
        column: usize,
        /// What it is not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something cannot be written as a value of the database.
    #[error("a value cannot be stored: {0}")]
    Value(#[source] Box<dyn Error + Send + Sync>),
}

impl SqlError {
    pub(super) fn column(column: usize, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Column { column, source: error.into() }
    }

    /// Whether the cause is outside of what is stored and may pass: a full disk, a server that is gone.
    pub(in crate::store) fn may_pass(&self) -> bool {
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sqlite(error) => error
                .sqlite_error_code()
                .is_some_and(|code| !matches!(code, ConstraintViolation | DatabaseCorrupt | NotADatabase)),
            Self::Postgres(error) => error.code().is_none_or(|code| !is_ours(code.code())),
            Self::Tls(_) => true,
            Self::Column { .. } | Self::Value(_) => false,
        }
    }
}

/// Classes of SQLSTATE that no circumstance brings about: data that do not fit, a broken rule, a statement that is wrong, a
/// trigger's refusal, damage. Rights (42501) are a matter of circumstance, and so is a statement that was prepared before a
/// newer master changed a table (0A000).
fn is_ours(state: &str) -> bool {
    state != "42501" && ["22", "23", "42", "P0", "XX"].iter().any(|class| state.starts_with(class))
}

/// With its causes in one line, and without the values that a server quotes in its details.
fn in_short(error: &postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{}: {} ({})", said.severity(), said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
