//! What can be wrong with the state directory, and reading its files no further than their permissions allow.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::durable::absent;

/// What is wrong with the state directory. Whatever it is, the generation that was current still is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process writes here.
    #[error("another gatepass works in {} (process {holder})", root.display())]
    Locked {
        /// The state directory.
        root: PathBuf,
        /// The process id it left in the lock file.
        holder: String,
    },
    /// Others may read what must be private.
    #[error("{} is open to others (mode {mode:04o}); close it with `chmod go= {}`", path.display(), path.display())]
    Exposed {
        /// The directory or the key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A newer program has changed what is there.
    #[error("the state in {} has format {found}, this program reads up to {}", root.display(), super::FORMAT)]
    TooNew {
        /// The state directory.
        root: PathBuf,
        /// Its form.
        found: u32,
    },
    /// A file or link that this program did not write like that.
    #[error("{} is not what gatepass wrote there: {reason}", path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Says what was being done, and with what, when the operating system refuses.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { doing, path: path.to_owned(), source })
    }
}

pub(super) fn unless_private(path: &Path, mode: u32) -> Result<(), StoreError> {
    match mode & 0o7777 {
        mode if mode & 0o077 != 0 => Err(StoreError::Exposed { path: path.to_owned(), mode }),
        _ => Ok(()),
    }
}

/// A private file's text; `None` when there is none. Refused where others may read it.
pub(super) fn private_text(path: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    let Some(mut file) = absent(File::open(path)).at("read", path)? else { return Ok(None) };
    let found = file.metadata().at("read", path)?;
    unless_private(path, found.permissions().mode())?;
    // Room for all of it at once: a string that grows leaves copies of the secret behind.
    let size = usize::try_from(found.len()).unwrap_or(0);
    let mut text = Zeroizing::new(String::with_capacity(size + 1));
    file.read_to_string(&mut text).at("read", path)?;
    Ok(Some(text))
}
