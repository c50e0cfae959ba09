//! The seam between what the store does and the engine that does it: one SQL text, values in, rows out.
//!
//! Invariants: placeholders are `?1`, `?2`… in order of appearance; columns hold integers of 64 bits, text or bytes,
//! nothing else; a statement is prepared once for each connection.

mod error;
mod row;
mod value;

pub use error::SqlError;
pub(crate) use row::Row;
pub(crate) use value::{Bind, Value, params};

use rusqlite::params_from_iter;

use super::postgres::Session;

/// What came of a statement.
pub(crate) type Result<T> = std::result::Result<T, SqlError>;

/// A connection, inside a transaction or not.
#[derive(Clone, Copy)]
pub(crate) enum Conn<'a> {
    /// A file of this master's own.
    Sqlite(&'a rusqlite::Connection),
    /// A server that masters share.
    Postgres(&'a Session),
}

impl Conn<'_> {
    /// Does something; how many rows it touched.
    pub(crate) fn execute(self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        match self {
            Self::Sqlite(conn) => {
                let touched = conn.prepare_cached(sql)?.execute(params_from_iter(values))?;
                Ok(touched as u64)
            }
            Self::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Every row, each read by `read`.
    pub(crate) fn query<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&Row::Sqlite(row))?);
                }
                Ok(found)
            }
            Self::Postgres(session) => {
                session.query(sql, values)?.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The first row, if there is one.
    pub(crate) fn one<T>(
        self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self {
            Self::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                rows.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
            }
            Self::Postgres(session) => {
                session.query(sql, values)?.first().map(|row| read(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// Whether there is any row.
    pub(crate) fn exists(self, sql: &str, values: &[Value<'_>]) -> Result<bool> {
        Ok(self.one(sql, values, |_| Ok(()))?.is_some())
    }

    /// Begins or ends a savepoint.
    pub(super) fn control(self, statement: &str) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.execute(statement, &[]).map(drop),
            Self::Postgres(session) => session.control(statement),
        }
    }

    /// Whether the transaction is over though nobody has ended it.
    pub(super) fn is_lost(self) -> bool {
        match self {
            Self::Sqlite(conn) => conn.is_autocommit(),
            Self::Postgres(session) => session.is_lost(),
        }
    }

    /// Writes without changing anything: fails exactly when a change would.
    pub(super) fn touch(self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => {
                let version: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
                Ok(conn.pragma_update(None, "user_version", version)?)
            }
            Self::Postgres(_) => self.execute("UPDATE schema_version SET version = version", &[]).map(drop),
        }
    }
}
