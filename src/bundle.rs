//! Key, chain, anchors and token that belong together.
//!
//! Invariant: a [`Bundle`] was verified as a whole: the key matches the certificate, the chain leads to the anchors, the
//! certificate and the token name the same agent, the token is signed by the master and belongs to the key.

use gatepass_contract::id::AgentId;
use gatepass_contract::jws::JwsError;
use gatepass_contract::pki::{Anchors, Chain, PkiError};
use gatepass_contract::span::Span;
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::token::Claims;
use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::{BadKey, KeyPair};
use crate::policy::Held;

/// What lies in one generation's directory: read back or just received, not yet believed.
#[derive(Clone)]
pub struct Parts {
    /// PKCS#8 PEM.
    pub key: Zeroizing<String>,
    /// PEM, leaf first.
    pub chain: String,
    /// PEM.
    pub anchors: String,
    /// The agent's JWT.
    pub token: String,
    /// What no PEM file holds.
    pub meta: Meta,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// What differs between two bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Key, certificate or trust anchors.
    Certificate,
    /// The token.
    Token,
}

impl Change {
    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

impl Parts {
    /// What is new in it. Without one before, everything is.
    #[must_use]
    pub fn changes_since(&self, before: Option<&Self>) -> Vec<Change> {
        let certificate =
            before.is_none_or(|before| before.chain != self.chain || before.anchors != self.anchors);
        let token = before.is_none_or(|before| before.token != self.token);
        [(certificate, Change::Certificate), (token, Change::Token)]
            .into_iter()
            .filter_map(|(is_new, change)| is_new.then_some(change))
            .collect()
    }
}

/// `meta.json`: what no PEM file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Meta {
    /// Who the master knows this host as.
    pub agent: AgentId,
    /// The master's number for the certificate. Several bundles on disk may share it: a fresh token needs no new
    /// certificate.
    pub generation: u64,
    /// When the master expects the next call.
    pub renew_at: UnixTime,
    /// From when on that call should bring a new key.
    pub rekey_at: UnixTime,
    /// 0 to 99, drawn when this was stored: a restart does not move the moment of renewal.
    pub lot: u8,
    /// The keys the token verifies with.
    pub jwks: JwkSet,
}

/// Why parts do not make a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The private key cannot be read.
    #[error("the private key cannot be used")]
    Key(#[source] BadKey),
    /// Certificate and key are not a pair.
    #[error("the certificate belongs to another private key")]
    OtherKey,
    /// Chain or anchors cannot be read, or do not fit each other.
    #[error("the certificate chain is not good")]
    Chain(#[source] PkiError),
    /// The certificate or the token is for another agent.
    #[error("the {0} names another agent")]
    OtherAgent(&'static str),
    /// The token cannot be verified.
    #[error("the token is not good")]
    Token(#[source] JwsError),
    /// The token belongs to another key, or is never good.
    #[error("the token does not belong to the certificate")]
    OtherToken,
    /// It is good at another time.
    #[error("the {what} {}", untimely(*validity, *now))]
    Time {
        /// Certificate or token.
        what: &'static str,
        /// When it is good.
        validity: Validity,
        /// The master's time.
        now: UnixTime,
    },
}

fn untimely(validity: Validity, now: UnixTime) -> String {
    if now < validity.from() {
        format!(
            "is not valid before {}, in {} by the master's clock",
            validity.from(),
            Span::from(validity.from().since(now))
        )
    } else {
        format!(
            "ended at {}, {} ago by the master's clock",
            validity.until(),
            Span::from(now.since(validity.until()))
        )
    }
}

/// A verified whole. It may have ended since: ask [`Bundle::certificate`] and [`Bundle::token`].
pub struct Bundle {
    parts: Parts,
    key: KeyPair,
    chain: Chain,
    anchors: Anchors,
    token: Validity,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("meta", &self.parts.meta).finish_non_exhaustive()
    }
}

impl Bundle {
    /// For what was just received: everything must fit and be good `now` (the master's time).
    pub fn verify(parts: Parts, now: UnixTime) -> Result<Self, Unfit> {
        let bundle = Self::recall(parts)?;
        for (what, validity) in [("certificate", bundle.certificate()), ("token", bundle.token)] {
            if !validity.holds(now) {
                return Err(Unfit::Time { what, validity, now });
            }
        }
        Ok(bundle)
    }

    /// For what was stored: everything must fit, but it may have ended. An ended bundle still proves who this host is.
    pub fn recall(parts: Parts) -> Result<Self, Unfit> {
        let key = KeyPair::from_pem(&parts.key).map_err(Unfit::Key)?;
        let chain = Chain::from_pem(&parts.chain).map_err(Unfit::Chain)?;
        let anchors = Anchors::from_pem(&parts.anchors).map_err(Unfit::Chain)?;
        if chain.key() != key.public() {
            return Err(Unfit::OtherKey);
        }
        chain.verify(&anchors, chain.validity().from()).map_err(Unfit::Chain)?;
        if chain.agent() != Some(parts.meta.agent) {
            return Err(Unfit::OtherAgent("certificate"));
        }
        let token = token_validity(&parts, &key)?;
        Ok(Self { parts, key, chain, anchors, token })
    }

    /// Who this host is.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        self.parts.meta.agent
    }

    /// The master's number for the certificate.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.parts.meta.generation
    }

    /// What it is made of, to be stored or handed on.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// The certificate with its intermediates.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Who vouches for the master and for other agents.
    #[must_use]
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// When the certificate chain is good.
    #[must_use]
    pub fn certificate(&self) -> Validity {
        self.chain.validity()
    }

    /// When the token is good.
    #[must_use]
    pub fn token(&self) -> Validity {
        self.token
    }

    /// When what could have changed ends.
    #[must_use]
    pub fn end_of(&self, change: Change) -> UnixTime {
        match change {
            Change::Certificate => self.certificate().until(),
            Change::Token => self.token.until(),
        }
    }

    /// What the renewal decision needs to know of it.
    #[must_use]
    pub fn held(&self) -> Held {
        Held {
            certificate: self.certificate(),
            token: self.token,
            renew_at: self.parts.meta.renew_at,
            rekey_at: self.parts.meta.rekey_at,
            lot: self.parts.meta.lot,
        }
    }
}

fn token_validity(parts: &Parts, key: &KeyPair) -> Result<Validity, Unfit> {
    let claims = Claims::open(&parts.token, &parts.meta.jwks).map_err(Unfit::Token)?;
    if claims.sub != parts.meta.agent {
        return Err(Unfit::OtherAgent("token"));
    }
    if claims.cnf.jkt != key.public().thumbprint() {
        return Err(Unfit::OtherToken);
    }
    claims.validity().ok_or(Unfit::OtherToken)
}
