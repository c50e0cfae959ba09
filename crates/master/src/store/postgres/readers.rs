//! Connections that only read.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PostgresUrl, Session};
use crate::store::StoreError;
use crate::store::sql::{self, Conn};

/// Each is a process on the server; they are opened when they are needed.
const READERS: usize = 8;

/// Those that nobody uses at the moment, and how many may be used.
pub(in crate::store) struct Readers {
    url: PostgresUrl,
    idle: Mutex<Vec<Session>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(in crate::store) fn new(url: PostgresUrl) -> Self {
        Self { url, idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    pub(in crate::store) fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// Waits until one may be used.
    pub(in crate::store) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    pub(in crate::store) fn with<T>(
        &self,
        query: impl FnOnce(Conn<'_>) -> sql::Result<T>,
    ) -> Result<T, StoreError> {
        let session = match self.take_idle().filter(Session::is_alive) {
            Some(session) => session,
            None => self.open()?,
        };
        let found = query(Conn::Postgres(&session))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        Ok(found)
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn open(&self) -> sql::Result<Session> {
        let session = Session::open(&self.url)?;
        session.batch("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")?;
        Ok(session)
    }
}
