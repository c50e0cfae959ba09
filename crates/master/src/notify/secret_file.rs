//! Passwords and keys that an operator puts into files.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A file with a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

/// Why it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Missing, or not readable for this user.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It would be a secret no more.
    #[error("{0} can be read by everybody; restrict it with `chmod 600`")]
    Exposed(String),
    /// Empty, too long, or of several lines.
    #[error("{path} does not hold {want}")]
    Malformed {
        /// The file.
        path: String,
        /// What it should.
        want: &'static str,
    },
}

/// Far more than any password has.
const MOST: u64 = 4096;

impl SecretFile {
    /// `name` as it is configured: an absolute path; or one among the systemd credentials, if there is such a one; or one
    /// in the master's directory.
    #[must_use]
    pub fn locate(name: &Path, credentials: Option<&Path>, dir: &Path) -> Self {
        let credential = credentials.map(|place| place.join(name)).filter(|path| path.exists());
        Self(credential.unwrap_or_else(|| dir.join(name)))
    }

    /// Its one line. The group may read it: that is how systemd hands out credentials.
    pub(super) fn line(&self) -> Result<Zeroizing<String>, SecretFileError> {
        let path = || self.0.display().to_string();
        let cannot = |source| SecretFileError::Read { path: path(), source };
        let file = std::fs::File::open(&self.0).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.mode() & 0o007 != 0 {
            return Err(SecretFileError::Exposed(path()));
        }
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MOST).unwrap_or_default()));
        file.take(MOST).read_to_string(&mut text).map_err(cannot)?;
        let line = text.trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.contains(char::is_control) {
            return Err(self.malformed("one line of text"));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    pub(super) fn malformed(&self, want: &'static str) -> SecretFileError {
        SecretFileError::Malformed { path: self.0.display().to_string(), want }
    }
}
