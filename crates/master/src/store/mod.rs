//! Everything the master must not forget, in one database: a file of its own, or a server that masters share.
//!
//! Invariants: what a method has answered is on disk; every change and its audit record are one transaction; whatever
//! could race is decided again inside it, by the same pure functions that decided before. Readers see what is committed.

mod agents;
mod apikeys;
mod audit;
mod copy;
mod engine;
mod founding;
mod idempotency;
mod issuing;
mod lead;
mod ledger;
mod migrations;
mod notices;
mod people;
mod postgres;
mod rows;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;
mod tokens;
mod writer;

use std::sync::Arc;

use engine::Readers;
use gatepass_contract::wire::Code;
use sql::Conn;
use writer::{Job, Points, Writer};

pub use agents::{Counts, EnrolOrder, Enrolled, Holding, RenewOrder, Renewed, Report};
pub use apikeys::{
    ApprovalListing, ChangeOrder, CreateOrder, Deleted, InTheWay, Listing, Moved, OnceKey, OnceOrder, Place,
    Shown, Summary, Usage, Written,
};
pub use audit::{Listed, PRUNED_AT_ONCE};
pub use copy::{Copied, CopyError};
pub use engine::Database;
pub use founding::{Foundation, Founded};
pub use lead::Lead;
pub use notices::{Claimed, Fate, Holder, Resent, Scanned};
pub use people::{NewPassword, NewUser, PasswordOf, Settled};
pub use postgres::{BadUrl, PostgresUrl};
pub use sql::SqlError;
pub use tokens::{NewSession, NewToken, Target, TokenFilter};

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written: full disk, read-only, gone. Nothing was acknowledged; it may pass.
    #[error("the database cannot be used")]
    Unavailable(#[source] Arc<SqlError>),
    /// It holds what no version of this program writes, or refuses what should be possible: a bug, or damage.
    #[error("the database is damaged")]
    Damaged(#[source] Arc<SqlError>),
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

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        let passing = error.may_pass();
        let error = Arc::new(error);
        if passing { Self::Unavailable(error) } else { Self::Damaged(error) }
    }
}

/// The newest schema this program knows.
#[must_use]
pub fn known_schema() -> u32 {
    migrations::known()
}

/// The database. A clone is another handle to the same one.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
    noted: Arc<apikeys::Noted>,
}

impl Store {
    /// Opens the database, makes it where there is none (for its owner alone), brings its schema up to date and starts
    /// the writer.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        let (writing, readers) = database.open()?;
        Ok(Self { readers: Arc::new(readers), writer: Writer::start(writing)?, noted: Arc::default() })
    }

    /// Stands for election among the masters of this database.
    #[must_use]
    pub fn lead(&self) -> Lead {
        self.readers.lead()
    }

    /// Finishes what was accepted, then closes. Whoever still holds a clone gets [`StoreError::Closed`].
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Whether it can be read and written at this moment: one real read, one real commit.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.read(|conn| conn.exists("SELECT 1 FROM anchor", &[])).await?;
        self.write(writer::PROBE, |ledger| ledger.conn.touch()).await
    }

    /// Runs `job` in the next transaction and answers once that is on disk.
    async fn write<T: Send + 'static>(
        &self,
        points: Points,
        job: impl FnOnce(&mut ledger::Ledger<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = Job::new(points, job);
        self.writer.submit(job)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// A short read.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(Conn<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(query).await
    }

    /// A read that may take a while.
    async fn scan<T: Send + 'static>(
        &self,
        query: impl FnOnce(Conn<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.scan(query).await
    }
}

/// Outside of a transaction, while opening.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        SqlError::from(error).into()
    }
}
