//! Private keys at rest: AES-256-GCM under a key that is not in the database.
//!
//! Invariant: what was sealed for one purpose opens for no other, and nothing here can be printed.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER_PERMISSIVE;
use gatepass_contract::pki::Thumbprint;
use zeroize::Zeroizing;

use crate::domain::signing::{KeyPurpose, Sealed};
use crate::random;

/// The key that seals the others: 32 bytes from a file or a systemd credential.
#[derive(Clone)]
pub struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Missing, or not readable for this user.
    #[error("the key file cannot be read")]
    Read(#[source] std::io::Error),
    /// Whoever reads it can open every private key.
    #[error("the key file can be read by everybody; restrict it with `chmod 600`")]
    Exposed,
    /// Cut off, or something else.
    #[error("the key is neither 32 bytes nor 64 hex digits")]
    Malformed,
    /// Sealed under another key, for another purpose, or damaged.
    #[error("the sealed key does not open: it was sealed under another key, or is damaged")]
    DoesNotOpen,
}

impl KeyEncryptionKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// From 32 raw bytes, or 64 hex digits with white space around them.
    pub fn parse(content: &[u8]) -> Result<Self, SealError> {
        if let Ok(raw) = <[u8; 32]>::try_from(content) {
            return Ok(Self(Zeroizing::new(raw)));
        }
        let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(content.trim_ascii()).unwrap_or_default());
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(|raw| Self(Zeroizing::new(raw)))
            .map_err(|_| SealError::Malformed)
    }

    /// From a file. The group may read it: that is how systemd hands out credentials.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let mut file = std::fs::File::open(path).map_err(SealError::Read)?;
        if file.metadata().map_err(SealError::Read)?.mode() & 0o007 != 0 {
            return Err(SealError::Exposed);
        }
        let mut content = Zeroizing::new(Vec::with_capacity(128));
        file.by_ref().take(128).read_to_end(&mut content).map_err(SealError::Read)?;
        Self::parse(&content)
    }

    /// As 64 hex digits and a line feed, for the file.
    #[must_use]
    pub fn to_file_content(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(65));
        HEXLOWER_PERMISSIVE.encode_append(&*self.0, &mut text);
        text.push('\n');
        text
    }

    /// Seals the private half of the key `id`.
    #[must_use]
    pub fn seal(&self, purpose: KeyPurpose, id: Thumbprint, secret: &[u8]) -> Sealed {
        let mut bytes = Vec::with_capacity(NONCE_LEN + secret.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(secret);
        let nonce = self
            .cipher()
            .seal_in_place_append_tag(context(purpose, id), &mut bytes)
            .expect("a key of a few KiB is within the cipher's bounds");
        bytes.splice(0..0, *nonce.as_ref());
        Sealed::from_bytes(bytes)
    }

    /// The private half of the key `id`, if it was sealed as that.
    pub fn open(
        &self,
        purpose: KeyPurpose,
        id: Thumbprint,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, body) = sealed.as_bytes().split_at_checked(NONCE_LEN).ok_or(SealError::DoesNotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::DoesNotOpen)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self.cipher().open_in_place(nonce, context(purpose, id), &mut body);
        let length = plain.map_err(|_| SealError::DoesNotOpen)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// A key of its own for something else than sealing: HKDF-SHA256 (RFC 5869).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> DerivedKey {
        let extracted = Salt::new(HKDF_SHA256, b"gatepass").extract(&*self.0);
        let info = [purpose.as_bytes()];
        let key = extracted.expand(&info, HMAC_SHA256).expect("32 bytes are within the bounds of HKDF");
        DerivedKey(key.into())
    }

    fn cipher(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.0).expect("32 bytes are an AES-256 key")
    }
}

/// A key for HMAC-SHA256 that follows from the key-encryption key: every master of a database has the same.
#[derive(Clone)]
pub struct DerivedKey(hmac::Key);

impl DerivedKey {
    /// 32 bytes that nobody without the key can tell from random ones. Different parts have different ones.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey")
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey")
    }
}

/// Authenticated with the ciphertext, so that no sealed key can be put in another's place.
fn context(purpose: KeyPurpose, id: Thumbprint) -> Aad<String> {
    Aad::from(format!("gatepass:{purpose}:{id}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    const ID: Thumbprint = Thumbprint([1; 32]);

    #[test]
    fn what_is_sealed_opens_and_every_changed_bit_is_noticed() {
        let kek = KeyEncryptionKey::generate();
        let sealed = kek.seal(KeyPurpose::Token, ID, b"private");
        assert_eq!(kek.open(KeyPurpose::Token, ID, &sealed).expect("opens").as_slice(), b"private");
        assert_ne!(sealed, kek.seal(KeyPurpose::Token, ID, b"private"), "a fresh nonce each time");
        assert!(kek.open(KeyPurpose::RootCa, ID, &sealed).is_err());
        assert!(kek.open(KeyPurpose::Token, Thumbprint([2; 32]), &sealed).is_err());
        for at in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(kek.open(KeyPurpose::Token, ID, &Sealed::from_bytes(bytes)).is_err(), "byte {at}");
        }
        assert!(kek.open(KeyPurpose::Token, ID, &Sealed::from_bytes(vec![0; 5])).is_err());
    }

    #[test]
    fn what_is_derived_depends_on_key_purpose_and_every_part() {
        let kek = KeyEncryptionKey::generate();
        let (one, again) = (kek.derive("one"), kek.derive("one"));
        assert_eq!(one.tag(&[b"ab", b"c"]), again.tag(&[b"ab", b"c"]));
        for other in [
            one.tag(&[b"a", b"bc"]),
            one.tag(&[b"abc"]),
            kek.derive("two").tag(&[b"ab", b"c"]),
            KeyEncryptionKey::generate().derive("one").tag(&[b"ab", b"c"]),
        ] {
            assert_ne!(one.tag(&[b"ab", b"c"]), other);
        }
        assert_eq!(format!("{one:?}"), "DerivedKey");
    }

    #[test]
    fn a_key_file_is_read_unless_everybody_can() {
        let place = tempfile::tempdir().expect("a directory");
        let kek = KeyEncryptionKey::generate();
        let sealed = kek.seal(KeyPurpose::Token, ID, b"private");
        for (name, mode, good) in [("private", 0o600, true), ("group", 0o440, true), ("world", 0o604, false)]
        {
            let path = place.path().join(name);
            let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
            options.expect("created").write_all(kek.to_file_content().as_bytes()).expect("written");
            let read = KeyEncryptionKey::from_file(&path);
            assert_eq!(
                read.is_ok_and(|kek| kek.open(KeyPurpose::Token, ID, &sealed).is_ok()),
                good,
                "{name}"
            );
        }
        assert!(matches!(KeyEncryptionKey::parse(b"short"), Err(SealError::Malformed)));
        assert_eq!(format!("{kek:?}"), "KeyEncryptionKey");
    }
}
