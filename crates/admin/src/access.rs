//! Which master, and the API key to show it. Nothing here touches the network.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::pki::Anchors;
use gatepass_contract::secret::ApiKey;
use zeroize::Zeroizing;

use crate::cli::AccessArguments;
use crate::error::CtlError;

/// A key has about 111 characters; more than this is another file.
const MAX_KEY_BYTES: u64 = 4 * 1024;

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
