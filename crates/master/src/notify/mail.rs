//! Mail over SMTP.
//!
//! Invariants: a password, and a mail where TLS is asked for, leave this host only on a connection that was verified; the
//! message id depends on the notice alone, so whoever gets it twice after a crash can tell.
//!
//! # Why each step is taken here
//! lettre's own transport is one call, whose failure does not say whether the server refused us or the receiver: a wrong
//! password must be tried again until somebody corrects it, an unknown receiver must not. And once the server has taken the
//! mail, how it says good-bye must not matter.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use gatepass_contract::id::NoticeId;
use gatepass_contract::name::MailAddress;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::MultiPart;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{NotifyError, Rendered, SecretFile, Undelivered, trust, with_causes};
use crate::domain::notice::Facts;

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS once the connection stands; without it no mail is sent.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}

impl Security {
    /// Where servers of that kind listen (RFC 5321, 6409, 8314).
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// `Name <address>` or an address alone, as mails show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mailbox(lettre::message::Mailbox);

/// Neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sender like `Gatepass <gatepass@example.com>`")]
pub struct NotAMailbox(String);

impl FromStr for Mailbox {
    type Err = NotAMailbox;
    fn from_str(text: &str) -> Result<Self, NotAMailbox> {
        let wrong = || NotAMailbox(super::values::one_line(text));
        if text.contains(char::is_control) {
            return Err(wrong());
        }
        text.parse().map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Mailbox {
    type Error = NotAMailbox;
    fn try_from(text: String) -> Result<Self, NotAMailbox> {
        text.parse()
    }
}

impl From<Mailbox> for String {
    fn from(mailbox: Mailbox) -> Self {
        mailbox.0.to_string()
    }
}

/// The mail server, and who we are to it.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server; its certificate must be for that name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// With what we log in; absent: we do not.
    pub login: Option<(String, SecretFile)>,
    /// Who vouches for the server; absent: the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Whom mails are from.
    pub from: Mailbox,
    /// Whom answers go to, where that is somebody else.
    pub reply_to: Option<Mailbox>,
    /// What this host calls itself.
    pub hello: String,
}

/// Ready to send.
pub(super) struct Mail {
    server: (String, u16),
    security: Security,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    hello: ClientId,
}

/// For a connection, or for the end of one.
const CONNECT: Duration = Duration::from_secs(15);
/// From the first byte until the server has taken the mail.
const CONVERSATION: Duration = Duration::from_secs(45);
/// Nothing depends on it.
const GOOD_BYE: Duration = Duration::from_secs(1);

impl Mail {
    pub(super) fn open(settings: &MailSettings) -> Result<Self, NotifyError> {
        let login = settings.login.as_ref().map(|(user, password)| {
            password.line().map(|password| Credentials::new(user.clone(), password.as_str().to_owned()))
        });
        let tls = (settings.security != Security::None).then(|| tls(settings)).transpose()?;
        Ok(Self {
            server: (settings.host.clone(), settings.port),
            security: settings.security,
            tls,
            login: login.transpose()?,
            from: settings.from.clone(),
            reply_to: settings.reply_to.clone(),
            hello: ClientId::Domain(settings.hello.clone()),
        })
    }

    /// Returns once the server has taken it.
    pub(super) async fn send(
        &self,
        id: NoticeId,
        to: &MailAddress,
        facts: &Facts,
        rendered: Rendered,
    ) -> Result<(), Undelivered> {
        let message = self.message(id, to, facts, rendered)?;
        let bytes = message.formatted();
        let slow = |_| Undelivered::for_now(format!("{self} did not answer in time"));
        let conversation = self.converse(message.envelope(), &bytes);
        let mut connection = timeout(CONVERSATION, conversation).await.map_err(slow)??;
        // The mail is theirs; whether they say good-bye is their affair.
        let _ = timeout(GOOD_BYE, connection.quit()).await;
        Ok(())
    }

    async fn converse(&self, envelope: &Envelope, bytes: &[u8]) -> Result<AsyncSmtpConnection, Undelivered> {
        let mut connection = self.connect().await.map_err(|error| self.refused("", &error))?;
        if let Some(login) = &self.login {
            let accepted = connection.auth(DEFAULT_MECHANISMS, login).await;
            accepted.map_err(|error| self.refused(" the login", &error))?;
        }
        match connection.send(envelope, bytes).await {
            Ok(_) => Ok(connection),
            Err(error) if is_about_the_mail(&error) => {
                Err(Undelivered::for_good(self.refused(" the mail", &error).why))
            }
            Err(error) => Err(self.refused(" the mail", &error)),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let (host, port) = &self.server;
        let at_once = self.tls.clone().filter(|_| self.security == Security::Tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (host.as_str(), *port),
            Some(CONNECT),
            &self.hello,
            at_once,
            None,
        )
        .await?;
        if self.security == Security::Starttls
            && let Some(tls) = &self.tls
        {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        Ok(connection)
    }

    fn refused(&self, what: &str, error: &Error) -> Undelivered {
        let how =
            if error.status().is_some() { format!("refused{what}") } else { "cannot be used".to_owned() };
        Undelivered::for_now(format!("{self} {how}: {}", with_causes(error)))
    }

    fn message(
        &self,
        id: NoticeId,
        to: &MailAddress,
        facts: &Facts,
        rendered: Rendered,
    ) -> Result<Message, Undelivered> {
        let unfit =
            |error: &dyn std::error::Error| Undelivered::for_good(format!("no mail can be made: {error}"));
        let to = to.as_str().parse().map_err(|error: lettre::address::AddressError| unfit(&error))?;
        let mut message = Message::builder()
            .from(self.from.0.clone())
            .to(lettre::message::Mailbox::new(None, to))
            .subject(rendered.subject)
            .date(UNIX_EPOCH + Duration::from_millis(u64::try_from(facts.at.0).unwrap_or(0)))
            .message_id(Some(format!("<{id}@{}>", self.from.0.email.domain())))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Gatepass-Event", facts.event.as_str()));
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.0.clone());
        }
        let body = MultiPart::alternative_plain_html(rendered.text, rendered.html);
        message.multipart(body).map_err(|error| unfit(&error))
    }
}

/// Names the server.
impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mail server {}:{}", self.server.0, self.server.1)
    }
}

/// Refused for good, and not because of who we are to the server (RFC 4954, section 6: 530, 534, 535, 538).
fn is_about_the_mail(error: &Error) -> bool {
    error.is_permanent() && !matches!(error.status().map(u16::from), Some(530..=538))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, NotifyError> {
    let mut builder = TlsParametersBuilder::new(settings.host.clone());
    let mut what = trust::SYSTEM.to_owned();
    if let Some(path) = &settings.ca_file {
        what = path.display().to_string();
        builder = builder.certificate_store(CertificateStore::None);
        for der in trust::anchors(path)?.certificates() {
            let certificate = Certificate::from_der(der.to_vec());
            builder =
                builder.add_root_certificate(certificate.map_err(|error| trust::unusable(&what, error))?);
        }
    }
    builder.build().map_err(|error| trust::unusable(what, error))
}
