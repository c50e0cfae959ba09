//! Which form the state directory has, written beside what has it.
//!
//! Invariant: a program never reads or writes a directory whose form is newer than the newest it knows.

use tracing::warn;

use super::{Store, StoreError};
use crate::durable::write_durably;

/// The form this program writes, and the newest it reads. Raised by whatever makes an older program misread the directory.
pub const FORMAT: u32 = 1;

/// Kept beside everything else, readable without this program: package scripts compare it.
const FILE: &str = "format";

impl Store {
    /// The form of what is there; `None` where nobody has said, as before there was such a file.
    pub fn format(&self) -> Result<Option<u32>, StoreError> {
        let path = self.root.join(FILE);
        let Some(text) = super::error::private_text(&path)? else { return Ok(None) };
        let number = text.trim_end().parse();
        number.map(Some).map_err(|_| StoreError::Damaged { path, reason: "it is no number".to_owned() })
    }

    /// Only what this program knows.
    pub(super) fn known_format(&self) -> Result<Option<u32>, StoreError> {
        match self.format()? {
            Some(found) if found > FORMAT => Err(StoreError::TooNew { root: self.root.clone(), found }),
            format => Ok(format),
        }
    }

    /// Says which form it has from now on. A full disk must not stop an agent: what has no number is of the first form,
    /// and the next start tries again.
    pub(super) fn mark_format(&self) -> Result<(), StoreError> {
        if self.known_format()? == Some(FORMAT) {
            return Ok(());
        }
        let path = self.root.join(FILE);
        if let Err(error) = write_durably(&path, format!("{FORMAT}\n").as_bytes(), 0o600, || {}) {
            warn!(%error, file = %path.display(), "the format of the state is not noted");
        }
        Ok(())
    }
}
