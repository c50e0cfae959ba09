//! The connection that writes.

use super::{LEDGER, PostgresUrl, Session};
use crate::store::sql::{Conn, Result};
use crate::store::{StoreError, migrations};

/// Connects again whenever it must.
pub(in crate::store) struct Writing {
    url: PostgresUrl,
    session: Option<Session>,
}

impl Writing {
    /// Connects and brings the schema up to date, one master at a time.
    pub(in crate::store) fn open(url: PostgresUrl) -> std::result::Result<Self, StoreError> {
        let session = connect(&url)?;
        migrate(&session)?;
        Ok(Self { url, session: Some(session) })
    }

    /// Runs `work` in one transaction. After an error the connection is given up, which undoes everything.
    pub(in crate::store) fn transact(
        &mut self,
        work: impl FnOnce(Conn<'_>) -> std::result::Result<(), StoreError>,
    ) -> std::result::Result<(), StoreError> {
        let session = match self.session.take().filter(Session::is_alive) {
            Some(session) => session,
            None => connect(&self.url)?,
        };
        session.control(&begin())?;
        work(Conn::Postgres(&session))?;
        session.control("COMMIT")?;
        self.session = Some(session);
        Ok(())
    }
}

/// A master that is held up or cut off loses the lock, and what it was about to write.
fn connect(url: &PostgresUrl) -> Result<Session> {
    let session = Session::open(url)?;
    session.batch("SET idle_in_transaction_session_timeout = '10s'")?;
    Ok(session)
}

/// Statements after this one see what was committed before the lock was had.
fn begin() -> String {
    format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({LEDGER})")
}

fn migrate(session: &Session) -> std::result::Result<(), StoreError> {
    // Another master may be at it, and may have much to do.
    session.batch("BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")?;
    session.batch(&format!("SELECT pg_advisory_xact_lock({LEDGER})"))?;
    let found = version(session)?;
    for migration in migrations::for_postgres(found)? {
        session.batch(&migration)?;
    }
    let known = migrations::known();
    if found < known {
        session.batch(&format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({known})"))?;
    }
    Ok(session.batch("COMMIT")?)
}

/// What is there is looked at first: who may only write rows can still serve a database that somebody else has made.
fn version(session: &Session) -> Result<u32> {
    let conn = Conn::Postgres(session);
    if !is_known(conn)? {
        session.batch("CREATE TABLE schema_version (version BIGINT NOT NULL)")?;
    }
    schema(conn)
}

/// The number of the schema that is there; 0 before there is one.
pub(in crate::store) fn schema(conn: Conn<'_>) -> Result<u32> {
    if !is_known(conn)? {
        return Ok(0);
    }
    let found = conn.one("SELECT version FROM schema_version", &[], |row| row.number(0))?;
    Ok(found.unwrap_or(0))
}

fn is_known(conn: Conn<'_>) -> Result<bool> {
    conn.exists("SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL", &[])
}
