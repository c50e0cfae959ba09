//! Handing over a new secret, once.

use std::io;

use gatepass_contract::wire::admin::{ApiKeyView, CreatedApiKey, Expiry, TokenView, UnlockedToken};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::SecretArguments;
use crate::error::CtlError;
use crate::output::{self, Form};
use crate::secret_file::SecretFile;

/// Where a secret goes. Made before the secret is.
pub(super) enum Place {
    /// To standard output.
    Output,
    /// To a file, alone.
    File(SecretFile),
    /// To a file, with all that is needed to use it.
    Download(SecretFile),
}

impl Place {
    pub(super) fn of(secret: &SecretArguments) -> Result<Self, CtlError> {
        match (&secret.out, &secret.download) {
            (Some(file), _) => SecretFile::create(file).map(Self::File),
            (None, Some(file)) => SecretFile::create(file).map(Self::Download),
            (None, None) => Ok(Self::Output),
        }
    }
}

/// A key with all that is needed to use it.
#[derive(Serialize)]
struct Download<'a> {
    id: String,
    name: &'a str,
    secret: &'a str,
    master: String,
    expires: String,
}

fn download(created: &CreatedApiKey, master: String) -> Zeroizing<String> {
    let expires = match created.key.expires {
        Expiry::At(at) => at.to_string(),
        Expiry::Never => "never".to_owned(),
    };
    let (id, name) = (created.key.id.to_string(), created.key.name.as_str());
    Zeroizing::new(output::json(&Download { id, name, secret: created.secret.reveal(), master, expires }))
}

/// The secret first and alone: whatever fails after that loses nothing.
pub(super) fn key(created: &CreatedApiKey, place: Place, master: String, form: Form) -> io::Result<()> {
    let secret = created.secret.reveal();
    match place {
        Place::Output => return shown(created, secret, form),
        Place::File(file) => file.fill(secret)?,
        Place::Download(file) => file.fill(&download(created, master))?,
    }
    stored(&created.key, form)
}

/// The same for a JWT.
pub(super) fn token(unlocked: &UnlockedToken, file: Option<SecretFile>, form: Form) -> io::Result<()> {
    let Some(file) = file else { return shown(unlocked, unlocked.jwt.reveal(), form) };
    file.fill(unlocked.jwt.reveal())?;
    stored(&unlocked.token, form)
}

fn shown(all: &impl Serialize, secret: &str, form: Form) -> io::Result<()> {
    let text = form.machine(all).map_or_else(|| Zeroizing::new(secret.to_owned()), Zeroizing::new);
    output::write(&text)
}

fn stored(view: &impl Serialize, form: Form) -> io::Result<()> {
    form.machine(view).map_or(Ok(()), |text| output::write(&text))
}

/// How a key is named in a sentence.
pub(super) fn key_name(key: &ApiKeyView) -> String {
    format!("key {} ({})", key.name, key.id)
}

/// How a token is named in a sentence.
pub(super) fn token_name(token: &TokenView) -> String {
    format!("token {} ({})", token.name, token.id)
}

#[cfg(test)]
mod tests {
    use gatepass_contract::secret::ShownOnce;

    use super::*;
    use crate::table::samples::some_key;

    #[test]
    fn a_download_has_all_that_is_needed_to_use_the_key() {
        let secret = ShownOnce::new(Zeroizing::new("gpk_x".to_owned()));
        let created = CreatedApiKey { key: some_key(), secret };
        let text = download(&created, "https://m:1".to_owned());
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            read,
            serde_json::json!({
                "id": "AEAQCAIBAEAQCAIB", "name": "ci", "secret": "gpk_x", "master": "https://m:1",
                "expires": "2027-02-20T20:25:23.456Z",
            })
        );
    }
}
