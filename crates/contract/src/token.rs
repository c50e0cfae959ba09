//! The agent's JWT: what it presents to others as Bearer, verifiable with the published JWKS (RFC 7519).

use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::jws::{self, Claimed, JwsError};
use crate::name::GroupName;
use crate::pki::Thumbprint;
use crate::time::{UnixTime, Validity};

/// The token type in the header.
pub const TYP: &str = "JWT";

/// The claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The master's issuer name.
    pub iss: String,
    /// The agent.
    pub sub: AgentId,
    /// Who may accept it.
    pub aud: Vec<String>,
    /// When it was made, seconds, by the master's clock.
    pub iat: i64,
    /// From when it is good: `iat` less the doubt of the agent's clock.
    pub nbf: i64,
    /// When it ends.
    pub exp: i64,
    /// Random, one for each token.
    pub jti: String,
    /// The agent's display name (the MicroProfile JWT claim that Jakarta servers take as the principal).
    pub upn: String,
    /// The groups of the key it enrolled with.
    pub groups: Vec<GroupName>,
    /// The key it belongs to (RFC 7800; `jkt` as in RFC 9449 section 6).
    pub cnf: Confirmation,
}

/// The key a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its RFC 7638 thumbprint.
    pub jkt: Thumbprint,
}

impl Claims {
    /// When the token is good; `None` for one that never is.
    #[must_use]
    pub fn validity(&self) -> Option<Validity> {
        Validity::new(UnixTime::from_seconds(self.nbf), UnixTime::from_seconds(self.exp))
    }

    /// The claims of a token signed with one of the master's keys. Says nothing about dates.
    pub fn open(token: &str, keys: &JwkSet) -> Result<Self, JwsError> {
        let kid = Claimed::of(token)?.kid;
        jws::open(token, TYP, keys.find(&kid).ok_or(JwsError::Signature)?)
    }
}
