//! The master as seen from here: one verified connection, typed calls.
//!
//! Invariant: a [`Master`] exists only with the anchors that must vouch for it, and only its calls carry the API key. The
//! one unverified call, for the anchors, carries nothing and believes nothing but what the key's pin confirms.

use std::time::Duration;

use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::pki::Anchors;
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{AgentView, ApiKeyView, CreateApiKey, CreatedApiKey, Page, PageQuery};
use gatepass_contract::wire::agent::TimeReply;
use gatepass_contract::wire::{MAX_REPLY_BYTES, Problem, path};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, tls};
use serde::de::DeserializeOwned;

use crate::access::Access;
use crate::error::{CtlError, Voucher, tls_reason};
use gatepass_contract::address::MasterUrl;

/// A person is waiting.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE_CALL: Duration = Duration::from_mins(1);

/// An authenticated master.
#[derive(Debug)]
pub struct Master {
    http: Client,
    key: ApiKey,
    peer: Peer,
}

/// Whom we talk to, for messages.
#[derive(Debug)]
struct Peer {
    url: MasterUrl,
    voucher: Voucher,
}

impl Master {
    /// Gets ready to talk to it: finds the anchors that must vouch for it.
    pub async fn connect(access: Access) -> Result<Self, CtlError> {
        // An error says that there is one already, which is just as good.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let voucher = if access.anchors.is_some() { Voucher::CaFile } else { Voucher::Pin };
        let peer = Peer { url: access.url, voucher };
        let anchors = match access.anchors {
            Some(anchors) => anchors,
            None => peer.pinned_anchors(&access.key).await?,
        };
        Ok(Self { http: build(verified(&anchors)?)?, key: access.key, peer })
    }

    /// What its clock shows.
    pub async fn time(&self) -> Result<UnixTime, CtlError> {
        let reply: TimeReply = self.answer(self.request(Method::GET, path::TIME)).await?;
        Ok(reply.sent)
    }

    /// Creates an API key.
    pub async fn create_key(&self, wanted: &CreateApiKey) -> Result<CreatedApiKey, CtlError> {
        self.answer(self.request(Method::POST, path::API_KEYS).json(wanted)).await
    }

    /// Every API key.
    pub async fn keys(&self) -> Result<Vec<ApiKeyView>, CtlError> {
        self.list(path::API_KEYS).await
    }

    /// One API key.
    pub async fn key(&self, id: KeyId) -> Result<ApiKeyView, CtlError> {
        self.answer(self.request(Method::GET, &of(path::API_KEY, &id))).await
    }

    /// Changes an API key's state: `change` is one of the paths for that.
    pub async fn change_key(&self, change: &str, id: KeyId) -> Result<ApiKeyView, CtlError> {
        self.answer(self.request(Method::POST, &of(change, &id))).await
    }

    /// Every agent.
    pub async fn agents(&self) -> Result<Vec<AgentView>, CtlError> {
        self.list(path::AGENTS).await
    }

    /// One agent.
    pub async fn agent(&self, id: AgentId) -> Result<AgentView, CtlError> {
        self.answer(self.request(Method::GET, &of(path::AGENT, &id))).await
    }

    /// Cuts an agent off.
    pub async fn revoke_agent(&self, id: AgentId) -> Result<AgentView, CtlError> {
        self.answer(self.request(Method::POST, &of(path::AGENT_REVOKE, &id))).await
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CtlError> {
        let (mut all, mut query) = (Vec::new(), PageQuery::default());
        loop {
            let page: Page<T> = self.answer(self.request(Method::GET, path).query(&query)).await?;
            all.extend(page.items);
            // The same place again would go on for ever.
            if page.next.is_none() || page.next == query.after {
                return Ok(all);
            }
            query.after = page.next;
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.peer.url.at(path)).bearer_auth(&*self.key.reveal())
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CtlError> {
        let (status, body) = self.peer.ask(request).await?;
        let foreign = |what: String| CtlError::Foreign { url: self.peer.url.to_string(), what };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| foreign(format!("unexpected JSON ({error})")));
        }
        let problem =
            serde_json::from_slice::<Problem>(&body).map_err(|_| foreign(format!("HTTP {status}")))?;
        Err(CtlError::Refused(Box::new(problem)))
    }
}

impl Peer {
    /// Those of the master's anchors that the key pins. They come over a connection to whoever is there, and need no
    /// better one: nobody can make another certificate with the pinned key.
    async fn pinned_anchors(&self, key: &ApiKey) -> Result<Anchors, CtlError> {
        let http = build(common().tls_danger_accept_invalid_certs(true))?;
        let (status, body) = self.ask(http.get(self.url.at(path::TRUST))).await?;
        let offered = std::str::from_utf8(&body).ok().and_then(|pem| Anchors::from_pem(pem).ok());
        let offered = offered.filter(|_| status.is_success()).ok_or_else(|| CtlError::Foreign {
            url: self.url.to_string(),
            what: format!("HTTP {status} and no trust anchors"),
        })?;
        offered.pinned(key.pin()).ok_or_else(|| CtlError::OtherCa { url: self.url.to_string() })
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(reqwest::StatusCode, Vec<u8>), CtlError> {
        let mut response = request.send().await.map_err(|error| self.failure(error))?;
        let body = self.body(&mut response).await?;
        Ok((response.status(), body))
    }

    /// Reads no more than any answer has.
    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, CtlError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_REPLY_BYTES {
                let what = format!("more than {MAX_REPLY_BYTES} bytes");
                return Err(CtlError::Foreign { url: self.url.to_string(), what });
            }
        }
        Ok(body)
    }

    /// Why a request failed, by who has to do something about it.
    fn failure(&self, source: reqwest::Error) -> CtlError {
        let url = self.url.to_string();
        match tls_reason(&source) {
            Some(rustls::Error::InvalidCertificate(_)) => {
                CtlError::Untrusted { url, voucher: self.voucher, source }
            }
            Some(other) => CtlError::Foreign { url, what: format!("no TLS 1.3 ({other})") },
            None => CtlError::Unreachable { url, source },
        }
    }
}

/// A path with the id it is about.
fn of(template: &str, id: &impl ToString) -> String {
    template.replace("{id}", &id.to_string())
}

/// What both kinds of connection have in common: the key goes nowhere else, by redirect or proxy.
fn common() -> ClientBuilder {
    Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(Policy::none())
        .tls_version_min(tls::Version::TLS_1_3)
        .connect_timeout(CONNECT)
        .timeout(WHOLE_CALL)
        .user_agent(concat!("gatepassctl/", env!("CARGO_PKG_VERSION")))
}

fn verified(anchors: &Anchors) -> Result<ClientBuilder, CtlError> {
    let certificates: Result<Vec<_>, _> =
        anchors.certificates().iter().map(|der| Certificate::from_der(der)).collect();
    Ok(common().tls_certs_only(certificates.map_err(|error| CtlError::Start(Box::new(error)))?))
}

fn build(client: ClientBuilder) -> Result<Client, CtlError> {
    client.build().map_err(|error| CtlError::Start(Box::new(error)))
}
