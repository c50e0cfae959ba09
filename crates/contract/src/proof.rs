//! Proof of possession: a short JWT an agent signs with its own key for one request (RFC 7523 in shape, DPoP in spirit).
//!
//! It passes through proxies that terminate TLS and works when the certificate has expired. Bound to method, path and
//! body, it is of no use for anything but the request it was made for.

use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::AgentId;
use crate::jws::{self, JwsError, SigningKey};
use crate::time::UnixTime;

/// The token type in the header.
pub const TYP: &str = "gatepass-proof+jwt";

/// How long a proof is good for, and how far its maker's idea of the master's time may be off.
pub const LIFETIME: Duration = Duration::from_mins(1);

/// The claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The agent.
    pub iss: AgentId,
    /// The agent again: it speaks for itself.
    pub sub: AgentId,
    /// Method and URL path, `POST /api/v1/agents/self/credentials`.
    pub aud: String,
    /// When it was made, seconds, in the master's time as far as the agent knows it.
    pub iat: i64,
    /// When it ends, seconds.
    pub exp: i64,
    /// Random, one for each proof.
    pub jti: String,
    /// SHA-256 of the request's body.
    pub body: Sha256,
    /// The generation the agent holds.
    pub generation: u64,
}

/// The request a proof is for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// `/api/v1/agents/self/reports`.
    pub path: &'a str,
    /// Byte for byte as sent.
    pub body: &'a [u8],
}

impl Request<'_> {
    fn audience(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Why a proof is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Not a proof, or not signed with the expected key.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Made for another request or by another agent.
    #[error("it was made for another request")]
    OtherRequest,
    /// Too old, from the future, or living too long: the clocks disagree, or somebody kept it.
    #[error("it is not good at this time: it was made {made_ago} s ago by the master's clock")]
    Time {
        /// Seconds; negative when it comes from the future.
        made_ago: i64,
    },
}

impl Proof {
    /// A proof for one request, `now` in the master's time.
    #[must_use]
    pub fn new(agent: AgentId, generation: u64, request: Request<'_>, jti: String, now: UnixTime) -> Self {
        Self {
            iss: agent,
            sub: agent,
            aud: request.audience(),
            iat: now.seconds(),
            exp: (now + LIFETIME).seconds(),
            jti,
            body: Sha256::of(request.body),
            generation,
        }
    }

    /// Signs it.
    pub fn sign(&self, key: &SigningKey) -> Result<String, JwsError> {
        key.sign(TYP, self)
    }

    /// Opens a proof made for `request` with `key`, good at `now` (the master's clock).
    pub fn open(token: &str, key: &Jwk, request: Request<'_>, now: UnixTime) -> Result<Self, BadProof> {
        let proof: Self = jws::open(token, TYP, key)?;
        if proof.iss != proof.sub || proof.aud != request.audience() || proof.body != Sha256::of(request.body)
        {
            return Err(BadProof::OtherRequest);
        }
        let (made_ago, most) = (now.seconds().saturating_sub(proof.iat), LIFETIME.as_secs().cast_signed());
        let lives = proof.exp.saturating_sub(proof.iat);
        if made_ago.abs() > most || !(0..=most).contains(&lives) || now.seconds() > proof.exp {
            return Err(BadProof::Time { made_ago });
        }
        Ok(proof)
    }
}
