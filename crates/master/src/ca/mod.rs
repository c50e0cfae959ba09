//! Signs certificates and holds the keys that sign tokens.
//!
//! Invariants: a private key leaves here only sealed (the TLS server's own excepted, which never touches a disk); what is
//! in a certificate comes from a [`crate::domain::profile::Profile`], the applicant contributes its public key alone.

mod issuer;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

use gatepass_contract::name::HostName;
use gatepass_contract::pki::{KeyKind, PkiError, PublicKey};
use gatepass_contract::time::{UnixTime, Validity};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::domain::signing::{AnchorRecord, KeyPurpose, Sealed, SigningKeyRecord, Slot};
use crate::random;
use crate::sealed::{KeyEncryptionKey, SealError};

pub use issuer::{Issuer, ServerCertificate};
pub use token::{jwks, token_key};

/// Why something cannot be signed, or a key not be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The sealed key cannot be had.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// The stored key or certificate is not what it should be.
    #[error("a stored key or certificate is damaged")]
    Damaged,
    /// A stored public key is not of an allowed kind.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The library refuses to make or sign it.
    #[error("a certificate or key cannot be made")]
    Making(#[from] rcgen::Error),
}

/// A new master's keys and certificates.
#[derive(Debug)]
pub struct Created {
    /// The root, for everybody to trust.
    pub anchor: AnchorRecord,
    /// The root's key: kept as a file, so that it can be taken away.
    pub root_key: Sealed,
    /// The issuing CA's key with its certificate, and the token key.
    pub keys: Vec<SigningKeyRecord>,
}

/// Makes a root, an issuing CA below it and a token key of the wanted kind, all private keys sealed with `kek`.
pub fn create(
    trust_domain: &HostName,
    token_kind: KeyKind,
    kek: &KeyEncryptionKey,
    now: UnixTime,
) -> Result<Created, CaError> {
    let root_key = KeyPair::generate()?;
    let root_params = authority(trust_domain, ROOT_NAME, BasicConstraints::Unconstrained, years(now, 10));
    let root = root_params.self_signed(&root_key)?;
    let (issuing_key, validity) = (KeyPair::generate()?, years(now, 2));
    let issuing = authority(trust_domain, ISSUING_NAME, BasicConstraints::Constrained(0), validity)
        .signed_by(&issuing_key, &rcgen::Issuer::from_params(&root_params, &root_key))?;
    let id = public_half(&root_key)?.thumbprint();
    Ok(Created {
        anchor: AnchorRecord { id, certificate: root.der().clone(), created: now },
        root_key: kek.seal(KeyPurpose::RootCa, id, &private_half(&root_key)),
        keys: vec![
            sealed_record(KeyPurpose::IssuingCa, &issuing_key, issuing.der().to_vec(), kek, now)?,
            token::create(token_kind, kek, now)?,
        ],
    })
}

fn sealed_record(
    purpose: KeyPurpose,
    key: &KeyPair,
    public: Vec<u8>,
    kek: &KeyEncryptionKey,
    now: UnixTime,
) -> Result<SigningKeyRecord, CaError> {
    let half = public_half(key)?;
    let (id, kind) = (half.thumbprint(), half.kind());
    let sealed = kek.seal(purpose, id, &private_half(key));
    Ok(SigningKeyRecord { id, purpose, slot: Slot::Active, kind, public, sealed, created: now })
}

fn public_half(key: &KeyPair) -> Result<PublicKey, PkiError> {
    PublicKey::from_spki(&key.subject_public_key_info())
}

/// PKCS#8 in PEM: what both libraries that use it read.
fn private_half(key: &KeyPair) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(key.serialize_pem().into_bytes())
}

fn opened(record: &SigningKeyRecord, kek: &KeyEncryptionKey) -> Result<Zeroizing<Vec<u8>>, CaError> {
    Ok(kek.open(record.purpose, record.id, &record.sealed)?)
}

fn text(pem: &[u8]) -> Result<&str, CaError> {
    std::str::from_utf8(pem).map_err(|_| CaError::Damaged)
}

fn authority(
    domain: &HostName,
    name: &str,
    below: BasicConstraints,
    validity: Validity,
) -> CertificateParams {
    let mut params = fresh(validity);
    params.distinguished_name.push(DnType::OrganizationName, shortened(domain.as_str()));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(below);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// With nothing left at the library's defaults that would end up in a certificate: they are good until 4096, carry the
/// library's name, and the same serial number for the same key.
fn fresh(validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + seconds(validity.from());
    // `notAfter` is the last good second, RFC 5280 section 4.1.2.5.
    params.not_after =
        rcgen::date_time_ymd(1970, 1, 1) + seconds(validity.until()).saturating_sub(ONE_SECOND);
    params.serial_number = Some(serial());
    params.use_authority_key_identifier_extension = true;
    params
}

fn seconds(at: UnixTime) -> Duration {
    Duration::from_secs(u64::try_from(at.seconds()).unwrap_or(0))
}

/// Random, and positive in DER without a byte of padding (RFC 5280, section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes = random::bytes::<16>();
    bytes[0] = bytes[0] & 0x7F | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn years(now: UnixTime, years: u32) -> Validity {
    let now = UnixTime::from_seconds(now.seconds());
    Validity::new(now - CA_BACKDATE, now + YEAR * years).expect("a span of years is not empty")
}

/// The bound of an organization name, RFC 5280 appendix A.1.
fn shortened(domain: &str) -> &str {
    &domain[..domain.len().min(64)]
}

/// The certificate itself, as it was stored.
fn certificate(record: &SigningKeyRecord) -> CertificateDer<'static> {
    CertificateDer::from(record.public.clone())
}

const ROOT_NAME: &str = "Gatepass Root CA";
const ISSUING_NAME: &str = "Gatepass Issuing CA";
const ONE_SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_hours(365 * 24);
/// Longer than any profile backdates: a leaf that begins before its issuer would be cut.
const CA_BACKDATE: Duration = Duration::from_hours(1);
