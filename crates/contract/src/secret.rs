//! The API key: the one secret a host is given.
//!
//! `gpk_` and 107 characters of base62 (`0-9A-Za-z`, most significant first, padded with zeros) that spell 79 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 10 | key id, public |
//! | 32 | secret |
//! | 32 | pin: SHA-256 of the trust root's SubjectPublicKeyInfo |
//! | 4 | CRC-32 (IEEE 802.3) of all before it, big-endian |
//!
//! Prefix and checksum let secret scanners find a key, and let every program refuse a typo before any network call. The
//! pin lets the key alone authenticate the master on first contact.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::digest::Sha256;
use crate::id::KeyId;

/// What every API key begins with.
pub const PREFIX: &str = "gpk_";

const VERSION: u8 = 1;
const BYTES: usize = 1 + 10 + 32 + 32 + 4;
const DIGITS: usize = 107;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key in full. Zeroed when dropped; `Debug` shows its id alone; only [`ApiKey::reveal`] prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: KeyId,
    secret: Secret,
    pin: Sha256,
}

/// The secret part: 256 random bits.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// From a random source.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What the master stores instead of it. The secret has 256 bits: a slow hash would buy nothing.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.0)
    }

    /// Whether this is the secret with that digest, in constant time.
    #[must_use]
    pub fn has_digest(&self, digest: &Sha256) -> bool {
        self.digest().0.ct_eq(&digest.0).into()
    }
}

/// What is wrong with a text that should be an API key. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnApiKey {
    /// Something else altogether: a token, a path, a password.
    #[error("it does not begin with `{PREFIX}`")]
    Prefix,
    /// Cut off or pasted twice.
    #[error("it has {0} characters behind `{PREFIX}` instead of {DIGITS}")]
    Length(usize),
    /// A character that no key contains; counted from one, behind the prefix.
    #[error("character {0} behind `{PREFIX}` is not a letter or digit")]
    Alphabet(usize),
    /// Mistyped.
    #[error("its checksum does not match: a character is wrong or two are swapped")]
    Checksum,
    /// Made by a newer master.
    #[error("it is of version {0}; this program knows version {VERSION}")]
    Version(u8),
}

impl ApiKey {
    /// Puts a new key together.
    #[must_use]
    pub const fn new(id: KeyId, secret: Secret, pin: Sha256) -> Self {
        Self { id, secret, pin }
    }

    /// Reads a key, surrounding white space allowed. Checks all that can be checked without the master.
    pub fn parse(text: &str) -> Result<Self, NotAnApiKey> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(NotAnApiKey::Prefix)?;
        let bytes = from_base62(digits)?;
        let (body, crc) = bytes.split_at(BYTES - 4);
        if crc32fast::hash(body).to_be_bytes() != crc {
            return Err(NotAnApiKey::Checksum);
        }
        if body[0] != VERSION {
            return Err(NotAnApiKey::Version(body[0]));
        }
        let part =
            |from: usize| <[u8; 32]>::try_from(&body[from..from + 32]).expect("the slice has 32 bytes");
        let id = KeyId(body[1..11].try_into().expect("the slice has 10 bytes"));
        Ok(Self { id, secret: Secret(part(11)), pin: Sha256(part(43)) })
    }

    /// The whole key as text, the one time it is shown or sent.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[0] = VERSION;
        bytes[1..11].copy_from_slice(&self.id.0);
        bytes[11..43].copy_from_slice(&self.secret.0);
        bytes[43..75].copy_from_slice(&self.pin.0);
        let crc = crc32fast::hash(&bytes[..75]).to_be_bytes();
        bytes[75..].copy_from_slice(&crc);
        to_base62(bytes)
    }

    /// Its public half.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Its secret half.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// SHA-256 of the public key info of the root that vouches for the master.
    #[must_use]
    pub const fn pin(&self) -> Sha256 {
        self.pin
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Divides the number by 62, digit by digit from the least significant one.
fn to_base62(mut number: Zeroizing<[u8; BYTES]>) -> Zeroizing<String> {
    let mut digits = Zeroizing::new([0; DIGITS]);
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("the remainder is below 62");
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    Zeroizing::new(PREFIX.chars().chain(digits.iter().map(|&d| char::from(d))).collect())
}

fn from_base62(digits: &str) -> Result<Zeroizing<[u8; BYTES]>, NotAnApiKey> {
    if digits.chars().count() != DIGITS {
        return Err(NotAnApiKey::Length(digits.chars().count()));
    }
    if let Some(place) = digits.chars().position(|digit| base62_value(digit).is_none()) {
        return Err(NotAnApiKey::Alphabet(place + 1));
    }
    let mut number = Zeroizing::new([0; BYTES]);
    // Ten digits at once: a master reads a key with every enrolment.
    for ten in digits.as_bytes().chunks(10) {
        let (mut factor, mut carry) = (1, 0);
        for &digit in ten {
            (factor, carry) = (factor * 62, carry * 62 + u128::from(base62_value(digit.into()).unwrap_or(0)));
        }
        for byte in number.iter_mut().rev() {
            let value = u128::from(*byte) * factor + carry;
            *byte = (value & 0xFF) as u8;
            carry = value >> 8;
        }
        if carry != 0 {
            return Err(NotAnApiKey::Checksum); // more than 79 bytes: no key spells that
        }
    }
    Ok(number)
}

fn base62_value(digit: char) -> Option<u32> {
    match digit {
        '0'..='9' => Some(u32::from(digit) - u32::from('0')),
        'A'..='Z' => Some(u32::from(digit) - u32::from('A') + 10),
        'a'..='z' => Some(u32::from(digit) - u32::from('a') + 36),
        _ => None,
    }
}

/// A secret in the one reply that shows it. Serializes; `Debug` does not show it; zeroed when dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
pub struct ShownOnce(Zeroizing<String>);

impl ShownOnce {
    /// Wraps what is to be shown.
    #[must_use]
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce")
    }
}

/// A person's password on its way to the master. Zeroed when dropped; nothing prints it but the request that carries it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// From where a person typed it.
    #[must_use]
    pub fn new(mut text: Zeroizing<String>) -> Self {
        Self(std::mem::take(&mut *text))
    }

    /// To be hashed or compared, nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `outcome key` a line, made by an independent implementation; see the file's head.
    const VECTORS: &str = include_str!("../vectors/apikeys.txt");

    #[test]
    fn every_committed_vector_is_read_as_it_says() {
        let mut kinds = std::collections::BTreeSet::new();
        for line in VECTORS.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            let (want, key) = line.split_once(' ').unwrap_or((line, ""));
            let got = match ApiKey::parse(key) {
                Ok(key) => format!("ok:{}", key.id()),
                Err(NotAnApiKey::Prefix) => "prefix".to_owned(),
                Err(NotAnApiKey::Length(n)) => format!("length:{n}"),
                Err(NotAnApiKey::Alphabet(n)) => format!("alphabet:{n}"),
                Err(NotAnApiKey::Checksum) => "checksum".to_owned(),
                Err(NotAnApiKey::Version(n)) => format!("version:{n}"),
            };
            assert_eq!(got, want, "{key}");
            if got.starts_with("ok") {
                assert_eq!(*ApiKey::parse(key).expect("just read").reveal(), key.trim());
            }
            kinds.insert(got.split(':').next().expect("a kind").to_owned());
        }
        assert_eq!(kinds.len(), 6, "a vector for each outcome: {kinds:?}");
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let key = ApiKey::new(KeyId([1; 10]), Secret::new([2; 32]), Sha256([3; 32])).reveal();
        for at in PREFIX.len()..key.len() {
            let mut typo = key.to_string();
            typo.replace_range(at..=at, if &key[at..=at] == "x" { "y" } else { "x" });
            assert!(ApiKey::parse(&typo).is_err(), "character {at}");
        }
    }

    #[test]
    fn nothing_but_reveal_prints_it() {
        let key = ApiKey::new(KeyId([1; 10]), Secret::new([0xAA; 32]), Sha256([3; 32]));
        assert_eq!(format!("{key:?} {:?}", key.secret()), "ApiKey(AEAQCAIBAEAQCAIB) Secret");
        assert_eq!(format!("{:?}", ShownOnce::new(key.reveal())), "ShownOnce");
    }
}
