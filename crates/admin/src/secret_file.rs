//! A new secret, stored before it can be lost; and an export, which is nobody else's business either.
//!
//! The file is made before the key is asked for: a path that cannot be written costs nothing then. Invariant: an existing
//! file is never touched, and what was made and not finished is removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::CtlError;

/// A new and empty file, readable by its owner alone.
#[derive(Debug)]
pub struct SecretFile {
    file: File,
    path: PathBuf,
    filled: bool,
}

impl SecretFile {
    /// Makes it; refuses when there is anything at that path already, a dangling link included.
    pub fn create(path: &Path) -> Result<Self, CtlError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|source| CtlError::NoSecretFile { file: path.to_owned(), source })?;
        Ok(Self { file, path: path.to_owned(), filled: false })
    }

    /// Writes the secret and a line's end. Durable when it returns.
    pub fn fill(mut self, secret: &str) -> io::Result<()> {
        self.append(secret)?;
        self.finish()
    }

    /// Writes one more line.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")
    }

    /// Keeps what was written. Durable when it returns.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.filled {
            let _left_behind = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_and_never_overwrites() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        SecretFile::create(&path).expect("a new file").fill("gpk_x").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "gpk_x\n");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(SecretFile::create(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "gpk_x\n");
    }

    #[test]
    fn an_unused_file_is_not_left_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        drop(SecretFile::create(&path).expect("a new file"));
        assert!(!path.exists());
    }
}
