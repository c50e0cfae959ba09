//! A private key under a passphrase: PKCS#8 with PBES2 (RFC 8018), HMAC-SHA-256 and AES-256-CBC, as OpenSSL 3 reads and
//! writes it.

use aws_lc_rs::rand;
use pkcs8::der::{SecretDocument, pem::PemLabel as _};
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef};
use zeroize::Zeroizing;

/// The passphrases are random and long: guessing one takes for ever after one round as after many.
const ROUNDS: u32 = 2048;

/// A new passphrase: 256 random bits as text.
pub(super) fn passphrase() -> Zeroizing<String> {
    let bytes = Zeroizing::new(random::<32>());
    Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(bytes.as_ref()))
}

/// A key in PKCS#8 DER under a passphrase, as PEM; `None` when it is no such key.
pub(super) fn seal(key: &[u8], passphrase: &str) -> Option<Zeroizing<String>> {
    let parameters =
        Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &random::<16>(), random::<16>()).ok()?;
    let sealed = PrivateKeyInfoRef::try_from(key).ok()?.encrypt_with_params(parameters, passphrase).ok()?;
    sealed.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF).ok()
}

/// What [`seal`] was given; `None` where the passphrase is wrong or it is no key under one.
pub(super) fn open(sealed: &str, passphrase: &str) -> Option<SecretDocument> {
    let (label, der) = SecretDocument::from_pem(sealed).ok()?;
    EncryptedPrivateKeyInfoRef::validate_pem_label(label).ok()?;
    EncryptedPrivateKeyInfoRef::try_from(der.as_bytes()).ok()?.decrypt(passphrase).ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("without a random source no secret can be made");
    bytes
}
