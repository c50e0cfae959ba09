//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{At, StoreError};

/// Held by the one process that writes; let go when dropped or when the process ends, however it ends.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .at("open", &path)?;
        match file.try_lock() {
            Ok(()) => {
                leave_word(&mut file);
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Locked { root: root.to_owned(), holder: word(&mut file) })
            }
            Err(TryLockError::Error(source)) => Err(StoreError::Io { doing: "lock", path, source }),
        }
    }
}

/// Who holds it, if anybody does. It is let go at once: whoever takes it meanwhile looks again.
pub(super) fn holder(root: &Path) -> Option<String> {
    let mut file = File::open(root.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(word(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// For the message another process prints. The lock holds without it, on a full disk too.
fn leave_word(file: &mut File) {
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        tracing::debug!(%error, "the lock file does not name its holder");
    }
}

fn word(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
