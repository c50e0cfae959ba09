//! The values of single keys, checked when they are read.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use gatepass_contract::name::HostName;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

/// A host name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ServerName {
    /// Lower case.
    Host(HostName),
    /// IPv4 or IPv6.
    Address(IpAddr),
}

impl FromStr for ServerName {
    type Err = <HostName as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Address).or_else(|_| text.parse().map(Self::Host))
    }
}

impl TryFrom<String> for ServerName {
    type Error = <HostName as FromStr>::Err;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        match name {
            ServerName::Host(host) => host.into(),
            ServerName::Address(address) => address.to_string(),
        }
    }
}

/// As it stands in a URL: IPv6 addresses in brackets.
impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// How many threads: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Workers(pub(super) usize);

impl TryFrom<usize> for Workers {
    type Error = &'static str;
    fn try_from(count: usize) -> Result<Self, &'static str> {
        if (1..=256).contains(&count) { Ok(Self(count)) } else { Err("there are 1 to 256 workers") }
    }
}

impl From<Workers> for usize {
    fn from(workers: Workers) -> Self {
        workers.0
    }
}

/// Longer than any CA of ours lives.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// How long a credential is good: at least ten seconds, or nobody could renew it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct Lifetime(pub(super) Span);

impl TryFrom<Span> for Lifetime {
    type Error = &'static str;
    fn try_from(span: Span) -> Result<Self, &'static str> {
        let sensible = Duration::from_secs(10)..=LONGEST;
        if sensible.contains(&span.duration()) { Ok(Self(span)) } else { Err("a lifetime is 10s to 10y") }
    }
}

impl From<Lifetime> for Span {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.0
    }
}

impl FromStr for Lifetime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let span: Span =
            text.parse().map_err(|error: gatepass_contract::span::NotASpan| error.to_string())?;
        Self::try_from(span).map_err(str::to_owned)
    }
}

/// How tokens are signed (RFC 7518, 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    /// ECDSA on P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA, 3072 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl FromStr for JwtAlgorithm {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            _ => Err("there are: ES256, EdDSA, RS256"),
        }
    }
}

impl From<JwtAlgorithm> for KeyKind {
    fn from(algorithm: JwtAlgorithm) -> Self {
        match algorithm {
            JwtAlgorithm::Es256 => Self::EcdsaP256,
            JwtAlgorithm::EdDsa => Self::Ed25519,
            JwtAlgorithm::Rs256 => Self::Rsa3072,
        }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// From which severity on events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What may.
    Warn,
    /// Changes of state, refusals.
    Info,
    /// Every request.
    Debug,
    /// What libraries say, too.
    Trace,
}
