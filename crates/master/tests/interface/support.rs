//! A real master on a free port, and hosts that speak to it over real TLS.

use std::sync::Arc;

use gatepass_contract::id::AgentId;
use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{Anchors, KeyKind, PublicKey};
use gatepass_contract::proof::{Proof, Request};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{Capability, CreateApiKey, CreatedApiKey, KeyKind as ForWhom};
use gatepass_contract::wire::agent::{ClockReport, EnrolRequest, Facts, Issued, RenewRequest};
use gatepass_contract::wire::{Problem, REQUEST_ID, path};
use gatepass_master::config::Config;
use gatepass_master::{clock, init, random, serve};
use rcgen::PublicKeyData as _;
use reqwest::{Client, Method, Response};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) struct Master {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) admin: ApiKey,
    pub(crate) anchors: Anchors,
    dir: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Master {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { listen: "127.0.0.1:0".parse().expect("an address"), ..Config::default() };
        change(&mut config);
        let dir = tempfile::tempdir().expect("a directory");
        let admin = init::init(dir.path(), &config, clock::now()).await.expect("set up");
        let root = std::fs::read_to_string(dir.path().join("root-ca.crt")).expect("a root");
        let anchors = Anchors::from_pem(&root).expect("anchors");
        let bound = serve::bind(dir.path(), &config).await.expect("bound");
        let port = bound.address().port();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(bound.run(async { drop(stopped.await) }));
        Self { url: format!("https://localhost:{port}"), port, admin, anchors, dir, stop, running }
    }

    /// Tells it to end; [`Self::ended`] waits for that.
    pub(crate) fn end(self) -> JoinHandle<()> {
        self.stop.send(()).expect("it runs");
        self.running
    }

    pub(crate) fn client(&self) -> Client {
        client(self.tls(None))
    }

    /// One that shows a client certificate.
    pub(crate) fn client_with(&self, host: &Host, chain: Vec<CertificateDer<'static>>) -> Client {
        client(self.tls(Some((host, chain))))
    }

    fn tls(&self, shown: Option<(&Host, Vec<CertificateDer<'static>>)>) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(self.anchors.certificates().iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots);
        match shown {
            None => trusting.with_no_client_auth(),
            Some((host, chain)) => {
                let key = PrivatePkcs8KeyDer::from(host.pair.serialize_der()).into();
                trusting.with_client_auth_cert(chain, key).expect("key and certificate fit")
            }
        }
    }

    /// A connection on which a test says what it likes.
    pub(crate) async fn raw(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(self.tls(None))).connect(name, stream).await.expect("a handshake")
    }

    pub(crate) async fn call(&self, method: Method, path: &str, bearer: &str, body: &str) -> Response {
        let url = format!("{}{path}", self.url);
        let request = self.client().request(method, url).header("content-type", "application/json");
        let request = if bearer.is_empty() { request } else { request.bearer_auth(bearer) };
        request.body(body.to_owned()).send().await.expect("an answer")
    }

    pub(crate) async fn as_admin(&self, method: Method, path: &str, body: &str) -> Response {
        self.call(method, path, &self.admin.reveal(), body).await
    }

    pub(crate) async fn create_key(&self, change: impl FnOnce(&mut CreateApiKey)) -> CreatedApiKey {
        let made = self.as_admin(Method::POST, path::API_KEYS, &key_request(change)).await;
        assert_eq!(made.status(), 201);
        made.json().await.expect("a key")
    }

    pub(crate) async fn enrol(&self, key: &str, host: &Host) -> Response {
        self.call(Method::POST, path::AGENTS, key, &host.enrol_request()).await
    }

    /// A key and the agent it enrolled.
    pub(crate) async fn enrolled(&self, name: &str) -> (Host, Issued) {
        let key = self.create_key(|key| key.name = name.parse().expect("a name")).await;
        let host = Host::new();
        let answer = self.enrol(key.secret.reveal(), &host).await;
        assert_eq!(answer.status(), 200);
        (host, answer.json().await.expect("an identity"))
    }

    /// With a proof by `host`, as `agent`.
    pub(crate) async fn proven(
        &self,
        host: &Host,
        agent: AgentId,
        method: Method,
        path: &str,
        body: &str,
    ) -> Response {
        let proof = host.proof(agent, method.as_str(), path, body, clock::now());
        self.call(method, path, &proof, body).await
    }

    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("gatepass.db")
    }
}

pub(crate) fn key_request(change: impl FnOnce(&mut CreateApiKey)) -> String {
    let mut request = CreateApiKey {
        kind: ForWhom::Service,
        name: "test".parse().expect("a name"),
        description: String::new(),
        owner: None,
        groups: vec!["batch".parse().expect("a group")],
        capabilities: vec![Capability::AgentEnrol],
        roles: Vec::new(),
        expires: None,
        networks: Vec::new(),
        uses: None,
        annotation: None,
    };
    change(&mut request);
    serde_json::to_string(&request).expect("JSON")
}

fn client(tls: ClientConfig) -> Client {
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}

/// The code of a problem document, after everything every one of them must have was checked.
pub(crate) async fn code(answer: Response) -> String {
    let status = answer.status().as_u16();
    let id =
        answer.headers().get(REQUEST_ID).expect("every answer has one").to_str().expect("text").to_owned();
    let kind = answer.headers().get("content-type").expect("a type").to_str().expect("text").to_owned();
    assert_eq!(kind, "application/problem+json");
    let problem: Problem = answer.json().await.expect("a problem document");
    assert_eq!((problem.status, problem.request_id.to_string()), (status, id));
    assert_eq!(problem.kind, format!("urn:gatepass:problem:{}", problem.code));
    problem.code.to_string()
}

/// A host with a key pair.
pub(crate) struct Host {
    pair: rcgen::KeyPair,
    signing: SigningKey,
}

impl Host {
    pub(crate) fn new() -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key pair");
        let public = PublicKey::from_spki(&pair.subject_public_key_info()).expect("an allowed key");
        let signing = SigningKey::from_pem(&pair.serialize_pem(), KeyKind::EcdsaP256, public.thumbprint());
        Self { signing: signing.expect("it signs"), pair }
    }

    pub(crate) fn csr(&self) -> String {
        // Names that must not end up in a certificate.
        let wishes = rcgen::CertificateParams::new(vec!["master.example.com".to_owned()]).expect("names");
        wishes.serialize_request(&self.pair).expect("a request").pem().expect("PEM")
    }

    pub(crate) fn enrol_request(&self) -> String {
        let name = "db7".parse().expect("a name");
        let request = EnrolRequest { csr: self.csr(), name, facts: facts(), clock: clock_report() };
        serde_json::to_string(&request).expect("JSON")
    }

    pub(crate) fn renew_request(&self) -> String {
        let request = RenewRequest { csr: self.csr(), facts: facts(), clock: clock_report() };
        serde_json::to_string(&request).expect("JSON")
    }

    pub(crate) fn proof(&self, agent: AgentId, method: &str, path: &str, body: &str, at: UnixTime) -> String {
        let request = Request { method, path, body: body.as_bytes() };
        Proof::new(agent, 1, request, random::token_id(), at).sign(&self.signing).expect("a proof")
    }
}

pub(crate) fn facts() -> Facts {
    Facts {
        host_names: vec!["db7.example.com".parse().expect("a host name")],
        addresses: vec!["192.0.2.7".parse().expect("an address")],
        machine: None,
        version: "test".to_owned(),
    }
}

pub(crate) fn clock_report() -> ClockReport {
    ClockReport { local: clock::now(), skew: Skew { ahead: 90_000, doubt: 2 }, steps: 0 }
}
