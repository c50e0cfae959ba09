//! Webhooks: the same events for programs, signed as the Standard Webhooks specification says.
//!
//! Invariant: what is signed is exactly what is sent, and nothing but a 2xx from the configured address counts as
//! delivered: nobody can redirect a notice elsewhere.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use gatepass_contract::id::NoticeId;
use gatepass_contract::time::UnixTime;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::values::{Links, one_line};
use super::{NotifyError, SecretFile, Undelivered, trust, with_causes};
use crate::domain::notice::{Facts, Outgoing};

/// Where a webhook listens: https, or http on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(Url);

impl TryFrom<String> for WebhookUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let url: Url = text.parse().map_err(|_| format!("`{}` is no URL", one_line(&text)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a webhook's URL holds no password; what it gets is signed".to_owned());
        }
        let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if here => Ok(Self(url)),
            _ => {
                Err("a webhook's URL begins with https://, or with http:// where it is on this host"
                    .to_owned())
            }
        }
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0.into()
    }
}

/// One webhook.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// What the outbox calls it.
    pub name: String,
    /// Where it listens.
    pub url: WebhookUrl,
    /// The key that both sides hold: `whsec_` and base64.
    pub secret: SecretFile,
    /// Who vouches for it; absent: the system's roots.
    pub ca_file: Option<PathBuf>,
}

/// Ready to be told.
pub(super) struct Webhook {
    name: String,
    url: WebhookUrl,
    key: hmac::Key,
    http: Client,
}

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE_CALL: Duration = Duration::from_secs(30);
/// What the key begins with.
const PREFIX: &str = "whsec_";
/// Bytes: the specification's bounds.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

impl Webhook {
    pub(super) fn open(settings: &WebhookSettings) -> Result<Self, NotifyError> {
        Ok(Self {
            name: settings.name.clone(),
            url: settings.url.clone(),
            key: key(&settings.secret)?,
            http: client(settings)?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns once the other side has taken it.
    pub(super) async fn post(
        &self,
        outgoing: &Outgoing,
        links: &Links,
        now: UnixTime,
    ) -> Result<(), Undelivered> {
        let body = body(&outgoing.facts, links).to_string();
        let seconds = now.seconds();
        let request = self
            .http
            .post(self.url.0.clone())
            .header("content-type", "application/json")
            .header("webhook-id", outgoing.id.to_string())
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature(&self.key, outgoing.id, seconds, &body))
            .body(body);
        match request.send().await {
            // What it says besides is not read: a body without end costs nothing.
            Ok(answer) => self.judge(answer.status()),
            Err(error) => Err(Undelivered::for_now(format!(
                "{self} cannot be reached: {}",
                with_causes(&error.without_url())
            ))),
        }
    }

    fn judge(&self, status: StatusCode) -> Result<(), Undelivered> {
        let said = || format!("{self} answered {status}");
        match status {
            _ if status.is_success() => Ok(()),
            // The specification's way to say: never again.
            StatusCode::GONE => Err(Undelivered::for_good(said())),
            _ if status.is_redirection() => {
                Err(Undelivered::for_now(format!("{}, which is not followed", said())))
            }
            _ => Err(Undelivered::for_now(said())),
        }
    }
}

/// Its name alone: a URL may hold what only the two sides know.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the webhook `{}`", self.name)
    }
}

fn key(file: &SecretFile) -> Result<hmac::Key, NotifyError> {
    let line = file.line()?;
    let bytes =
        line.strip_prefix(PREFIX).and_then(|text| BASE64.decode(text.as_bytes()).ok()).map(Zeroizing::new);
    let bytes = bytes.filter(|bytes| KEY_BYTES.contains(&bytes.len()));
    let bytes = bytes.ok_or_else(|| file.malformed("`whsec_` and 24 to 64 bytes in base64"))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// `v1,` and the HMAC of id, time and body.
fn signature(key: &hmac::Key, id: NoticeId, seconds: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(tag.as_ref()))
}

/// The facts, with the names that the interface uses.
fn body(facts: &Facts, links: &Links) -> Value {
    json!({
        "type": facts.event,
        "timestamp": facts.at,
        "data": {
            "severity": facts.event.severity(),
            "about": facts.about.to_string(),
            "id": facts.about.id(),
            "name": facts.name,
            "owner": facts.owner,
            "requester": facts.requester,
            "requested": facts.requested,
            "decidedBy": facts.decided_by,
            "reason": facts.reason,
            "expires": facts.expires,
            "url": links.of(facts.about),
        },
    })
}

fn client(settings: &WebhookSettings) -> Result<Client, NotifyError> {
    let cannot = |error| trust::unusable("TLS for webhooks", error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(error.to_string()))?
        .with_root_certificates(roots(settings)?)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(WHOLE_CALL)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("gatepass-master/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| cannot(error.to_string()))
}

fn roots(settings: &WebhookSettings) -> Result<RootCertStore, NotifyError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(path) => {
            roots.add_parsable_certificates(trust::anchors(path)?.certificates().iter().cloned());
        }
        None if settings.url.0.scheme() == "https" => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(trust::unusable(trust::SYSTEM, "it holds no certificate"));
            }
        }
        None => {}
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac`, `hashlib` and `base64`.
    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        let bytes: Vec<u8> = (0..32).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let id = NoticeId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(id.to_string(), "AEBAGBAFAYDQQCIK");
        assert_eq!(
            signature(&key, id, 1_795_379_123, r#"{"type":"key.revoked"}"#),
            "v1,6dwTLv/rMBHa+es0t6Qq7IU4IiDjN4p3knr0L0xK96Q="
        );
    }

    #[test]
    fn a_webhook_is_reached_over_tls_or_on_this_host() {
        for (url, good) in [
            ("https://hooks.example.com/in?x=1", true),
            ("http://localhost:8080/", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]:1/", true),
            ("http://hooks.example.com/", false),
            ("http://localhost.example.com/", false),
            ("https://user:secret@hooks.example.com/", false),
            ("file:///etc/passwd", false),
            ("hooks", false),
        ] {
            assert_eq!(WebhookUrl::try_from(url.to_owned()).is_ok(), good, "{url}");
        }
    }
}
