//! Which engine it is: an embedded file, or a server that masters share. What is done with it is the same.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::TransactionBehavior;

use super::sql::{self, Conn};
use super::{Lead, PostgresUrl, StoreError, postgres, sqlite};

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// `SQLite`, in a file that one master has for itself.
    File(PathBuf),
    /// `PostgreSQL`, for any number of masters.
    Server(PostgresUrl),
}

impl Database {
    /// The number of the schema it has, changing nothing; 0 before it was set up.
    pub fn schema(&self) -> Result<u32, StoreError> {
        match self {
            Self::File(path) => sqlite::schema(path),
            Self::Server(url) => {
                let readers = postgres::Readers::new(url.clone());
                let asking = std::thread::spawn(move || readers.with(postgres::schema));
                asking.join().unwrap_or(Err(StoreError::Closed))
            }
        }
    }

    pub(super) fn open(&self) -> Result<(Writing, Readers), StoreError> {
        match self {
            Self::File(path) => {
                let writing = Writing::Sqlite(sqlite::open(path)?);
                Ok((writing, Readers::Sqlite(sqlite::Readers::open(path)?)))
            }
            Self::Server(url) => {
                let readers = Readers::Postgres(postgres::Readers::new(url.clone()));
                let url = url.clone();
                // The client blocks, which the thread that starts the master must not when it runs tasks.
                let opening = std::thread::spawn(|| postgres::Writing::open(url));
                let writing = opening.join().unwrap_or(Err(StoreError::Closed))?;
                Ok((Writing::Postgres(Box::new(writing)), readers))
            }
        }
    }
}

/// The one connection that writes.
pub(super) enum Writing {
    Sqlite(rusqlite::Connection),
    Postgres(Box<postgres::Writing>),
}

impl Writing {
    /// Runs `work` in a transaction that no other writer's overlaps, wherever that one is. After an error nothing of it
    /// has happened.
    pub(super) fn transact(
        &mut self,
        work: impl FnOnce(Conn<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(conn) => {
                let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
                work(Conn::Sqlite(&tx))?;
                Ok(tx.commit()?)
            }
            Self::Postgres(writing) => writing.transact(work),
        }
    }
}

/// Connections that cannot write.
pub(super) enum Readers {
    Sqlite(sqlite::Readers),
    Postgres(postgres::Readers),
}

impl Readers {
    /// A read that is answered in microseconds where the database is in this process: then it runs where it is.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(Conn<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &**self {
            Self::Sqlite(readers) => readers.with(query),
            Self::Postgres(_) => self.scan(query).await,
        }
    }

    /// A read that may take a while.
    pub(super) async fn scan<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(Conn<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = match &**self {
            Self::Sqlite(_) => None,
            Self::Postgres(readers) => Some(readers.turn().await?),
        };
        let readers = Arc::clone(self);
        let scan = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            match &*readers {
                Self::Sqlite(readers) => readers.with(query),
                Self::Postgres(readers) => readers.with(query),
            }
        });
        scan.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Who does what must be done once.
    pub(super) fn lead(&self) -> Lead {
        match self {
            Self::Sqlite(_) => Lead::alone(),
            Self::Postgres(readers) => Lead::among(readers.url().clone()),
        }
    }
}
