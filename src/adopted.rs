//! Certificates that somebody else made: watched until this host has an identity of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gatepass_contract::pki::{self, PkiError};
use gatepass_contract::time::{UnixTime, Validity};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use crate::status::Watched;

/// `[adopted]`: where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The directory with `tls.crt`.
    pub dir: Option<PathBuf>,
}

impl Settings {
    /// Whether nothing is adopted.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.dir.is_none()
    }
}

/// What was found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// When all of the chain is good.
    pub validity: Validity,
    /// 0 to 99, by the certificate: a restart does not move the moment of renewal.
    pub lot: u8,
}

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What it holds.
    #[error("{} holds no certificate", .0.display())]
    Nothing(PathBuf),
    /// A certificate that is none, or one that was never good.
    #[error("{} holds a certificate that cannot be used: {source}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: PkiError,
    },
}

/// Reads the certificate that is there now.
pub fn look(dir: &Path) -> Result<Adopted, Unreadable> {
    let path = dir.join("tls.crt");
    let text = fs::read(&path).map_err(|source| Unreadable::File { path: path.clone(), source })?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
    let first = chain.first().ok_or_else(|| Unreadable::Nothing(path.clone()))?;
    let bad = |source| Unreadable::Certificate { path: path.clone(), source };
    // The key's holder goes by the leaf; an anchor that was put behind it does not shorten its life.
    let validity = pki::validity(first).map_err(bad)?;
    let digest = pki::spki_digest(first).map_err(bad)?;
    Ok(Adopted { validity, lot: digest.0[0] % 100 })
}

/// For a status: what is found there, or why nothing is.
#[must_use]
pub fn watched(dir: &Path) -> Watched {
    let (until, problem) = match look(dir) {
        Ok(adopted) => (Some(adopted.validity.until()), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Watched { dir: dir.to_owned(), until, problem }
}

/// From when on its end is worth a warning, each day.
const WARN: std::time::Duration = std::time::Duration::from_hours(30 * 24);

impl Adopted {
    /// Whether its end is near, or past.
    #[must_use]
    pub fn ends_soon(&self, now: UnixTime) -> bool {
        self.validity.until().since(now) < WARN
    }
}
