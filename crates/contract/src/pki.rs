//! From bytes to checked keys, certification requests and certificates (RFC 5280, 2986, 7638).
//!
//! Nothing is believed before it was verified: a [`Csr`] exists only with a good signature by an allowed key, a
//! [`Chain`] tells its names and dates but vouches for nothing until [`Chain::verify`] was asked.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::digest::Sha256;
use crate::id::AgentId;
use crate::time::{UnixTime, Validity};

/// The largest certification request that is looked at: an RSA-4096 one has under 2 KiB.
pub const MAX_CSR_BYTES: usize = 8 * 1024;

/// What kinds of key Gatepass makes and signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// ECDSA on NIST P-256; JWS algorithm `ES256`.
    #[default]
    EcdsaP256,
    /// Ed25519; JWS algorithm `EdDSA`.
    Ed25519,
    /// RSA, 3072 bits when made here, up to 4096 accepted; JWS algorithm `RS256`.
    Rsa3072,
}

impl std::str::FromStr for KeyKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "ecdsa-p256" => Ok(Self::EcdsaP256),
            "ed25519" => Ok(Self::Ed25519),
            "rsa3072" => Ok(Self::Rsa3072),
            _ => Err("there are: ecdsa-p256, ed25519, rsa3072"),
        }
    }
}

impl KeyKind {
    /// The JWS algorithm (RFC 7518, 8037) keys of this kind sign with.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::EcdsaP256 => Algorithm::ES256,
            Self::Ed25519 => Algorithm::EdDSA,
            Self::Rsa3072 => Algorithm::RS256,
        }
    }

    const fn jwk_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::EcdsaP256 => KeyAlgorithm::ES256,
            Self::Ed25519 => KeyAlgorithm::EdDSA,
            Self::Rsa3072 => KeyAlgorithm::RS256,
        }
    }
}

/// What can be wrong with PEM or DER that is given to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// Not PEM of the expected label, not DER, or with something behind it.
    #[error("{0} cannot be parsed")]
    Malformed(&'static str),
    /// Larger than anything legitimate.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Another algorithm, curve or size than those allowed.
    #[error("keys of this kind are not accepted (use ECDSA P-256, Ed25519 or RSA of 3072 to 4096 bits)")]
    KeyNotAllowed,
    /// The request was not signed by the key in it.
    #[error("the request's signature does not match its key")]
    Signature,
    /// The certificate chain does not lead to an anchor, or is not good at that instant, or not for that use.
    #[error("the certificate does not verify: {0}")]
    Chain(webpki::Error),
}

/// A public key of an allowed kind.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
    parameters: Parameters,
}

/// The members of a JWK that are the key itself, in base64url.
#[derive(Clone, PartialEq, Eq)]
enum Parameters {
    EcdsaP256 { x: String, y: String },
    Ed25519 { x: String },
    Rsa { n: String, e: String },
}

impl Parameters {
    /// RFC 7638, section 3.2: the required members in lexicographic order.
    fn canonical(&self) -> String {
        match self {
            Self::EcdsaP256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        }
    }

    fn jwk(&self) -> AlgorithmParameters {
        match self.clone() {
            Self::EcdsaP256 { x, y } => AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x,
                y,
            }),
            Self::Ed25519 { x } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x,
            }),
            Self::Rsa { n, e } => {
                AlgorithmParameters::RSA(RSAKeyParameters { key_type: RSAKeyType::RSA, n, e })
            }
        }
    }
}

const EC_PUBLIC_KEY: Oid<'_> = oid!(1.2.840.10045.2.1);
const CURVE_P256: Oid<'_> = oid!(1.2.840.10045.3.1.7);
const ED25519: Oid<'_> = oid!(1.3.101.112);
const RSA: Oid<'_> = oid!(1.2.840.113549.1.1.1);

impl PublicKey {
    /// From a DER `SubjectPublicKeyInfo`.
    pub fn from_spki(der: &[u8]) -> Result<Self, PkiError> {
        let (rest, spki) =
            SubjectPublicKeyInfo::from_der(der).map_err(|_| PkiError::Malformed("the public key"))?;
        if rest.is_empty() { Self::of(&spki) } else { Err(PkiError::Malformed("the public key")) }
    }

    fn of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, PkiError> {
        let (kind, parameters) = recognise(spki).ok_or(PkiError::KeyNotAllowed)?;
        Ok(Self { kind, spki: spki.raw.to_vec(), parameters })
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// RFC 7638: SHA-256 of the key's canonical JWK.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        let canonical = self.parameters.canonical();
        Thumbprint(Sha256::of(canonical.as_bytes()).0)
    }

    /// The key as a JWK for signatures (RFC 7517), its thumbprint as `kid`.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(self.kind.jwk_algorithm()),
                key_id: Some(self.thumbprint().to_string()),
                ..CommonParameters::default()
            },
            algorithm: self.parameters.jwk(),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.kind, self.thumbprint())
    }
}

/// `None` for every algorithm, curve and size that is not allowed.
fn recognise(spki: &SubjectPublicKeyInfo<'_>) -> Option<(KeyKind, Parameters)> {
    let algorithm = &spki.algorithm.algorithm;
    let bits = spki.subject_public_key.data.as_ref();
    if *algorithm == EC_PUBLIC_KEY {
        let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
        Some((KeyKind::EcdsaP256, (curve == CURVE_P256).then(|| p256(bits))??))
    } else if *algorithm == ED25519 {
        let x = BASE64URL_NOPAD.encode(<&[u8; 32]>::try_from(bits).ok()?);
        Some((KeyKind::Ed25519, Parameters::Ed25519 { x }))
    } else if *algorithm == RSA {
        Some((KeyKind::Rsa3072, rsa(&spki.parsed().ok()?)?))
    } else {
        None
    }
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn p256(point: &[u8]) -> Option<Parameters> {
    let (x, y) = point.strip_prefix(&[0x04]).filter(|rest| rest.len() == 64)?.split_at(32);
    Some(Parameters::EcdsaP256 { x: BASE64URL_NOPAD.encode(x), y: BASE64URL_NOPAD.encode(y) })
}

fn rsa(key: &ParsedKey<'_>) -> Option<Parameters> {
    let ParsedKey::RSA(key) = key else { return None };
    if !(3072..=4096).contains(&key.key_size()) || key.try_exponent() != Ok(65537) {
        return None;
    }
    let unsigned = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        BASE64URL_NOPAD.encode(&bytes[zeros..])
    };
    Some(Parameters::Rsa { n: unsigned(key.modulus), e: unsigned(key.exponent) })
}

/// A key's RFC 7638 thumbprint; base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(pub [u8; 32]);

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bytes.and_then(|b| b.try_into().ok()).map(Self).ok_or("not a SHA-256 thumbprint in base64url")
    }
}

/// A certification request whose signature was checked. Only the key is taken from it: names and extensions are for
/// the master to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    key: PublicKey,
}

impl Csr {
    /// Reads one PEM request. The key's kind is checked before its signature, so that nothing costly is computed for a
    /// key that would be refused anyway.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        if text.len() > MAX_CSR_BYTES {
            return Err(PkiError::TooLarge("the certification request"));
        }
        let malformed = || PkiError::Malformed("the certification request");
        let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
            .map_err(|_| malformed())?;
        let (rest, csr) = X509CertificationRequest::from_der(&der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let key = PublicKey::of(&csr.certification_request_info.subject_pki)?;
        csr.verify_signature().map_err(|_| PkiError::Signature)?;
        Ok(Self { key })
    }

    /// The key that asks.
    #[must_use]
    pub fn into_key(self) -> PublicKey {
        self.key
    }
}

/// Trust anchors: the roots that may vouch for the master and for agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    /// At least one PEM certificate.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        certificates(text).map(Self)
    }

    /// From certificates already parsed; `None` when there is none.
    #[must_use]
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        (!certificates.is_empty()).then_some(Self(certificates))
    }

    /// Only those with this fingerprint, of the public key info (as an API key pins it) or of the whole certificate (as
    /// `openssl x509 -fingerprint -sha256` prints it); `None` when there is none.
    #[must_use]
    pub fn pinned(&self, fingerprint: Sha256) -> Option<Self> {
        let matches = |der: &&CertificateDer<'static>| {
            Sha256::of(der) == fingerprint || spki_digest(der).is_ok_and(|found| found == fingerprint)
        };
        Self::new(self.0.iter().filter(matches).cloned().collect())
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.0)
    }

    /// One digest over all of them, whatever their order: what an agent reports to have loaded.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let mut each: Vec<_> = self.0.iter().map(|der| Sha256::of(der).0).collect();
        each.sort_unstable();
        Sha256::of(each.as_flattened())
    }
}

/// A certificate with the intermediates that lead to its anchor, leaf first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    key: PublicKey,
    validity: Validity,
    serial: String,
    agent: Option<AgentId>,
}

impl Chain {
    /// Reads PEM certificates, leaf first.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::from_der(certificates(text)?)
    }

    /// Reads DER certificates, leaf first.
    pub fn from_der(certificates: Vec<CertificateDer<'static>>) -> Result<Self, PkiError> {
        let malformed = || PkiError::Malformed("the certificate");
        let leaf = certificate(certificates.first().ok_or_else(malformed)?)?;
        let mut validity = dates(&leaf)?;
        for der in &certificates[1..] {
            validity = validity.and(dates(&certificate(der)?)?).ok_or_else(malformed)?;
        }
        let key = PublicKey::of(leaf.public_key())?;
        let (serial, agent) = (leaf.raw_serial_as_string(), spiffe_agent(&leaf));
        Ok(Self { certificates, key, validity, serial, agent })
    }

    /// The key the leaf certifies.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// When all of it is good.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The leaf's serial number, hex bytes with colons as `openssl` prints them.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The agent named in the leaf's SPIFFE id, `spiffe://<trust domain>/agent/<id>`.
    #[must_use]
    pub const fn agent(&self) -> Option<AgentId> {
        self.agent
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// As PEM, leaf first.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.certificates)
    }

    /// Whether it leads to one of `anchors` and is good for a TLS client at that instant.
    pub fn verify(&self, anchors: &Anchors, at: UnixTime) -> Result<(), PkiError> {
        let (leaf, intermediates) = self.certificates.split_first().expect("a chain has a leaf");
        let roots: Result<Vec<TrustAnchor<'_>>, _> =
            anchors.0.iter().map(webpki::anchor_from_trusted_cert).collect();
        let seconds = u64::try_from(at.seconds()).unwrap_or(0);
        webpki::EndEntityCert::try_from(leaf)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &roots?,
                    intermediates,
                    rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                    webpki::KeyUsage::client_auth(),
                    None,
                    None,
                )
                .map(drop)
            })
            .map_err(PkiError::Chain)
    }
}

/// SHA-256 of a certificate's public key info: what an API key pins.
pub fn spki_digest(der: &CertificateDer<'_>) -> Result<Sha256, PkiError> {
    certificate(der).map(|cert| Sha256::of(cert.public_key().raw))
}

/// When one certificate is good.
pub fn validity(der: &CertificateDer<'_>) -> Result<Validity, PkiError> {
    dates(&certificate(der)?)
}

fn certificate<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], cert)) => Ok(cert),
        _ => Err(PkiError::Malformed("the certificate")),
    }
}

/// `notAfter` is the last good second (RFC 5280, section 4.1.2.5); a [`Validity`] ends with the first bad one.
fn dates(cert: &X509Certificate<'_>) -> Result<Validity, PkiError> {
    let from = UnixTime::from_seconds(cert.validity().not_before.timestamp());
    let until = UnixTime::from_seconds(cert.validity().not_after.timestamp() + 1);
    Validity::new(from, until).ok_or(PkiError::Malformed("the certificate"))
}

fn spiffe_agent(cert: &X509Certificate<'_>) -> Option<AgentId> {
    let names = &cert.subject_alternative_name().ok()??.value.general_names;
    names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.strip_prefix("spiffe://")?.split_once("/agent/")?.1.parse().ok()
    })
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(PkiError::Malformed("the PEM certificates")),
    }
}

/// As PEM, one behind the other.
#[must_use]
pub fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let line_feeds = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let one = |der: &CertificateDer<'_>| {
        pem::encode_config(&pem::Pem::new("CERTIFICATE", der.as_ref()), line_feeds)
    };
    certificates.iter().map(one).collect()
}
