//! A host and a port, before anybody has looked up where that is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// A host and a port. As text `host:port`; without a port, the one gateways listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// In lower case, without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

/// The port of gateways.
pub const GATEWAY_PORT: u16 = 31114;

/// Why a text is not a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host and port like gw1.example.com:{GATEWAY_PORT} or [2001:db8::1]:{GATEWAY_PORT}")]
pub struct BadPlace(String);

impl Place {
    /// What a URL names: its brackets around an IPv6 address are taken off.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bare {
            Some(six) => six.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
            None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
        };
        (port != 0 && is_host(&host)).then_some(Self { host, port })
    }

    /// What a URL with a host names.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        Self::new(url.host_str()?, url.port_or_known_default()?)
    }

    /// Name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Which port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn read(text: &str) -> Option<Self> {
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Self::new(&format!("[{text}]"), GATEWAY_PORT);
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => Self::new(host, port.parse().ok()?),
            _ => Self::new(text, GATEWAY_PORT),
        }
    }
}

/// An address, or a name as resolvers take it: underscores are no host name's, and used all the same.
fn is_host(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}

impl FromStr for Place {
    type Err = BadPlace;
    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let refused = || BadPlace(text.chars().filter(|c| !c.is_control()).take(80).collect());
        Self::read(text.trim()).ok_or_else(refused)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = BadPlace;
    fn try_from(text: String) -> Result<Self, BadPlace> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_hosts_with_a_port() {
        for (text, want) in [
            ("gw1", "gw1:31114"),
            ("GW1.Example.com.:9", "gw1.example.com:9"),
            ("gw_1:80", "gw_1:80"),
            ("10.0.0.7", "10.0.0.7:31114"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
            ("2001:DB8:0::1", "[2001:db8::1]:31114"),
            ("[::1]", "[::1]:31114"),
        ] {
            assert_eq!(text.parse::<Place>().expect(text).to_string(), want, "{text}");
        }
        for bad in
            ["", ":9", "gw:", "gw:0", "gw:99999", "a b", "https://gw", "gw/x", "[gw]:9", "a..b", "u@gw"]
        {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
