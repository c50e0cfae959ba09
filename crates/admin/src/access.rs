//! Which master, and the API key to show it. Nothing here touches the network.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use gatepass_contract::pki::Anchors;
use gatepass_contract::secret::ApiKey;
use reqwest::Url;
use zeroize::Zeroizing;

use crate::cli::AccessArguments;
use crate::error::CtlError;

/// A key has about 111 characters; more than this is another file.
const MAX_KEY_BYTES: u64 = 4 * 1024;

/// Where a master is: `https`, a host, nothing that could carry a secret or a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterUrl(Url);

/// Not where a master can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master's address looks like https://master.example.com:31116")]
pub struct NotAMasterUrl;

impl FromStr for MasterUrl {
    type Err = NotAMasterUrl;
    fn from_str(text: &str) -> Result<Self, NotAMasterUrl> {
        let url = Url::parse(text).map_err(|_| NotAMasterUrl)?;
        let plain = url.scheme() == "https"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(Self(url)) } else { Err(NotAMasterUrl) }
    }
}

impl MasterUrl {
    /// The address of one call; `path` begins with a slash. A path of the master's own (behind an ingress) is kept.
    #[must_use]
    pub fn call(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl std::fmt::Display for MasterUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

/// All that is needed to be let in.
#[derive(Debug)]
pub struct Access {
    /// Where the master is.
    pub url: MasterUrl,
    /// What is shown to it.
    pub key: ApiKey,
    /// Who vouches for it; without, the CA that the key pins.
    pub anchors: Option<Anchors>,
}

impl Access {
    /// Gathers it from arguments, files and environment.
    pub fn gather(arguments: &AccessArguments) -> Result<Self, CtlError> {
        let url = arguments.url.clone().ok_or(CtlError::NoUrl)?;
        let (text, origin) = key_text(arguments.apikey_file.as_deref())?;
        let key = ApiKey::parse(&text).map_err(|source| CtlError::NotAnApiKey { origin, source })?;
        let anchors = arguments.ca_file.as_deref().map(anchors).transpose()?;
        Ok(Self { url, key, anchors })
    }
}

/// The key's text and where it came from, in words.
fn key_text(file: Option<&Path>) -> Result<(Zeroizing<String>, String), CtlError> {
    match file {
        Some(file) if file == Path::new("-") => {
            let text = read_key(io::stdin().lock()).map_err(CtlError::StandardInput)?;
            Ok((text, "standard input".to_owned()))
        }
        Some(file) => {
            let text = fs::File::open(file)
                .and_then(read_key)
                .map_err(|source| CtlError::unreadable(file, source))?;
            Ok((text, file.display().to_string()))
        }
        None => {
            let text = std::env::var("GATEPASS_APIKEY").map_err(|_| CtlError::NoApiKey)?;
            Ok((Zeroizing::new(text), "GATEPASS_APIKEY".to_owned()))
        }
    }
}

fn read_key(from: impl io::Read) -> io::Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    from.take(MAX_KEY_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn anchors(file: &Path) -> Result<Anchors, CtlError> {
    let text = fs::read_to_string(file).map_err(|source| CtlError::unreadable(file, source))?;
    Anchors::from_pem(&text).map_err(|source| CtlError::BadCaFile { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_nothing_else() {
        for good in ["https://master:31116", "https://[::1]:1/", "https://m.example/gatepass/"] {
            assert!(good.parse::<MasterUrl>().is_ok(), "{good}");
        }
        for bad in
            ["", "master", "http://master", "https://", "https://a:b@m", "https://m/?key=1", "https://m/#x"]
        {
            assert!(bad.parse::<MasterUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn calls_keep_the_masters_own_path() {
        for (base, want) in [
            ("https://m:1", "https://m:1/api/v1/time"),
            ("https://m:1/", "https://m:1/api/v1/time"),
            ("https://m:1/gate/", "https://m:1/gate/api/v1/time"),
        ] {
            let url: MasterUrl = base.parse().expect("an address");
            assert_eq!(url.call("/api/v1/time").as_str(), want);
        }
    }
}
