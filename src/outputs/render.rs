//! A bundle as named files in memory: what a format means.

use gatepass_contract::pki::{Chain, to_pem};
use pkcs8::der::SecretDocument;
use zeroize::Zeroizing;

use super::written::{Format, Layout};
use super::{OutputError, pkcs12, tws};
use crate::bundle::Parts;

/// One file of a set. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its name under the set's directory, with `/` where it lies deeper.
    pub name: String,
    /// What is in it.
    pub content: Zeroizing<Vec<u8>>,
    /// Whether whoever reads it can use the private key.
    pub is_secret: bool,
}

impl NamedFile {
    pub(super) fn public(name: &str, text: &str) -> Self {
        let content = Zeroizing::new(text.as_bytes().to_vec());
        Self { name: name.to_owned(), content, is_secret: false }
    }

    pub(super) fn secret(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), content: Zeroizing::new(bytes.to_vec()), is_secret: true }
    }
}

impl std::fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a file of the set held before, if it was there: passphrases are taken over from it, and encryption, which is
/// never the same twice, is not done again for a key that has not changed.
pub type Before<'a> = &'a dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>>;

/// The files of a format. The token goes with all but `tws`.
pub fn render(format: &Format, parts: &Parts, before: Before<'_>) -> Result<Vec<NamedFile>, OutputError> {
    let token = NamedFile::public(TOKEN, &parts.token);
    Ok(match format {
        Format::Pem(layout) => [pem(*layout, parts)?, vec![token]].concat(),
        Format::Pkcs12 { password_file, alias } => {
            [pkcs12::files(parts, password_file, alias, before)?, vec![token]].concat()
        }
        Format::Tws { additional_cas } => tws::files(parts, additional_cas.as_deref(), before)?,
    })
}

const TOKEN: &str = "agent.jwt";

fn pem(layout: Layout, parts: &Parts) -> Result<Vec<NamedFile>, OutputError> {
    let key = |name| NamedFile::secret(name, parts.key.as_bytes());
    let public = NamedFile::public;
    Ok(match layout {
        Layout::Split => {
            vec![key("tls.key"), public("tls.crt", &parts.chain), public("ca.crt", &parts.anchors)]
        }
        Layout::Chain => {
            let chain = Chain::from_pem(&parts.chain).map_err(OutputError::Chain)?;
            let (leaf, others) = chain.certificates().split_at(1);
            vec![
                key("privkey.pem"),
                public("cert.pem", &to_pem(leaf)),
                public("chain.pem", &to_pem(others)),
                public("fullchain.pem", &parts.chain),
                public("ca.pem", &parts.anchors),
            ]
        }
        Layout::Combined => {
            let both = Zeroizing::new([parts.key.as_bytes(), parts.chain.as_bytes()].concat());
            vec![NamedFile::secret("tls.pem", &both), public("ca.crt", &parts.anchors)]
        }
    })
}

/// The private key in PKCS#8 DER.
pub(super) fn key_der(parts: &Parts) -> Result<SecretDocument, OutputError> {
    SecretDocument::from_pem(&parts.key).map(|(_, der)| der).map_err(|_| OutputError::Key)
}
