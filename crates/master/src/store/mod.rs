//! Everything the master must not forget, in one SQLite database.
//!
//! Invariants: what a method has answered is on disk; every change and its audit record are one transaction; whatever
//! could race is decided again inside it, by the same pure functions that decided before. Readers see what is committed.

mod agents;
mod apikeys;
mod connection;
mod founding;
mod issuing;
mod ledger;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;

use gatepass_contract::wire::Code;
use rusqlite::Connection;

use connection::Readers;
use writer::{Job, Points, Writer};

pub use agents::{Counts, EnrolOrder, Enrolled, Holding, RenewOrder, Renewed, Report};
pub use apikeys::{Created, Moved};
pub use founding::{Foundation, Founded};

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written: full disk, read-only, gone. Nothing was acknowledged; it may pass.
    #[error("the database cannot be used")]
    Unavailable(#[source] Arc<rusqlite::Error>),
    /// It holds what no version of this program writes, or refuses what should be possible: a bug, or damage.
    #[error("the database is damaged")]
    Damaged(#[source] Arc<rusqlite::Error>),
    /// More is waiting to be written than can be done soon.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// The master is shutting down.
    #[error("the database is closed")]
    Closed,
    /// The database was made by a newer version.
    #[error("the database has schema {found}, this version knows {known}; use the version that made it")]
    TooNew {
        /// What the database has.
        found: u32,
        /// What this program has.
        known: u32,
    },
}

impl StoreError {
    /// What the caller is told.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Busy => Code::Overloaded,
            Self::Unavailable(_) | Self::Closed => Code::Unavailable,
            Self::Damaged(_) | Self::TooNew { .. } => Code::Internal,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
        let outside = error
            .sqlite_error_code()
            .is_some_and(|code| !matches!(code, ConstraintViolation | DatabaseCorrupt | NotADatabase));
        let error = Arc::new(error);
        if outside { Self::Unavailable(error) } else { Self::Damaged(error) }
    }
}

/// The database. A clone is another handle to the same one.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Store {
    /// Opens the database, makes it where there is none (for its owner alone), brings its schema up to date and starts
    /// the writer.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connection::open_to_write(path)?;
        Ok(Self { readers: Arc::new(Readers::open(path)?), writer: Writer::start(connection)? })
    }

    /// Finishes what was accepted, then closes. Whoever still holds a clone gets [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Whether it can be read and written at this moment: one real read, one real commit.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.readers.with(|conn| conn.query_row("SELECT count(*) FROM anchor", [], |_| Ok(())))?;
        self.write(writer::PROBE, |ledger| ledger.touch()).await
    }

    /// Runs `job` in the next transaction and answers once that is on disk.
    async fn write<T: Send + 'static>(
        &self,
        points: Points,
        job: impl FnOnce(&mut ledger::Ledger<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = Job::new(points, job);
        self.writer.submit(job)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// A read that is answered from memory in microseconds: it runs where it is.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.readers.with(query)
    }

    /// A read that may take a while.
    async fn scan<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        let scan = tokio::task::spawn_blocking(move || readers.with(query));
        scan.await.unwrap_or(Err(StoreError::Closed))
    }
}
