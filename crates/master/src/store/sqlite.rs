//! A database in a file of this master's own: one connection that writes, a few that only read.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::sql::{self, Conn, SqlError};
use super::{StoreError, migrations};

/// One for each core that may be answering.
const READERS: usize = 2;
/// Pages are cached per connection; the operating system caches the file anyway.
const CACHE_KIB: i64 = 1024;
/// Every statement there is, and room.
const STATEMENTS: usize = 48;
/// For another process that looks into the database, an administrator's `sqlite3` or a backup.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    for_its_owner_alone(path).map_err(|error| cannot_open(&format!("{}: {error}", path.display())))?;
    let mut conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    tune(&conn)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens it for this process alone: refused while anybody else has it open, who then is kept out.
pub(super) fn open_alone(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    tune(&conn)?;
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // The one change of mode that nobody else may be there for.
    conn.pragma_update(None, "journal_mode", "DELETE")?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Writes a copy of it into a new file, as it stands at this moment.
pub(super) fn copy_whole(path: &Path, to: &Path) -> Result<(), StoreError> {
    let conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    tune(&conn)?;
    let failed = |error: io::Error| cannot_open(&format!("{}: {error}", to.display()));
    for_its_owner_alone(to).map_err(failed)?;
    conn.execute("VACUUM INTO ?1", [to.display().to_string()])?;
    // It is not synced by itself: SQLite takes it for something that can be made again.
    std::fs::File::open(to).and_then(|copy| copy.sync_all()).map_err(failed)
}

/// `SQLite` gives its `-wal` and `-shm` files the mode of the database.
fn for_its_owner_alone(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(super) fn cannot_open(why: &str) -> StoreError {
    let code = ffi::Error { code: ErrorCode::CannotOpen, extended_code: ffi::SQLITE_CANTOPEN };
    SqlError::from(rusqlite::Error::SqliteFailure(code, Some(why.to_owned()))).into()
}

fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn tune(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Or a partial index would have every statement prepared anew at each bind, to see whether the value fits it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)
}

fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in migrations::for_sqlite(found)? {
        tx.execute_batch(&migration)?;
    }
    tx.pragma_update(None, "user_version", migrations::known())?;
    Ok(tx.commit()?)
}

pub(super) fn schema(path: &Path) -> Result<u32, StoreError> {
    let conn = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    conn.busy_timeout(PATIENCE)?;
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
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

    pub(super) fn with<T>(&self, query: impl FnOnce(Conn<'_>) -> sql::Result<T>) -> Result<T, StoreError> {
        Ok(query(Conn::Sqlite(&self.free_one()))?)
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
