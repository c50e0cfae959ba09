//! Which proxy is configured, and who is called without it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gatepass_contract::network::Network;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Place;

/// What the configuration says of proxies; where it says nothing, the environment is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ProxyChoice {
    /// `none`: no proxy, whatever the environment says.
    Off,
    /// This one.
    Of(ProxyUrl),
}

/// `http://host:port`; `https://` where the proxy itself is spoken to over TLS. Never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    /// Whether the proxy itself is spoken to over TLS.
    pub tls: bool,
    /// Where it is.
    pub place: Place,
}

/// Why a text is not a proxy's URL. Does not quote it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProxy {
    /// Something else.
    #[error("`proxy` is a URL like http://proxy.example.com:3128, or \"none\"")]
    Malformed,
    /// A user or password in it.
    #[error(
        "the `proxy` URL may not hold a user or password: write `user:password` into a file that only the agent may read, \
         and name it with `proxy_auth_file`"
    )]
    Credential,
}

impl ProxyUrl {
    pub(super) fn of(url: &Url) -> Result<Self, BadProxy> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(BadProxy::Malformed),
        };
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let place = Place::of(url).filter(|_| is_bare);
        Ok(Self { tls, place: place.ok_or(BadProxy::Malformed)? })
    }
}

impl FromStr for ProxyUrl {
    type Err = BadProxy;
    fn from_str(text: &str) -> Result<Self, BadProxy> {
        if text.contains('@') {
            return Err(BadProxy::Credential);
        }
        Self::of(&Url::parse(text.trim()).map_err(|_| BadProxy::Malformed)?)
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.place)
    }
}

impl TryFrom<String> for ProxyChoice {
    type Error = BadProxy;
    fn try_from(text: String) -> Result<Self, BadProxy> {
        if text == "none" { Ok(Self::Off) } else { text.parse().map(Self::Of) }
    }
}

impl From<ProxyChoice> for String {
    fn from(choice: ProxyChoice) -> Self {
        match choice {
            ProxyChoice::Off => "none".to_owned(),
            ProxyChoice::Of(url) => url.to_string(),
        }
    }
}

/// Who is called without the proxy, as curl reads `NO_PROXY`: `*`; a name, for itself and all below it, with or without a
/// leading dot; an address or network, for hosts that are named by their address. No name is looked up for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Exemption {
    /// Everybody.
    All,
    /// A name and all below it; in lower case, without the dot.
    Name(String),
    /// Addresses.
    Network(Network),
}

/// Neither a name nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no exemption from the proxy: a host, .domain, address, network like 10.0.0.0/8, or *")]
pub struct BadExemption(String);

impl Exemption {
    /// Whether that host is called without the proxy.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>();
        match self {
            Self::All => true,
            Self::Network(network) => address.is_ok_and(|address| network.contains(address)),
            Self::Name(name) => {
                let above = host.strip_suffix(name.as_str());
                address.is_err() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

impl FromStr for Exemption {
    type Err = BadExemption;
    fn from_str(text: &str) -> Result<Self, BadExemption> {
        let text = text.trim();
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if text == "*" {
            return Ok(Self::All);
        }
        if let Ok(network) = bare.parse() {
            return Ok(Self::Network(network));
        }
        let name = text.strip_prefix('.').unwrap_or(text);
        match Place::new(name, 1) {
            Some(place) => Ok(Self::Name(place.host().to_owned())),
            None => Err(BadExemption(text.chars().filter(|c| !c.is_control()).take(80).collect())),
        }
    }
}

impl TryFrom<String> for Exemption {
    type Error = BadExemption;
    fn try_from(text: String) -> Result<Self, BadExemption> {
        text.parse()
    }
}

impl From<Exemption> for String {
    fn from(exemption: Exemption) -> Self {
        match exemption {
            Exemption::All => "*".to_owned(),
            Exemption::Name(name) => name,
            Exemption::Network(network) => network.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_without_a_credential() {
        for (text, want) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://Proxy.example.com", "http://proxy.example.com:80"),
            ("https://[::1]:8443/", "https://[::1]:8443"),
            ("none", "none"),
        ] {
            let choice = ProxyChoice::try_from(text.to_owned()).expect(text);
            assert_eq!(String::from(choice), want);
        }
        for bad in ["", "proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path", "NONE"] {
            assert_eq!(bad.parse::<ProxyUrl>(), Err(BadProxy::Malformed), "{bad}");
        }
        for secret in ["http://user:hunter2@proxy", "http://hunter2@proxy", "user:hunter2@proxy"] {
            let error = secret.parse::<ProxyUrl>().expect_err("refused");
            assert!(error == BadProxy::Credential && !format!("{error:?} {error}").contains("hunter2"));
        }
    }

    #[test]
    fn exemptions_cover_what_curl_leaves_out() {
        for (exemption, inside, outside) in [
            ("*", vec!["m.example.com", "10.0.0.1", "::1"], vec![]),
            ("example.com", vec!["example.com", "m.example.com"], vec!["notexample.com", "example.com.evil"]),
            (".Example.com", vec!["example.com", "a.b.example.com"], vec!["example.org"]),
            ("localhost", vec!["localhost"], vec!["127.0.0.1"]),
            ("10.0.0.0/8", vec!["10.255.0.1"], vec!["11.0.0.1", "ten.example.com"]),
            ("10.0.0.7", vec!["10.0.0.7"], vec!["110.0.0.7", "10.0.0.70"]),
            ("2001:db8::/32", vec!["2001:db8::1"], vec!["2001:db9::1"]),
            ("[::1]", vec!["::1"], vec!["::2"]),
            ("0.0.7", vec!["x.0.0.7"], vec!["10.0.0.7"]),
        ] {
            let parsed: Exemption = exemption.parse().expect(exemption);
            assert!(inside.iter().all(|host| parsed.covers(host)), "{exemption}: {inside:?}");
            assert!(!outside.iter().any(|host| parsed.covers(host)), "{exemption}: {outside:?}");
            let again: Exemption = String::from(parsed.clone()).parse().expect("what was written");
            assert_eq!(again, parsed);
        }
        for bad in ["", ".", "a b", "10.0.0.0/33", "http://x"] {
            assert!(bad.parse::<Exemption>().is_err(), "{bad}");
        }
    }
}
