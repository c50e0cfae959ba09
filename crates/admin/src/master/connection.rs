//! One verified connection, and what comes over it.
//!
//! Invariant: nothing secret is sent before the master is authenticated. The one unverified call, for the anchors, carries
//! nothing and believes nothing but what a fingerprint confirms.

use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::Anchors;
use gatepass_contract::wire::admin::{SignIn, SignedIn};
use gatepass_contract::wire::{IDEMPOTENCY_KEY, Problem, path};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, tls};
use serde::de::DeserializeOwned;

use crate::access::{Trust, Voucher};
use crate::error::{CtlError, tls_reason};

/// A person is waiting.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE_CALL: Duration = Duration::from_mins(1);
/// No page of a list is larger.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A connection to an authenticated master.
#[derive(Debug)]
pub struct Connection {
    http: Client,
    anchors: Option<Anchors>,
    peer: Peer,
}

/// Whom we talk to, for messages.
#[derive(Debug)]
struct Peer {
    url: MasterUrl,
    voucher: Voucher,
}

impl Connection {
    /// Finds the anchors that must vouch for the master; the first call shows whether they do.
    pub async fn open(url: MasterUrl, trust: Trust) -> Result<Self, CtlError> {
        // An error says that there is one already, which is just as good.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (voucher, anchors) = match trust {
            Trust::Anchors(anchors, voucher) => (voucher, Some(anchors)),
            Trust::System => (Voucher::System, None),
            Trust::Pin(pin, voucher) => {
                let peer = Peer { url: url.clone(), voucher };
                (voucher, Some(peer.pinned_anchors(pin).await?))
            }
        };
        let http = build(verified(anchors.as_ref())?)?;
        Ok(Self { http, anchors, peer: Peer { url, voucher } })
    }

    /// Where the master is.
    #[must_use]
    pub const fn url(&self) -> &MasterUrl {
        &self.peer.url
    }

    /// Who vouches for it; without, the system's roots.
    #[must_use]
    pub const fn anchors(&self) -> Option<&Anchors> {
        self.anchors.as_ref()
    }

    /// A session for a password.
    pub async fn sign_in(&self, sign_in: &SignIn) -> Result<SignedIn, CtlError> {
        self.answer(self.request(Method::POST, path::SESSIONS).json(sign_in)).await
    }

    /// A call that shows no credential yet.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.peer.url.at(path))
    }

    /// What the master says to a request.
    pub(super) async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CtlError> {
        let body = self.success(request).await?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(format!("unexpected JSON ({error})")))
    }

    /// That the master did what was requested.
    pub(super) async fn done(&self, request: RequestBuilder) -> Result<(), CtlError> {
        self.success(request).await.map(drop)
    }

    async fn success(&self, request: RequestBuilder) -> Result<Vec<u8>, CtlError> {
        let (status, body) = self.twice(request).await?;
        if status.is_success() {
            return Ok(body);
        }
        let problem = serde_json::from_slice::<Problem>(&body);
        Err(problem.map_or_else(
            |_| self.foreign(format!("HTTP {status}")),
            |problem| CtlError::Refused(Box::new(problem)),
        ))
    }

    /// Once more when the connection broke and nothing can be done twice by that.
    async fn twice(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), CtlError> {
        let again = request.try_clone().filter(is_safe_to_repeat);
        match (self.peer.ask(request).await, again) {
            (Err(CtlError::Unreachable { source, .. }), Some(again)) if is_broken(&source) => {
                self.peer.ask(again).await
            }
            (outcome, _) => outcome,
        }
    }

    fn foreign(&self, what: String) -> CtlError {
        CtlError::Foreign { url: self.peer.url.to_string(), what }
    }
}

/// A question, and what the master recognises as the same request.
fn is_safe_to_repeat(request: &RequestBuilder) -> bool {
    let request = request.try_clone().and_then(|request| request.build().ok());
    request.is_some_and(|request| {
        request.method() == Method::GET || request.headers().contains_key(IDEMPOTENCY_KEY)
    })
}

/// Whether a connection was there and went away: what cannot be reached at all is not tried twice.
fn is_broken(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && !error.is_builder()
}

impl Peer {
    /// Those of the master's anchors that have this fingerprint. They come over a connection to whoever is there, and
    /// need no better one: nobody can make another certificate with the pinned key.
    async fn pinned_anchors(&self, pin: Sha256) -> Result<Anchors, CtlError> {
        let http = build(common().tls_danger_accept_invalid_certs(true))?;
        let (status, body) = self.ask(http.get(self.url.at(path::TRUST))).await?;
        let offered = std::str::from_utf8(&body).ok().and_then(|pem| Anchors::from_pem(pem).ok());
        let offered = offered.filter(|_| status.is_success()).ok_or_else(|| CtlError::Foreign {
            url: self.url.to_string(),
            what: format!("HTTP {status} and no trust anchors"),
        })?;
        let other = || CtlError::OtherCa { url: self.url.to_string(), voucher: self.voucher };
        offered.pinned(pin).ok_or_else(other)
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), CtlError> {
        let mut response = request.send().await.map_err(|error| self.failure(error))?;
        let body = self.body(&mut response).await?;
        Ok((response.status(), body))
    }

    /// Reads no more than any answer has.
    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, CtlError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                let what = format!("more than {MAX_ANSWER_BYTES} bytes");
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

/// What both kinds of connection have in common: the credential goes nowhere else, by redirect or proxy.
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

fn verified(anchors: Option<&Anchors>) -> Result<ClientBuilder, CtlError> {
    let Some(anchors) = anchors else { return Ok(common()) };
    let certificates: Result<Vec<_>, _> =
        anchors.certificates().iter().map(|der| Certificate::from_der(der)).collect();
    Ok(common().tls_certs_only(certificates.map_err(|error| CtlError::Start(Box::new(error)))?))
}

fn build(client: ClientBuilder) -> Result<Client, CtlError> {
    client.build().map_err(|error| CtlError::Start(Box::new(error)))
}
