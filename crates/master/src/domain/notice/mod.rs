//! Notices: what people and other programs are told about keys and tokens, whom it concerns, and when to try again.
//!
//! Invariant: nothing here holds a secret; a key is named by its id.

mod event;
mod schedule;

use std::fmt;

use gatepass_contract::id::{KeyId, NoticeId, TokenId};
use gatepass_contract::name::MailAddress;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::NoticeChannel;
use serde::{Deserialize, Serialize};

pub use event::{NoticeEvent, Reader, UnknownEvent};
pub use schedule::{EndNotice, Ending, Next, RetrySchedule, due, first_told};

/// To what it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// An API key.
    ApiKey(KeyId),
    /// An API token.
    Token(TokenId),
    /// Nothing: a test.
    Nothing,
}

impl About {
    /// For people.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ApiKey(_) => "API key",
            Self::Token(_) => "API token",
            Self::Nothing => "test",
        }
    }

    /// The id alone.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::ApiKey(id) => id.to_string(),
            Self::Token(id) => id.to_string(),
            Self::Nothing => String::new(),
        }
    }
}

/// As the audit names it.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "apikey:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Nothing => Ok(()),
        }
    }
}

/// What a notice says, as it was when it happened; this is what the outbox keeps. Links are not in it: a master that got
/// another address meanwhile still sends good ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What happened.
    pub event: NoticeEvent,
    /// When.
    pub at: UnixTime,
    /// To what.
    pub about: About,
    /// What people call that.
    pub name: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// When they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<UnixTime>,
    /// Who did or decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends; `None` where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixTime>,
}

impl Facts {
    /// The least there is to say.
    #[must_use]
    pub fn new(event: NoticeEvent, at: UnixTime, about: About, name: &str) -> Self {
        Self {
            event,
            at,
            about,
            name: name.to_owned(),
            owner: None,
            requester: None,
            requested: None,
            decided_by: None,
            reason: None,
            expires: None,
        }
    }
}

/// Where one notice goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To a person.
    Mail(MailAddress),
    /// To the configured webhook of that name.
    Webhook(String),
}

impl Destination {
    /// How it travels.
    #[must_use]
    pub const fn channel(&self) -> NoticeChannel {
        match self {
            Self::Mail(_) => NoticeChannel::Mail,
            Self::Webhook(_) => NoticeChannel::Webhook,
        }
    }

    /// The address or the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Mail(address) => address.as_str(),
            Self::Webhook(name) => name,
        }
    }
}

/// One notice to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The same at every attempt: a receiver recognises by it what arrives again.
    pub id: NoticeId,
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub facts: Facts,
}

/// Whom the configuration names, and when an end is near; the masters of one database share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// Whether there is a mail server.
    pub mail: bool,
    /// Who is told as [`Reader::Provider`].
    pub provider: Vec<MailAddress>,
    /// Programs that are told.
    pub webhooks: Vec<WebhookRoute>,
    /// How long before an end it is told of first.
    pub advance: Span,
}

/// What one webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRoute {
    /// Which.
    pub name: String,
    /// `None`: everything.
    pub events: Option<Vec<NoticeEvent>>,
}

impl Routing {
    /// Where a notice of `event` goes; `mail_of` knows the people's addresses. Each address once. A test goes only where
    /// it is sent to.
    pub fn destinations<E>(
        &self,
        event: NoticeEvent,
        mut mail_of: impl FnMut(Reader) -> Result<Vec<MailAddress>, E>,
    ) -> Result<Vec<Destination>, E> {
        let mut found: Vec<Destination> = Vec::new();
        for &reader in event.readers().iter().filter(|_| self.mail) {
            let addresses = if reader == Reader::Provider { self.provider.clone() } else { mail_of(reader)? };
            for to in addresses.into_iter().map(Destination::Mail) {
                if !found.contains(&to) {
                    found.push(to);
                }
            }
        }
        let told = |route: &&WebhookRoute| route.events.as_ref().is_none_or(|events| events.contains(&event));
        let webhooks = self.webhooks.iter().filter(|_| event != NoticeEvent::Test).filter(told);
        found.extend(webhooks.map(|route| Destination::Webhook(route.name.clone())));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn each_address_is_told_once_and_webhooks_what_they_want() {
        let ops: MailAddress = "ops@example.com".parse().expect("an address");
        let ada: MailAddress = "ada@example.com".parse().expect("an address");
        let hook =
            |name: &str, events: Option<Vec<NoticeEvent>>| WebhookRoute { name: name.to_owned(), events };
        let all = Routing {
            mail: true,
            provider: vec![ops.clone()],
            webhooks: vec![hook("all", None), hook("ends", Some(vec![NoticeEvent::KeyExpired]))],
            advance: Span::from_secs(1),
        };
        let mail = |address: &MailAddress| Destination::Mail(address.clone());
        let webhook = |name: &str| Destination::Webhook(name.to_owned());
        let both = |_: Reader| Ok::<_, Infallible>(vec![ada.clone(), ops.clone()]);
        let Ok(pending) = all.destinations(NoticeEvent::KeyCreationPending, both);
        assert_eq!(pending, [mail(&ops), mail(&ada), webhook("all")]);
        let Ok(expired) = all.destinations(NoticeEvent::KeyExpired, |_| Ok::<_, Infallible>(Vec::new()));
        assert_eq!(expired, [mail(&ops), webhook("all"), webhook("ends")]);
        assert_eq!(all.destinations(NoticeEvent::Test, both), Ok(Vec::new()));
        let no_mail = Routing { mail: false, ..all };
        assert_eq!(no_mail.destinations(NoticeEvent::KeyCreated, both), Ok(vec![webhook("all")]));
        let text = serde_json::to_string(&no_mail).expect("plain JSON");
        assert_eq!(serde_json::from_str::<Routing>(&text).expect("reads back"), no_mail);
    }

    #[test]
    fn facts_survive_the_outbox() {
        let mut facts =
            Facts::new(NoticeEvent::KeyRevoked, UnixTime(5), About::ApiKey(KeyId([7; 10])), "a \"b\"\r\n");
        facts.reason = Some("${owner}".to_owned());
        let text = serde_json::to_string(&facts).expect("plain JSON");
        assert!(
            text.starts_with(r#"{"event":"key.revoked","at":"1970-01-01T00:00:00.005Z","about":{"apiKey":"#)
        );
        assert_eq!(serde_json::from_str::<Facts>(&text).expect("reads back"), facts);
    }
}
