//! The host's own key pair. Invariant: the private half leaves this module as PKCS#8 for the state directory and as a
//! signature, and in no other way.

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{KeyKind, PkiError, PublicKey};
use rcgen::{
    CertificateParams, DistinguishedName, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256,
    PublicKeyData, RsaKeySize,
};
use zeroize::{Zeroize, Zeroizing};

/// A private key with its public half. `Debug` shows the kind and the thumbprint; zeroed when dropped.
pub struct KeyPair {
    pair: rcgen::KeyPair,
    public: PublicKey,
    pem: Zeroizing<String>,
}

/// Why a text is not a key pair. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a private key in PEM.
    #[error("it is not a PKCS#8 private key in PEM")]
    Malformed,
    /// Of another kind than those Gatepass uses.
    #[error(transparent)]
    Kind(#[from] PkiError),
}

impl KeyPair {
    /// Makes a new one. Needs nothing but the system's random source.
    #[must_use]
    pub fn generate(kind: KeyKind) -> Self {
        let pair = match kind {
            KeyKind::EcdsaP256 => rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::Ed25519 => rcgen::KeyPair::generate_for(&PKCS_ED25519),
            KeyKind::Rsa3072 => rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
        };
        let pair = pair.expect("generation fails only without a random source, and then nothing can go on");
        Self::from_pair(pair).expect("each kind that is made is allowed")
    }

    /// Reads a PKCS#8 PEM private key.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        Self::from_pair(rcgen::KeyPair::from_pem(pem).map_err(|_| BadKey::Malformed)?)
    }

    fn from_pair(pair: rcgen::KeyPair) -> Result<Self, BadKey> {
        let public = PublicKey::from_spki(&pair.subject_public_key_info())?;
        let pair = if public.kind() == KeyKind::Ed25519 { plain(pair)? } else { pair };
        let pem = Zeroizing::new(pair.serialize_pem());
        Ok(Self { pair, public, pem })
    }

    /// As PKCS#8 PEM, for a file that nobody else can read.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pem.clone()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A PKCS#10 request in PEM: the public key and the proof that its private half is here. It asks for no name and
    /// no extension: those are the master's to decide.
    #[must_use]
    pub fn csr(&self) -> String {
        let mut nameless = CertificateParams::default();
        nameless.distinguished_name = DistinguishedName::new();
        let request = nameless.serialize_request(&self.pair).and_then(|csr| csr.pem());
        request.expect("signing with a key in memory cannot fail")
    }

    /// The private half in the form that signs proofs.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_pem(&self.pem, self.public.kind(), self.public.thumbprint())
            .expect("this PEM was written by us for that kind")
    }
}

/// OpenSSL 3 does not read the newer form of an Ed25519 key, with its public half inside (RFC 8410, section 10.3).
fn plain(mut pair: rcgen::KeyPair) -> Result<rcgen::KeyPair, BadKey> {
    let der = Ed25519KeyPair::from_pkcs8(pair.serialized_der()).and_then(|key| Ok(key.to_pkcs8v1()?));
    pair.zeroize();
    rcgen::KeyPair::try_from(der.map_err(|_| BadKey::Malformed)?.as_ref()).map_err(|_| BadKey::Malformed)
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({:?} {})", self.public.kind(), self.public.thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_contract::jws;
    use gatepass_contract::pki::Csr;
    use serde_json::{Value, json};

    const KINDS: [KeyKind; 3] = [KeyKind::EcdsaP256, KeyKind::Ed25519, KeyKind::Rsa3072];

    #[test]
    fn each_kind_survives_pem_asks_and_signs() {
        for kind in KINDS {
            let made = KeyPair::generate(kind);
            let read = KeyPair::from_pem(&made.to_pem()).expect("what we wrote");
            assert_eq!((read.public(), read.public().kind()), (made.public(), kind));
            assert_eq!(read.to_pem(), made.to_pem());
            let asked = Csr::from_pem(&read.csr()).expect("a request the master takes");
            assert_eq!(&asked.into_key(), made.public());
            let token = read.signing_key().sign("test+jwt", &json!({"a": 1})).expect("signed");
            let opened: Value = jws::open(&token, "test+jwt", &made.public().jwk()).expect("opened");
            assert_eq!(opened, json!({"a": 1}), "{kind:?}");
        }
    }

    #[test]
    fn another_key_does_not_verify() {
        let (one, other) = (KeyPair::generate(KeyKind::Ed25519), KeyPair::generate(KeyKind::Ed25519));
        let token = one.signing_key().sign("test+jwt", &json!({})).expect("signed");
        assert!(jws::open::<Value>(&token, "test+jwt", &other.public().jwk()).is_err());
    }

    #[test]
    fn debug_shows_no_key_and_errors_quote_nothing() {
        let key = KeyPair::generate(KeyKind::EcdsaP256);
        assert_eq!(format!("{key:?}"), format!("KeyPair(EcdsaP256 {})", key.public().thumbprint()));
        let error = KeyPair::from_pem("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
        assert_eq!(error.expect_err("no key"), BadKey::Malformed);
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        assert!(matches!(KeyPair::from_pem(&other.serialize_pem()), Err(BadKey::Kind(_))));
    }
}
