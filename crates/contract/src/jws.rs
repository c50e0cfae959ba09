//! Signed JSON (RFC 7515) of a stated type, with the keys of [`crate::pki`].
//!
//! Dates are not judged here: that needs somebody's clock. See [`crate::proof`] and [`crate::token`].

use std::fmt;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::pki::{KeyKind, Thumbprint};

/// The largest token that is looked at.
pub const MAX_BYTES: usize = 8 * 1024;

/// A private key that signs tokens. `Debug` shows its thumbprint alone.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: Thumbprint,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url JSON, or too long.
    #[error("it is not a JWT")]
    Malformed,
    /// Of another type, or signed with another algorithm than its key is for.
    #[error("it is a JWT of another kind")]
    Kind,
    /// The signature does not match.
    #[error("its signature is wrong")]
    Signature,
}

impl SigningKey {
    /// From a PKCS#8 PEM private key of that kind; `thumbprint`, of its public half, becomes the `kid`.
    pub fn from_pem(pem: &str, kind: KeyKind, thumbprint: Thumbprint) -> Result<Self, JwsError> {
        let private = match kind {
            KeyKind::EcdsaP256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            KeyKind::Ed25519 => EncodingKey::from_ed_pem(pem.as_bytes()),
            KeyKind::Rsa3072 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        Ok(Self { key: private.map_err(|_| JwsError::Kind)?, algorithm: kind.algorithm(), kid: thumbprint })
    }

    /// Signs `claims` as a token of type `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.to_string());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| JwsError::Kind)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?} {})", self.algorithm, self.kid)
    }
}

/// What a token says of itself before anything is verified: only good for finding the key to verify it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Its type; RFC 8725 section 3.11 asks for explicit ones.
    pub typ: String,
    /// The key it says it is signed with.
    pub kid: String,
}

impl Claimed {
    /// Reads the header.
    pub fn of(token: &str) -> Result<Self, JwsError> {
        if token.len() > MAX_BYTES {
            return Err(JwsError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| JwsError::Malformed)?;
        Ok(Self { typ: header.typ.ok_or(JwsError::Kind)?, kid: header.kid.ok_or(JwsError::Kind)? })
    }
}

/// The claims of a token of type `typ` that was signed with `key`. The algorithm is the key's, never the token's choice.
pub fn open<T: DeserializeOwned>(token: &str, typ: &str, key: &Jwk) -> Result<T, JwsError> {
    if Claimed::of(token)?.typ != typ {
        return Err(JwsError::Kind);
    }
    let algorithm =
        key.common.key_algorithm.and_then(|name| name.to_string().parse().ok()).ok_or(JwsError::Kind)?;
    let mut rules = Validation::new(algorithm);
    (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
    rules.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(key).map_err(|_| JwsError::Kind)?;
    jsonwebtoken::decode(token, &key, &rules).map(|opened| opened.claims).map_err(|error| reason(&error))
}

fn reason(error: &jsonwebtoken::errors::Error) -> JwsError {
    use jsonwebtoken::errors::ErrorKind::{InvalidAlgorithm, InvalidSignature};
    if matches!(error.kind(), InvalidSignature) {
        JwsError::Signature
    } else if matches!(error.kind(), InvalidAlgorithm) {
        JwsError::Kind
    } else {
        JwsError::Malformed
    }
}
