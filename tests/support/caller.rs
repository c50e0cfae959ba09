//! A caller that is none of our programs: it sends what it likes and sees all that comes back.

use gatepass::keys::KeyPair;
use gatepass_contract::id::AgentId;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::proof::{Proof, Request};
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::agent::{ClockReport, EnrolRequest, Facts, Issued, RenewRequest, TimeReply};
use gatepass_contract::wire::{Problem, REQUEST_ID, path};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::master::Master;

/// Talks to one master and trusts its root alone.
pub struct Caller {
    runtime: Runtime,
    http: reqwest::Client,
    url: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case, without the date.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Caller {
    /// Ready to call.
    pub fn of(master: &Master) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let url = master.url().to_owned();
        Self { runtime: runtime.expect("threads"), http: client(master), url }
    }

    /// One request.
    pub fn send(&self, method: Method, path: &str, bearer: Option<&str>, body: Option<String>) -> Answer {
        self.send_with(method, path, &[], bearer, body)
    }

    /// The same with more headers.
    pub fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        bearer: Option<&str>,
        body: Option<String>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        self.runtime.block_on(answer(request))
    }

    /// `GET`.
    pub fn get(&self, path: &str, bearer: &str) -> Answer {
        self.send(Method::GET, path, Some(bearer), None)
    }

    /// `POST` of something as JSON.
    pub fn post(&self, path: &str, bearer: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_string(body).expect("plain JSON");
        self.send(Method::POST, path, Some(bearer), Some(body))
    }

    /// Enrols a host that makes this request.
    pub fn enrol(&self, api_key: &str, csr: &str) -> Answer {
        self.post(path::AGENTS, api_key, &application(csr))
    }

    /// The same; `None` when the master has gone before it answered.
    pub fn try_enrol(&self, api_key: &str, csr: &str) -> Option<Answer> {
        let request = self.http.post(format!("{}{}", self.url, path::AGENTS));
        let request = request.bearer_auth(api_key).json(&application(csr));
        self.runtime.block_on(try_answer(request)).ok()
    }

    /// Any request with a body; `None` when the master has gone before it answered.
    pub fn try_send(&self, method: Method, path: &str, bearer: &str, body: String) -> Option<Answer> {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(bearer);
        let request = request.header("content-type", "application/json").body(body);
        self.runtime.block_on(try_answer(request)).ok()
    }

    /// Renews with a request by `next`, proven with `held` of that generation.
    pub fn renew(&self, agent: AgentId, (generation, held): (u64, &KeyPair), next: &KeyPair) -> Answer {
        let EnrolRequest { csr, facts, clock, .. } = application(&next.csr());
        let body = serde_json::to_string(&RenewRequest { csr, facts, clock }).expect("plain JSON");
        let request = Request { method: "POST", path: path::CREDENTIALS, body: body.as_bytes() };
        let proof = Proof::new(agent, generation, request, "test".to_owned(), self.time());
        let proof = proof.sign(&held.signing_key()).expect("a proof");
        self.send(Method::POST, path::CREDENTIALS, Some(&proof), Some(body))
    }

    fn time(&self) -> UnixTime {
        self.send(Method::GET, path::TIME, None, None).read::<TimeReply>().sent
    }

    /// All of these enrolments, `at_once` at a time, each over a connection of its own; as many answers.
    pub fn enrol_all(&self, api_key: &str, csrs: Vec<String>, at_once: usize) -> Vec<Answer> {
        let room = std::sync::Arc::new(tokio::sync::Semaphore::new(at_once));
        self.runtime.block_on(async {
            let mut calls = tokio::task::JoinSet::new();
            for csr in csrs {
                let request = self.http.post(format!("{}{}", self.url, path::AGENTS));
                let request = request.bearer_auth(api_key).json(&application(&csr));
                let room = room.clone();
                calls.spawn(async move {
                    let _place = room.acquire().await.expect("it stays open");
                    answer(request).await
                });
            }
            calls.join_all().await
        })
    }
}

/// Keeps no connection: each call makes its own.
fn client(master: &Master) -> reqwest::Client {
    // An error says that there is one already.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let root = std::fs::read(master.dir().join("root-ca.crt")).expect("the root");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([root]);
    builder.build().expect("a client")
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    try_answer(request).await.expect("an answer")
}

async fn try_answer(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let headers = response.headers().iter().filter(|(name, _)| *name != "date");
    let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("plain text").to_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Answer { status: response.status().as_u16(), headers, body: response.text().await? })
}

/// What a host called `applicant` sends with that certification request.
pub fn application(csr: &str) -> EnrolRequest {
    EnrolRequest {
        csr: csr.to_owned(),
        name: "applicant".parse().expect("a name"),
        facts: Facts {
            host_names: Vec::new(),
            addresses: Vec::new(),
            machine: None,
            version: "0".to_owned(),
        },
        clock: ClockReport { local: UnixTime(0), skew: Skew { ahead: 0, doubt: 1 }, steps: 0 },
    }
}

/// A new key pair of the usual kind.
pub fn key_pair() -> KeyPair {
    KeyPair::generate(KeyKind::EcdsaP256)
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What an enrolment or a renewal brought.
    #[track_caller]
    pub fn issued(&self) -> Issued {
        self.read()
    }

    /// The body of a failure.
    #[track_caller]
    pub fn problem(&self) -> Problem {
        assert!(self.status >= 400, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a failure.
    #[track_caller]
    pub fn code(&self) -> &'static str {
        self.problem().code.as_str()
    }

    /// A header, if it is there.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    }

    /// The request's id, as the caller sees it.
    #[track_caller]
    pub fn request_id(&self) -> String {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(REQUEST_ID));
        found.expect("every answer carries it").1.clone()
    }

    /// Everything, with the request's id taken out.
    pub fn without_request_id(&self) -> Self {
        let id = self.request_id();
        let clean = |text: &str| text.replace(&id, "<id>");
        Self {
            status: self.status,
            headers: self.headers.iter().map(|(name, value)| (name.clone(), clean(value))).collect(),
            body: clean(&self.body),
        }
    }
}
