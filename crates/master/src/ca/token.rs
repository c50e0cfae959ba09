//! The keys that sign agents' JWTs.

use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{KeyKind, PublicKey};
use gatepass_contract::time::UnixTime;
use jsonwebtoken::jwk::JwkSet;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};

use super::{CaError, opened, sealed_record, text};
use crate::domain::signing::{KeyPurpose, SigningKeyRecord, Slot};
use crate::sealed::KeyEncryptionKey;

pub(super) fn create(
    kind: KeyKind,
    kek: &KeyEncryptionKey,
    now: UnixTime,
) -> Result<SigningKeyRecord, CaError> {
    let key = match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        KeyKind::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
    }?;
    sealed_record(KeyPurpose::Token, &key, key.subject_public_key_info(), kek, now)
}

/// The stored token key, ready to sign.
pub fn token_key(record: &SigningKeyRecord, kek: &KeyEncryptionKey) -> Result<SigningKey, CaError> {
    SigningKey::from_pem(text(&opened(record, kek)?)?, record.kind, record.id).map_err(|_| CaError::Damaged)
}

/// What verifiers are told: the public halves of all token keys that sign, will sign, or have signed what is still good.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKeyRecord>) -> Result<JwkSet, CaError> {
    let published =
        keys.into_iter().filter(|key| key.purpose == KeyPurpose::Token && key.slot != Slot::Retired);
    let keys: Result<Vec<_>, _> =
        published.map(|key| PublicKey::from_spki(&key.public).map(|k| k.jwk())).collect();
    Ok(JwkSet { keys: keys? })
}
