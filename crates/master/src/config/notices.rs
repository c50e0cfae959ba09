//! `[notices]`: who is told of what happens to keys and tokens, and how.

use std::path::{Path, PathBuf};

use gatepass_contract::address::MasterUrl;
use gatepass_contract::name::{DisplayName, MailAddress};
use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

use super::ServerName;
use crate::domain::notice::{NoticeEvent, RetrySchedule, Routing, WebhookRoute};
use crate::notify::{
    MailSettings, Mailbox, SecretFile, Security, Settings, TemplateError, Templates, WebhookSettings,
    WebhookUrl,
};

/// `[notices]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// How often is looked for keys and tokens that end soon or have ended.
    pub scan_every: Span,
    /// Who is told besides owners and approvers.
    pub provider: Vec<MailAddress>,
    /// Whom mails are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Mailbox>,
    /// Whom answers go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Mailbox>,
    /// What links begin with; the master's own address where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<MasterUrl>,
    /// Until the second attempt; the pause doubles each time, up to an hour.
    pub retry_after: Span,
    /// When nothing more is tried.
    pub give_up_after: Span,
    /// How long is kept what was delivered or given up.
    pub keep: Span,
    /// `[notices.smtp]`; absent: no mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
    /// `[[notices.webhook]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook: Vec<Webhook>,
}

impl Default for Notices {
    fn default() -> Self {
        let schedule = RetrySchedule::default();
        Self {
            scan_every: Span::from_secs(12 * 3600),
            provider: Vec::new(),
            from: None,
            reply_to: None,
            base_url: None,
            retry_after: schedule.first.into(),
            give_up_after: schedule.give_up_after.into(),
            keep: Span::from_secs(90 * 86_400),
            smtp: None,
            webhook: Vec::new(),
        }
    }
}

/// `[notices.smtp]`: the mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name; its certificate must be for that.
    pub host: ServerName,
    /// Its port; the usual one of its kind where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the way there is protected.
    #[serde(default = "starttls")]
    pub security: Security,
    /// Who logs in; absent: nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Who vouches for it; the system's roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

const fn starttls() -> Security {
    Security::Starttls
}

/// `[[notices.webhook]]`: a program that is told too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What lists call it.
    pub name: DisplayName,
    /// Where it listens.
    pub url: WebhookUrl,
    /// The key that what it gets is signed with.
    pub secret_file: PathBuf,
    /// Who vouches for it; the system's roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What it is told; everything where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<NoticeEvent>>,
}

/// What the notices' settings need to know besides their own section.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The master's directory.
    pub dir: &'a Path,
    /// Where systemd puts credentials, if it does.
    pub credentials: Option<&'a Path>,
    /// What this host calls itself.
    pub own_name: &'a ServerName,
    /// Its own address, for links where none is configured.
    pub own_url: &'a str,
}

impl Notices {
    /// What cannot be together.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let smtp = self.smtp.as_ref();
        let login = smtp.is_some_and(|smtp| smtp.username.is_some());
        if smtp.is_some() && self.from.is_none() {
            Some("`notices.smtp` needs `notices.from`: mails are from somebody")
        } else if login != smtp.is_some_and(|smtp| smtp.password_file.is_some()) {
            Some("`notices.smtp` has `username` and `password_file` together, or neither")
        } else if login && smtp.is_some_and(|smtp| smtp.security == Security::None) {
            Some("`notices.smtp.security` is none: a password would be sent for everybody to read")
        } else if self.scan_every < Span::from_secs(1) {
            Some("`notices.scan_every` is at least 1s")
        } else if self.retry_after < Span::from_secs(1) {
            Some("`notices.retry_after` is at least 1s")
        } else {
            None
        }
    }

    /// Where the operator's own templates lie in the master's directory.
    fn templates(dir: &Path) -> PathBuf {
        dir.join("templates")
    }

    /// Loads the templates beside a configuration, as a master would that has it.
    pub fn try_templates(&self, dir: &Path, own_url: &str) -> Result<Templates, TemplateError> {
        let base_url = self.base_url.clone().unwrap_or_else(|| parsed(own_url));
        Templates::load(&Self::templates(dir), &base_url)
    }

    /// The courier's piece.
    #[must_use]
    pub fn settings(&self, around: Surroundings<'_>) -> Settings {
        Settings {
            templates: Self::templates(around.dir),
            base_url: self.base_url.clone().unwrap_or_else(|| parsed(around.own_url)),
            mail: self.smtp.as_ref().zip(self.from.as_ref()).map(|(smtp, from)| MailSettings {
                host: smtp.host.clone().into(),
                port: smtp.port.unwrap_or_else(|| smtp.security.port()),
                security: smtp.security,
                login: smtp
                    .username
                    .clone()
                    .zip(smtp.password_file.as_deref().map(|file| around.secret(file))),
                ca_file: smtp.ca_file.as_ref().map(|file| around.dir.join(file)),
                from: from.clone(),
                reply_to: self.reply_to.clone(),
                hello: around.own_name.to_string(),
            }),
            webhooks: self.webhook.iter().map(|webhook| webhook.settings(around)).collect(),
        }
    }

    /// The outbox's piece; `advance`: how long before an end it is told of.
    #[must_use]
    pub fn routing(&self, advance: Span) -> Routing {
        let route = |webhook: &Webhook| WebhookRoute {
            name: webhook.name.to_string(),
            events: webhook.events.clone(),
        };
        Routing {
            mail: self.smtp.is_some(),
            provider: self.provider.clone(),
            webhooks: self.webhook.iter().map(route).collect(),
            advance,
        }
    }

    /// When what was not delivered is tried again.
    #[must_use]
    pub fn retries(&self) -> RetrySchedule {
        RetrySchedule { first: self.retry_after.duration(), give_up_after: self.give_up_after.duration() }
    }
}

impl Webhook {
    fn settings(&self, around: Surroundings<'_>) -> WebhookSettings {
        WebhookSettings {
            name: self.name.to_string(),
            url: self.url.clone(),
            secret: around.secret(&self.secret_file),
            ca_file: self.ca_file.as_ref().map(|file| around.dir.join(file)),
        }
    }
}

impl Surroundings<'_> {
    fn secret(self, file: &Path) -> SecretFile {
        SecretFile::locate(file, self.credentials, self.dir)
    }
}

fn parsed(own_url: &str) -> MasterUrl {
    own_url.parse().expect("a master's own address is one")
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn a_mail_server_and_webhooks_are_read_and_what_does_not_fit_is_named() {
        let mail =
            "[notices]\nfrom = \"Gatepass <a@example.com>\"\n[notices.smtp]\nhost = \"mail.example.com\"\n";
        let hook =
            "[[notices.webhook]]\nname = \"siem\"\nurl = \"https://siem/\"\nsecret_file = \"siem.key\"\n";
        let good = format!(
            "{mail}username = \"me\"\npassword_file = \"smtp.password\"\n{hook}events = [\"key.revoked\"]\n"
        );
        let config = Config::parse(&good, "master.toml").expect("good");
        assert_eq!(
            Config::parse(&toml::to_string(&config).expect("TOML"), "written").expect("reads back"),
            config
        );
        for (text, want) in [
            ("[notices.smtp]\nhost = \"mail\"".to_owned(), "needs `notices.from`"),
            (format!("{mail}username = \"me\""), "together, or neither"),
            (
                format!("{mail}security = \"none\"\nusername = \"me\"\npassword_file = \"p\""),
                "for everybody to read",
            ),
            (format!("{mail}security = \"ssl\""), "expected one of `starttls`, `tls`, `none`"),
            ("[notices]\nfrom = \"nobody\"".to_owned(), "is not a sender"),
            ("[notices]\nprovider = [\"a b@example.com\"]".to_owned(), "is not a mail address"),
            ("[notices]\nscan_every = \"0s\"".to_owned(), "at least 1s"),
            ("[notices]\nbase_url = \"http://gatepass\"".to_owned(), "does not begin with https://"),
            (format!("{hook}events = [\"key.exploded\"]"), "is no event; there are: key.creation-pending"),
            (hook.replace("https", "http"), "begins with https://"),
        ] {
            let error = Config::parse(&text, "master.toml").expect_err(&text);
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
    }
}
