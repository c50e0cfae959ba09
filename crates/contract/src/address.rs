//! Where a master is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// `https://host:port`, with a path in front of `/api` where a proxy wants one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MasterUrl(Url);

/// The port where the URL names none.
pub const DEFAULT_PORT: u16 = 31116;

/// Why a text is not a master's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL at all.
    #[error("`{0}` is not a URL like https://master.example.com:{DEFAULT_PORT}")]
    Malformed(String),
    /// Another scheme: a master is always spoken to over TLS.
    #[error("`{0}` does not begin with https://")]
    NotHttps(String),
    /// A user, password, query or fragment. Not quoted: it may hold a secret.
    #[error("the master's URL may hold a host, a port and a path, and nothing else")]
    TooMuch,
}

impl MasterUrl {
    /// The URL of one call; a path of the master's own stays in front.
    #[must_use]
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl FromStr for MasterUrl {
    type Err = BadUrl;
    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        let malformed = || BadUrl::Malformed(text.chars().filter(|c| !c.is_control()).take(80).collect());
        if text.contains(['@', '?', '#']) {
            return Err(BadUrl::TooMuch);
        }
        let mut url = Url::parse(text).map_err(|_| malformed())?;
        if url.scheme() != "https" {
            return Err(BadUrl::NotHttps(text.to_owned()));
        }
        if !names_port(text) {
            url.set_port(Some(DEFAULT_PORT)).map_err(|()| malformed())?;
        }
        Ok(Self(url))
    }
}

/// Whether the text itself does: a parsed URL no longer tells `:443` from no port.
fn names_port(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

impl fmt::Display for MasterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

impl From<MasterUrl> for String {
    fn from(url: MasterUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for MasterUrl {
    type Error = BadUrl;
    fn try_from(text: String) -> Result<Self, BadUrl> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_and_hold_nothing_else() {
        for (text, want) in [
            ("https://m.example.com", "https://m.example.com:31116/api/v1/time"),
            ("https://m.example.com:443/", "https://m.example.com/api/v1/time"),
            ("https://m.example.com:8443/gate/", "https://m.example.com:8443/gate/api/v1/time"),
            ("https://[::1]", "https://[::1]:31116/api/v1/time"),
            ("https://[::1]:9", "https://[::1]:9/api/v1/time"),
        ] {
            let url: MasterUrl = text.parse().expect("a URL");
            assert_eq!(url.at("/api/v1/time").as_str(), want);
        }
        for bad in ["", "m.example.com", "https://", "https://m:99999"] {
            assert!(matches!(bad.parse::<MasterUrl>(), Err(BadUrl::Malformed(_))), "{bad}");
        }
        assert!(matches!("http://m".parse::<MasterUrl>(), Err(BadUrl::NotHttps(_))));
        for secret in ["https://user:hunter2@m", "https://m/?key=hunter2", "https://m/#hunter2"] {
            let error = secret.parse::<MasterUrl>().expect_err("refused");
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }
}
