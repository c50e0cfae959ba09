//! Where the API key comes from.
//!
//! It is looked for only when a host has no identity yet, never kept, and never taken from the command line, where
//! every user of the host could read it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use gatepass_contract::secret::{ApiKey, NotAnApiKey};
use zeroize::Zeroizing;

use crate::disguise;

/// The name of the systemd credential and the environment variable.
pub const SYSTEMD_CREDENTIAL: &str = "apikey";
/// The environment variable that may hold the key itself.
pub const ENVIRONMENT: &str = "GATEPASS_APIKEY";
/// A key with white space around it is far smaller.
const MAX_BYTES: u64 = 4096;

/// One place an API key may be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, named on the command line or in the configuration.
    File(PathBuf),
    /// Standard input. It tells what it holds only once, so what it told is kept for whoever asks again.
    Stdin(Arc<OnceLock<ApiKey>>),
    /// The environment.
    Environment,
}

/// What the process was given, by preference: named on the command line, a systemd credential, named in the
/// configuration, the environment. `None` when there is nothing anywhere. `env` tells of [`ENVIRONMENT`] only whether it was there.
#[must_use]
pub fn find(
    named: Option<&Path>,
    configured: Option<&Path>,
    env: impl Fn(&str) -> Option<PathBuf>,
) -> Option<Source> {
    let systemd =
        || env("CREDENTIALS_DIRECTORY").map(|dir| dir.join(SYSTEMD_CREDENTIAL)).filter(|file| file.exists());
    if let Some(file) = named {
        return Some(if file == Path::new("-") {
            Source::Stdin(Arc::default())
        } else {
            Source::File(file.to_owned())
        });
    }
    systemd()
        .or_else(|| configured.map(Path::to_owned))
        .map(Source::File)
        .or_else(|| env(ENVIRONMENT).map(|_| Source::Environment))
}

/// Why there is no API key. Never quotes it.
#[derive(Debug, thiserror::Error)]
pub enum NoApiKey {
    /// Nobody said where it is.
    #[error("no API key was given")]
    Nowhere,
    /// It cannot be read.
    #[error("the API key cannot be read from {place}")]
    Unreadable {
        /// File name, `standard input` or the variable.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is there is no API key.
    #[error("what {place} holds is not an API key")]
    NotAKey {
        /// File name, `standard input` or the variable.
        place: String,
        /// Why.
        #[source]
        source: NotAnApiKey,
    },
}

impl Source {
    /// A key that is held already, and is nowhere else.
    #[must_use]
    pub fn held(key: ApiKey) -> Self {
        Self::Stdin(Arc::new(OnceLock::from(key)))
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin(_) => "standard input".to_owned(),
            Self::Environment => format!("the environment variable {ENVIRONMENT}"),
        }
    }

    /// Reads it now.
    pub fn read(&self) -> Result<ApiKey, NoApiKey> {
        let Self::Stdin(told) = self else { return self.parsed() };
        if let Some(key) = told.get() {
            return Ok(key.clone());
        }
        self.parsed().map(|key| told.get_or_init(|| key).clone())
    }

    fn parsed(&self) -> Result<ApiKey, NoApiKey> {
        let text = self.text().map_err(|source| NoApiKey::Unreadable { place: self.place(), source })?;
        ApiKey::parse(&text).map_err(|source| NoApiKey::NotAKey { place: self.place(), source })
    }

    fn text(&self) -> io::Result<Zeroizing<String>> {
        match self {
            Self::File(path) => bounded(fs::File::open(path)?),
            Self::Stdin(_) => bounded(io::stdin().lock()),
            Self::Environment => disguise::variable(ENVIRONMENT)
                .map(|held| Zeroizing::new(held.reveal().to_owned()))
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }
}

fn bounded(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_explicit_place_wins() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::File::create(dir.path().join(SYSTEMD_CREDENTIAL)).expect("a file");
        let systemd = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| dir.path().to_owned());
        let environment = |name: &str| (name == ENVIRONMENT).then(PathBuf::new);
        let file = |path: &str| Some(Source::File(path.into()));
        assert_eq!(find(Some(Path::new("-")), None, systemd), Some(Source::Stdin(Arc::default())));
        assert_eq!(find(Some(Path::new("a")), Some(Path::new("b")), systemd), file("a"));
        assert_eq!(
            find(None, Some(Path::new("b")), systemd),
            Some(Source::File(dir.path().join(SYSTEMD_CREDENTIAL)))
        );
        assert_eq!(find(None, Some(Path::new("b")), environment), file("b"));
        assert_eq!(find(None, None, environment), Some(Source::Environment));
        assert_eq!(find(None, None, |_| None), None);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        io::Write::write_all(&mut fs::File::create(&file).expect("a file"), b"hunter2").expect("written");
        let error = Source::File(file).read().expect_err("no key");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        assert!(matches!(error, NoApiKey::NotAKey { source: NotAnApiKey::Prefix, .. }));
    }
}
