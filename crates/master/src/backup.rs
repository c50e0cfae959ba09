//! A master put aside, and put back.
//!
//! Invariants: a backup is one state of the database, taken while the master serves; it and what is restored from it
//! appear whole or not at all. The key that opens all others is in a backup only when that is asked for.

use std::io;
use std::path::{Path, PathBuf};

use gatepass_contract::audit::{Beginning, Broken, Verified};

use crate::config::{Config, ConfigError, DatabaseConfig, NoPassword};
use crate::domain::audit::Cause;
use crate::faults;
use crate::init::file;
use crate::making::{Making, NotWritten, failed, is_taken};
use crate::store::{CopyError, Database, PostgresUrl, Store, StoreError};

/// Why there is no backup, or nothing restored from it. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would replace something.
    #[error("{} is there already and is not empty", .0.display())]
    Exists(PathBuf),
    /// Something else, or cut short.
    #[error("{} is no backup of a master: it has no {missing}", .dir.display())]
    NoBackup {
        /// Where.
        dir: PathBuf,
        /// What is not there.
        missing: &'static str,
    },
    /// Full disk, no right to.
    #[error(transparent)]
    Write(#[from] NotWritten),
    /// The database was filled, but the directory is not where it belongs.
    #[error("the database is filled, but {} cannot be renamed to {}", made.display(), dir.display())]
    Misplaced {
        /// What holds the keys.
        made: PathBuf,
        /// Where it belongs.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database cannot be copied.
    #[error("the database is not copied")]
    Copy(#[from] CopyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database's password cannot be had.
    #[error(transparent)]
    Password(#[from] NoPassword),
    /// The backup's audit does not hold.
    #[error("the backup was changed: {0}")]
    Broken(Broken),
    /// The backup's audit is not there, or its beginning is not.
    #[error("the backup was changed: its audit is cut short")]
    Cut,
}

/// Whether the key that opens all others is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKey {
    /// The backup alone is enough to be this master.
    Included,
    /// The backup is of no use to who does not have the key.
    LeftOut,
}

/// Puts the master in `dir` aside, in `to`.
pub fn back_up(dir: &Path, config: &Config, to: &Path, key: MasterKey) -> Result<(), BackupError> {
    if is_taken(to) {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let making = Making::beside(to)?;
    config.database.of(dir)?.back_up(&making.path().join(file::DATABASE))?;
    faults::point("backup.copied");
    for (name, mode) in PARTS {
        if dir.join(name).exists() {
            making.copy(&dir.join(name), name, mode)?;
        }
    }
    if key == MasterKey::Included {
        making.copy(&dir.join(file::KEY), file::KEY, 0o600)?;
    }
    Ok(making.publish(to)?)
}

/// The root's key may have been taken away.
const PARTS: [(&str, u32); 3] = [(file::CONFIG, 0o600), (file::ROOT, 0o644), (file::ROOT_KEY, 0o600)];

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The audit as it was when it was put aside.
    pub audit: Verified,
    /// Whether the key that opens all others came with it.
    pub key: MasterKey,
}

/// Puts a master back into `dir`, from the backup in `from`; its database into a server if one is named.
pub async fn restore(
    from: &Path,
    dir: &Path,
    server: Option<PostgresUrl>,
    cause: Cause,
) -> Result<Restored, BackupError> {
    for missing in [file::DATABASE, file::CONFIG] {
        if !from.join(missing).exists() {
            return Err(BackupError::NoBackup { dir: from.to_owned(), missing });
        }
    }
    if is_taken(dir) {
        return Err(BackupError::Exists(dir.to_owned()));
    }
    let making = Making::beside(dir)?;
    let is_on_server = server.is_some();
    let key = files(from, &making, server.as_ref())?;
    let own = making.path().join(file::DATABASE);
    making.copy(&from.join(file::DATABASE), file::DATABASE, 0o600)?;
    let audit = checked(&Database::File(own.clone()), cause).await?;
    faults::point("restore.copied");
    if let Some(server) = server {
        let database = DatabaseConfig { url: Some(server), password_file: None }.of(dir)?;
        let source = Database::File(own.clone());
        // The client for servers blocks, which this thread must not.
        let copying = std::thread::spawn(move || source.copy_into(&database));
        copying.join().map_err(|_| StoreError::Closed)??;
        std::fs::remove_file(&own).map_err(failed(&own))?;
    }
    publish(making, dir, is_on_server)?;
    Ok(Restored { audit, key })
}

fn publish(making: Making, dir: &Path, is_on_server: bool) -> Result<(), BackupError> {
    match making.publish(dir) {
        // A database elsewhere is useless without what is in here.
        Err(NotWritten { source, .. }) if is_on_server => {
            Err(BackupError::Misplaced { made: making.keep(), dir: dir.to_owned(), source })
        }
        published => Ok(published?),
    }
}

fn files(from: &Path, making: &Making, server: Option<&PostgresUrl>) -> Result<MasterKey, BackupError> {
    for (name, mode) in [(file::ROOT, 0o644), (file::ROOT_KEY, 0o600)] {
        if from.join(name).exists() {
            making.copy(&from.join(name), name, mode)?;
        }
    }
    let config = Config::from_file(&from.join(file::CONFIG))?;
    if config.database.url.as_ref() == server {
        making.copy(&from.join(file::CONFIG), file::CONFIG, 0o600)?;
    } else {
        making.write(file::CONFIG, 0o600, elsewhere(config, making, server)?.to_file_content().as_bytes())?;
    }
    let key = if from.join(file::KEY).exists() { MasterKey::Included } else { MasterKey::LeftOut };
    if key == MasterKey::Included {
        making.copy(&from.join(file::KEY), file::KEY, 0o600)?;
    }
    Ok(key)
}

/// The configuration for another database. A password that came in the URL goes to a file of its own.
fn elsewhere(
    mut config: Config,
    making: &Making,
    server: Option<&PostgresUrl>,
) -> Result<Config, NotWritten> {
    config.database = DatabaseConfig { url: server.cloned(), password_file: None };
    if let Some(password) = server.and_then(PostgresUrl::password) {
        making.write(file::DATABASE_PASSWORD, 0o600, password)?;
        config.database.password_file = Some(file::DATABASE_PASSWORD.into());
    }
    Ok(config)
}

/// That the audit in it holds; then it tells of the restoration itself.
async fn checked(database: &Database, cause: Cause) -> Result<Verified, BackupError> {
    let store = Store::open(database)?;
    let audit = store.verified_audit().await?.map_err(BackupError::Broken)?.ok_or(BackupError::Cut)?;
    if audit.beginning == Beginning::Unproven {
        return Err(BackupError::Cut);
    }
    store.note_restoration(cause).await?;
    store.close().await;
    Ok(audit)
}

impl BackupError {
    /// Whether a person must change something first.
    #[must_use]
    pub const fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Self::Exists(_)
                | Self::NoBackup { .. }
                | Self::Misplaced { .. }
                | Self::Config(_)
                | Self::Broken(_)
                | Self::Cut
        )
    }
}
