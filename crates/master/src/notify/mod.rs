//! How a notice looks and travels: templates, mail, webhooks.
//!
//! Invariant: no value of a notice is ever read as a template, a header or markup. What was delivered is said to be so
//! only after the other side has taken it.

mod mail;
mod secret_file;
mod templates;
mod trust;
mod values;
mod webhook;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::time::UnixTime;

use crate::domain::notice::{Destination, Outgoing};

pub use mail::{MailSettings, Mailbox, Security};
pub use secret_file::{SecretFile, SecretFileError};
pub use templates::{Rendered, TemplateError, Templates};
pub use webhook::{WebhookSettings, WebhookUrl};

use mail::Mail;
use values::Links;
use webhook::Webhook;

/// What notices need to look and travel as the operator wants.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the operator's own templates lie; need not exist.
    pub templates: PathBuf,
    /// What the links in notices begin with.
    pub base_url: MasterUrl,
    /// Absent: no mail.
    pub mail: Option<MailSettings>,
    /// Who else is told.
    pub webhooks: Vec<WebhookSettings>,
}

/// Why notices cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A template is no good.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A password or a key cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// No connection could ever be verified.
    #[error("{what} cannot be used")]
    Trust {
        /// The file, or the system's store.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two webhooks cannot be told apart.
    #[error("there are two webhooks called `{0}`")]
    SameName(String),
}

/// A notice that did not get there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// Whether another attempt cannot end otherwise.
    pub permanent: bool,
    /// For people; one line.
    pub why: String,
}

impl Undelivered {
    /// Another attempt may succeed.
    fn for_now(why: impl Into<String>) -> Self {
        Self { permanent: false, why: values::one_line(&why.into()) }
    }

    /// No other attempt will.
    fn for_good(why: impl Into<String>) -> Self {
        Self { permanent: true, why: values::one_line(&why.into()) }
    }
}

/// An error with all its causes, for people.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Delivers notices.
pub struct Courier {
    mail: Option<(Mail, Templates)>,
    webhooks: Vec<Webhook>,
    links: Links,
}

impl Courier {
    /// Reads templates, passwords, keys and certificates, and tries every template out.
    pub fn open(settings: &Settings) -> Result<Self, NotifyError> {
        for (at, webhook) in settings.webhooks.iter().enumerate() {
            if settings.webhooks[..at].iter().any(|earlier| earlier.name == webhook.name) {
                return Err(NotifyError::SameName(webhook.name.clone()));
            }
        }
        // Where there is no mail they are looked at all the same, and not kept.
        let templates = Templates::load(&settings.templates, &settings.base_url)?;
        let mail = settings.mail.as_ref().map(Mail::open).transpose()?;
        Ok(Self {
            mail: mail.map(|mail| (mail, templates)),
            webhooks: settings.webhooks.iter().map(Webhook::open).collect::<Result<_, _>>()?,
            links: Links(settings.base_url.clone()),
        })
    }

    /// Delivers it, or says why not. Takes a minute at most.
    pub async fn deliver(&self, outgoing: &Outgoing, now: UnixTime) -> Result<(), Undelivered> {
        match &outgoing.to {
            Destination::Mail(to) => {
                let none = || Undelivered::for_now("no mail server is configured");
                let (mail, templates) = self.mail.as_ref().ok_or_else(none)?;
                let rendered = templates.render(&outgoing.facts);
                let rendered = rendered.map_err(|error| Undelivered::for_good(with_causes(&error)))?;
                mail.send(outgoing.id, to, &outgoing.facts, rendered).await
            }
            Destination::Webhook(name) => {
                let webhook = self.webhooks.iter().find(|webhook| webhook.name() == name);
                let gone = || Undelivered::for_now(format!("no webhook called `{name}` is configured"));
                webhook.ok_or_else(gone)?.post(outgoing, &self.links, now).await
            }
        }
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}
