//! Public keys of the kinds Gatepass makes and signs for.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
};
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::PkiError;
use crate::digest::Sha256;

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

    pub(super) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, PkiError> {
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
