//! The files that workload agents of another make read: `ca.crt`, `tls.crt`, `tls.key` (encrypted), `tls.sth` (its
//! passphrase in base64) and `additionalCAs/`.
//!
//! The passphrase protects nothing: it lies beside the key, because those who read the key expect it there. What keeps
//! the key is the mode of both files. It is made once and stays, so that a consumer may keep a copy of it.

use std::fs;
use std::io;
use std::path::Path;

use data_encoding::BASE64;
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{Anchors, Chain, to_pem};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::render::{Before, NamedFile, key_der};
use super::{OutputError, sealed};
use crate::bundle::Parts;

const KEY: &str = "tls.key";
const STASH: &str = "tls.sth";
/// Where every certificate that may stand between a peer's and its root lies, one in a file.
pub(super) const ADDITIONAL_CAS: &str = "additionalCAs";

/// The set. A key that is there already under the passphrase that is there already stays as it is.
pub(super) fn files(
    parts: &Parts,
    additional_cas: Option<&Path>,
    before: Before<'_>,
) -> Result<Vec<NamedFile>, OutputError> {
    let passphrase = before(STASH).and_then(|stash| passphrase_of(&stash)).unwrap_or_else(sealed::passphrase);
    let mut files = vec![
        NamedFile::secret(KEY, sealed_key(parts, &passphrase, before)?.as_bytes()),
        NamedFile::secret(STASH, BASE64.encode(passphrase.as_bytes()).as_bytes()),
        NamedFile::public("tls.crt", &parts.chain),
        NamedFile::public("ca.crt", &parts.anchors),
    ];
    let others = additional_cas.map_or(Ok(Vec::new()), others)?;
    // A root may be at the chain's end too, or in the directory: once is enough.
    for file in intermediates(parts)?.into_iter().chain(others) {
        if files.iter().all(|known| known.name != file.name) {
            files.push(file);
        }
    }
    Ok(files)
}

/// The passphrase that a `tls.sth` holds.
#[must_use]
pub fn passphrase_of(stash: &[u8]) -> Option<Zeroizing<String>> {
    let bytes = Zeroizing::new(BASE64.decode(stash.trim_ascii()).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?.trim_end();
    (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
}

/// A private key in PEM under a passphrase, as PKCS#8 DER; `None` where the passphrase is wrong or it is no such key.
#[must_use]
pub fn open_key(sealed: &str, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
    sealed::open(sealed, passphrase).map(|key| Zeroizing::new(key.as_bytes().to_vec()))
}

fn sealed_key(parts: &Parts, passphrase: &str, before: Before<'_>) -> Result<Zeroizing<String>, OutputError> {
    let plain = key_der(parts)?;
    let there =
        before(KEY).and_then(|bytes| Some(Zeroizing::new(std::str::from_utf8(&bytes).ok()?.to_owned())));
    let same = |sealed: &Zeroizing<String>| {
        sealed::open(sealed, passphrase).is_some_and(|key| key.as_bytes() == plain.as_bytes())
    };
    match there.filter(same) {
        Some(sealed) => Ok(sealed),
        None => sealed::seal(plain.as_bytes(), passphrase).ok_or(OutputError::Key),
    }
}

/// Readers of old take only what is alone in a file, so the chain's intermediates and the anchors are here too.
fn intermediates(parts: &Parts) -> Result<Vec<NamedFile>, OutputError> {
    let (chain, anchors) =
        (Chain::from_pem(&parts.chain).map_err(OutputError::Chain)?, Anchors::from_pem(&parts.anchors));
    let anchors = anchors.map_err(OutputError::Chain)?;
    let all = chain.certificates()[1..].iter().chain(anchors.certificates());
    Ok(all.map(|der| NamedFile::public(&name_of(der), &to_pem(std::slice::from_ref(der)))).collect())
}

fn name_of(der: &CertificateDer<'_>) -> String {
    let digest = Sha256::of(der).to_string();
    format!("{ADDITIONAL_CAS}/gatepass-{}.crt", &digest[..16])
}

/// The `*.crt` files of a directory, by their names.
fn others(dir: &Path) -> Result<Vec<NamedFile>, OutputError> {
    let unusable = |path: &Path, source| OutputError::Unreadable { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| unusable(dir, error))? {
        names.push(entry.map_err(|error| unusable(dir, error))?.file_name());
    }
    names.sort_unstable();
    let names = names.iter().map(|name| name.to_string_lossy()).filter(|name| name.ends_with(".crt"));
    let read = names.map(|name| {
        let path = dir.join(&*name);
        let text = fs::read_to_string(&path).map_err(|error| unusable(&path, error))?;
        Anchors::from_pem(&text).map_err(|error| unusable(&path, io::Error::other(error)))?;
        Ok(NamedFile::public(&format!("{ADDITIONAL_CAS}/{name}"), &text))
    });
    read.collect()
}
