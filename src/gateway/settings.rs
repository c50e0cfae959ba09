//! `[gateway]`: what is configured of it.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

/// `[gateway]`: whether this agent relays for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens; nowhere, and it relays for nobody, where absent. `[::]:31114` is every address of either family.
    pub listen: Option<SocketAddr>,
    /// What it is called. Gateways with the same id stand in for each other.
    pub id: GatewayId,
    /// Further ones are refused.
    pub max_connections: NonZeroU16,
    /// A connection on which nothing moves for that long is closed.
    pub idle_timeout: Idle,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            id: GatewayId("GW1".to_owned()),
            max_connections: NonZeroU16::new(256).expect("not zero"),
            idle_timeout: Idle(Span::from_secs(60)),
        }
    }
}

/// A letter or underscore, then letters, digits and `_-.`; 64 at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayId(String);

impl TryFrom<String> for GatewayId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_on = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if begins && goes_on && text.len() <= 64 {
            Ok(Self(text))
        } else {
            Err("a gateway's id is a letter or underscore, then letters, digits and _-.; 64 at most")
        }
    }
}

impl From<GatewayId> for String {
    fn from(id: GatewayId) -> Self {
        id.0
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How long nothing may move on a connection: at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct Idle(Span);

impl Idle {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0.duration()
    }
}

impl TryFrom<Span> for Idle {
    type Error = &'static str;
    fn try_from(span: Span) -> Result<Self, &'static str> {
        if span.duration() < Duration::from_secs(1) {
            Err("`idle_timeout` is at least 1s")
        } else {
            Ok(Self(span))
        }
    }
}

impl From<Idle> for Span {
    fn from(idle: Idle) -> Self {
        idle.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_originals() {
        for good in ["GW1", "_a", "a.b-c_9"] {
            assert!(GatewayId::try_from(good.to_owned()).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", "1a", "-a", "a b", "gä", &long] {
            assert!(GatewayId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
