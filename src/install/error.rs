//! Why an installation failed, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::credential::NoApiKey;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Something on this host is in the way.
    Failed,
    /// It may work later.
    Later,
    /// A person must act, here or at the master.
    Human,
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
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
    /// Something else is in its place.
    #[error("{} is there and is {what}", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// The account is missing, and it is not for this program to make it.
    #[error("there is no {what} `{name}` on this host")]
    Nobody {
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A tool of the host did not do it.
    #[error("`{command}` failed: {said}")]
    Tool {
        /// The command line.
        command: String,
        /// The last it said.
        said: String,
    },
    /// There is no API key to enrol with.
    #[error(transparent)]
    ApiKey(#[from] NoApiKey),
    /// The host got no identity.
    #[error("this host could not be enrolled: {reason}")]
    Enrolment {
        /// As the agent tells it.
        reason: String,
        /// What a person should try.
        hint: Option<String>,
        /// By the agent's exit code.
        standing: Standing,
    },
    /// The agent does not run.
    #[error("{what} does not run: {reason}")]
    NotRunning {
        /// The unit, or the program.
        what: String,
        /// What is known of it.
        reason: String,
    },
}

/// Why an installation, or its removal, failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The journal cannot be kept: nothing was begun.
    #[error("cannot keep the installation's journal {}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A newer program wrote the journal.
    #[error("{} was written by a newer gatepass", .0.display())]
    Newer(PathBuf),
    /// A step failed; what the run had done was undone, but for `left`.
    #[error("step {number} of {of}, {what}, failed: {}{}", crate::trouble::whole(failure), undone(left))]
    Step {
        /// Which one.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it was to do.
        what: String,
        /// Why it failed.
        failure: Failure,
        /// What could not be undone, and why.
        left: Vec<String>,
    },
    /// Removing stopped here; the rest is still there, and known.
    #[error("{what} failed: {}", crate::trouble::whole(failure))]
    Removal {
        /// What was to be undone.
        what: String,
        /// Why it failed.
        failure: Failure,
    },
}

fn undone(left: &[String]) -> String {
    if left.is_empty() {
        "; this host is as it was before".to_owned()
    } else {
        format!("; undone, but for: {}", left.join(", "))
    }
}

impl InstallError {
    /// Whose turn it is.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Step { failure, .. } | Self::Removal { failure, .. } => failure.standing(),
            Self::Journal { .. } => Standing::Failed,
            Self::Newer(_) => Standing::Human,
        }
    }

    /// What a person should try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { failure, .. } | Self::Removal { failure, .. } => failure.hint(),
            Self::Journal { .. } => {
                Some("run it as root, and see that the disk has room and is writable".to_owned())
            }
            Self::Newer(_) => Some("use the program that installed it, or a newer one".to_owned()),
        }
    }
}

impl Failure {
    /// Whose turn it is.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Enrolment { standing, .. } => *standing,
            Self::ApiKey(_) => Standing::Human,
            Self::Io { .. }
            | Self::Foreign { .. }
            | Self::Nobody { .. }
            | Self::Tool { .. }
            | Self::NotRunning { .. } => Standing::Failed,
        }
    }

    /// What a person should try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Enrolment { hint, .. } => hint.clone(),
            Self::Io { source, .. } => {
                let hints = [
                    (io::ErrorKind::PermissionDenied, "run it as root"),
                    (io::ErrorKind::ReadOnlyFilesystem, "make the file system writable for the installation"),
                    (io::ErrorKind::StorageFull, "make room on that file system"),
                    (io::ErrorKind::QuotaExceeded, "make room on that file system"),
                ];
                let hint = hints.iter().find(|(kind, _)| *kind == source.kind())?.1;
                Some(format!("{hint}, then run the same command again"))
            }
            Self::Foreign { path, .. } => {
                Some(format!("move {} away, then run the same command again", path.display()))
            }
            Self::Nobody { what, name } => Some(format!("make the {what} `{name}` first")),
            Self::ApiKey(_) => {
                Some("name a file with an API key: --apikey-file FILE, or `-` for standard input".to_owned())
            }
            Self::Tool { .. } => None,
            Self::NotRunning { what, .. } => {
                what.ends_with(".service").then(|| format!("`journalctl --unit {what}` says more"))
            }
        }
    }
}

/// Says what was being done, and with what, when the operating system refuses.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Failure>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Failure> {
        self.map_err(|source| Failure::Io { doing, path: path.to_owned(), source })
    }
}
