//! A master that outgrows one machine: its database moves from a file to a server.

use std::path::Path;

use crate::config::{Config, DatabaseConfig, NoPassword};
use crate::store::{Copied, CopyError, Database, PostgresUrl, StoreError};

/// Why nothing has moved. Both databases are as they were.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It was done before.
    #[error("this master's database is on a server already")]
    OnServer,
    /// There is none in that directory.
    #[error("there is no database in {0}")]
    NoDatabase(String),
    /// The password cannot be had.
    #[error(transparent)]
    Password(#[from] NoPassword),
    /// The database cannot be copied.
    #[error("nothing has moved")]
    Copy(#[from] CopyError),
}

/// Copies the database of the master in `dir`, which must not be running, into an empty one on a server.
pub fn migrate(dir: &Path, config: &Config, to: PostgresUrl) -> Result<Copied, MigrateError> {
    let from = match config.database.of(dir)? {
        Database::Server(_) => return Err(MigrateError::OnServer),
        file @ Database::File(_) => file,
    };
    if let Database::File(path) = &from
        && !path.exists()
    {
        return Err(MigrateError::NoDatabase(dir.display().to_string()));
    }
    let to = DatabaseConfig { url: Some(to), password_file: None }.of(dir)?;
    // The client for servers blocks, which a thread that runs tasks must not.
    let copying = std::thread::spawn(move || from.copy_into(&to));
    Ok(copying.join().map_err(|_| CopyError::from(StoreError::Closed))??)
}
