//! Connections: one that writes, a few that only read.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::StoreError;

/// Every schema there was, oldest first; the last one's number is in `PRAGMA user_version`.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/0001_initial.sql")];

/// One for each core that may be answering.
const READERS: usize = 2;
/// Pages are cached per connection; the operating system caches the file anyway.
const CACHE_KIB: i64 = 1024;
/// Every statement there is, and room.
const STATEMENTS: usize = 48;
/// For another process that looks into the database, an administrator's `sqlite3` or a backup.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    for_its_owner_alone(path).map_err(|error| cannot_open(&format!("{}: {error}", path.display())))?;
    let mut conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    tune(&conn)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// `SQLite` gives its `-wal` and `-shm` files the mode of the database.
fn for_its_owner_alone(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(super) fn cannot_open(why: &str) -> StoreError {
    let code = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    rusqlite::Error::SqliteFailure(code, Some(why.to_owned())).into()
}

fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn tune(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "cache_size", -CACHE_KIB)
}

fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for migration in &MIGRATIONS[found as usize..] {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    Ok(tx.commit()?)
}

/// Connections that cannot write.
pub(super) struct Readers([Mutex<Connection>; READERS]);

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || -> rusqlite::Result<Mutex<Connection>> {
            let conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
            tune(&conn)?;
            Ok(Mutex::new(conn))
        };
        Ok(Self([open()?, open()?]))
    }

    pub(super) fn with<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        Ok(query(&self.free_one())?)
    }

    /// One that nobody uses, or else the first to be free again.
    fn free_one(&self) -> MutexGuard<'_, Connection> {
        let free = self.0.iter().find_map(|reader| match reader.try_lock() {
            Ok(reader) => Some(reader),
            // A query that panicked has not changed the connection.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| self.0[0].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
