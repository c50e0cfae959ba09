//! PKCS#12 (RFC 7292) for Java and whoever else wants one file under a password: PBES2 with AES-256 and HMAC-SHA-256, a
//! MAC with HMAC-SHA-256, 10 000 rounds each, as the Java runtime itself writes it by default.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepass_contract::pki::{Anchors, Chain};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey, PrivateKeyChain};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::OutputError;
use super::render::{Before, NamedFile, key_der};
use crate::bundle::Parts;

const KEYS: &str = "keystore.p12";
const TRUST: &str = "truststore.p12";

/// Key and chain in one store, the anchors in another. A store that says the same under the same password stays as it is.
pub(super) fn files(
    parts: &Parts,
    password_file: &Path,
    alias: &str,
    before: Before<'_>,
) -> Result<Vec<NamedFile>, OutputError> {
    let password = password(password_file)
        .map_err(|source| OutputError::Unreadable { path: password_file.to_owned(), source })?;
    let (keys, trust) = (keys(parts, alias)?, trust(parts, alias)?);
    let file = |name: &str, store: &KeyStore| {
        let same = |bytes: &Zeroizing<Vec<u8>>| says_the_same(store, bytes, &password);
        match before(name).filter(same) {
            Some(bytes) => Ok(bytes),
            None => store.writer(&password).write().map(Zeroizing::new).map_err(unfit),
        }
    };
    let (keys, trust) = (file(KEYS, &keys)?, file(TRUST, &trust)?);
    Ok(vec![
        NamedFile::secret(KEYS, &keys),
        NamedFile { name: TRUST.to_owned(), content: trust, is_secret: false },
        NamedFile::public("ca.crt", &parts.anchors),
    ])
}

/// The first line of a file that nobody else may read. ASCII: readers disagree on how other characters become a key.
fn password(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "it is open to others (mode {mode:04o}); close it with chmod go="
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    file.by_ref().take(1024).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || !line.chars().all(|c| c.is_ascii() && !c.is_ascii_control()) {
        return Err(io::Error::other(
            "its first line is the password: one to 1023 printable ASCII characters",
        ));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn keys(parts: &Parts, alias: &str) -> Result<KeyStore, OutputError> {
    let key = PrivateKey::from_der(key_der(parts)?.as_bytes()).map_err(unfit)?;
    let chain = Chain::from_pem(&parts.chain).map_err(OutputError::Chain)?;
    let chain = certificates(chain.certificates())?;
    let mut store = KeyStore::new();
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(alias, key, chain)));
    Ok(store)
}

fn trust(parts: &Parts, alias: &str) -> Result<KeyStore, OutputError> {
    let anchors = Anchors::from_pem(&parts.anchors).map_err(OutputError::Chain)?;
    let mut store = KeyStore::new();
    for (number, certificate) in certificates(anchors.certificates())?.into_iter().enumerate() {
        store.add_entry(&format!("{alias}-ca-{}", number + 1), KeyStoreEntry::Certificate(certificate));
    }
    Ok(store)
}

fn certificates(ders: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, OutputError> {
    ders.iter().map(|der| Certificate::from_der(der).map_err(unfit)).collect()
}

fn unfit(error: p12_keystore::error::Error) -> OutputError {
    OutputError::Pkcs12(Box::new(error))
}

/// Whether a file holds what a store would: names, keys and certificates, in order.
fn says_the_same(store: &KeyStore, bytes: &[u8], password: &str) -> bool {
    let Ok(found) = Pkcs12Archive::from_pkcs12(bytes, password) else { return false };
    let (mut keys, mut certificates) = (found.keys.iter(), found.certs.iter().map(|bag| &bag.cert));
    let all = store.entries().all(|(alias, entry)| match entry {
        KeyStoreEntry::PrivateKeyChain(chain) => {
            let same_key = |bag: &p12_keystore::PrivateKeyBag| {
                &bag.key == chain.key() && bag.friendly_name.as_deref() == Some(alias)
            };
            keys.next().is_some_and(same_key)
                && chain.certs().iter().all(|certificate| certificates.next() == Some(certificate))
        }
        KeyStoreEntry::Certificate(certificate) => certificates.next() == Some(certificate),
        KeyStoreEntry::Secret(_) => false,
    });
    all && keys.next().is_none() && certificates.next().is_none()
}
