//! The master's own keys, as they are stored: what each is for, and how far it is in its life.

use std::fmt;
use std::str::FromStr;

use gatepass_contract::pki::{KeyKind, Thumbprint};
use gatepass_contract::time::UnixTime;
use rustls_pki_types::CertificateDer;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Issuing CAs, and nothing else.
    RootCa,
    /// Agents' certificates and the master's own.
    IssuingCa,
    /// Agents' JWTs.
    Token,
}

/// How far a key is in its life. Only an active one signs; verifiers are told of all but retired ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Published, not yet used.
    Prepared,
    /// In use.
    Active,
    /// What it signed is still good.
    Retiring,
    /// Nothing it signed is good any more.
    Retired,
}

/// A word in the database that this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database holds a word that this version does not know")]
pub struct UnknownWord;

impl KeyPurpose {
    /// As in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RootCa => "root-ca",
            Self::IssuingCa => "issuing-ca",
            Self::Token => "token",
        }
    }
}

impl Slot {
    /// As in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyPurpose {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let all = [Self::RootCa, Self::IssuingCa, Self::Token];
        all.into_iter().find(|word| word.as_str() == text).ok_or(UnknownWord)
    }
}

impl FromStr for Slot {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Prepared, Self::Active, Self::Retiring, Self::Retired];
        all.into_iter().find(|word| word.as_str() == text).ok_or(UnknownWord)
    }
}

/// Nonce, ciphertext and tag of a private key; safe to store and to copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// From where it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// To be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// One of the master's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Thumbprint of its public half; a token key's `kid`.
    pub id: Thumbprint,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// How far it is.
    pub slot: Slot,
    /// Its algorithm.
    pub kind: KeyKind,
    /// A CA's certificate; a token key's `SubjectPublicKeyInfo`. DER.
    pub public: Vec<u8>,
    /// Its private half.
    pub sealed: Sealed,
    /// When it was made.
    pub created: UnixTime,
}

/// A root certificate that everybody trusts. Its key is not here, and need not be anywhere near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRecord {
    /// Thumbprint of its key.
    pub id: Thumbprint,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// When it was made.
    pub created: UnixTime,
}
