//! A tiny HTTPS server with a CA of its own, for what a real master would never do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{self, Anchors};
use gatepass_contract::time::{UnixTime, Validity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use gatepass_contract::address::MasterUrl;

pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    pub(super) fn anchors(&self) -> Anchors {
        Anchors::new(vec![self.0.der().clone()]).expect("one")
    }

    pub(super) fn pin(&self) -> Sha256 {
        pki::spki_digest(self.0.der()).expect("a certificate")
    }

    fn server(&self, name: &str, good: Validity) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let at = |at: UnixTime| {
            rcgen::date_time_ymd(1970, 1, 1)
                + std::time::Duration::from_secs(u64::try_from(at.seconds()).expect("after 1970"))
        };
        (params.not_before, params.not_after) = (at(good.from()), at(good.until()));
        let key = KeyPair::generate().expect("a key");
        let leaf: CertificateDer<'static> = params.signed_by(&key, &self.0).expect("signed").into();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a server")
    }
}

/// What a server saw and where it is.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) url: MasterUrl,
    connections: Arc<AtomicU32>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    /// The same, looked for elsewhere.
    pub(super) fn at(self, url: &str) -> Self {
        Self { url: url.parse().expect("a URL"), ..self }
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

/// Answers each request line with raw bytes; `None` means silence.
pub(super) trait Answers: Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static {}
impl<F: Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static> Answers for F {}

pub(super) async fn serve(ca: &Ca, name: &str, good: Validity, answers: impl Answers) -> Seen {
    start(Some(TlsAcceptor::from(Arc::new(ca.server(name, good)))), answers).await
}

pub(super) async fn serve_plain(answers: impl Answers) -> Seen {
    start(None, answers).await
}

async fn start(tls: Option<TlsAcceptor>, answers: impl Answers) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("bound")).parse().expect("a URL");
    let seen = Seen { url, connections: Arc::default(), requests: Arc::default() };
    let (answers, told) = (Arc::new(answers), seen.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            told.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(connection(stream, tls.clone(), answers.clone(), told.clone()));
        }
    });
    seen
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, answers: Arc<impl Answers>, seen: Seen) {
    stream.set_nodelay(true).expect("set");
    match tls {
        None => requests(stream, answers, seen).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                requests(stream, answers, seen).await;
            }
        }
    }
}

async fn requests(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    answers: Arc<impl Answers>,
    seen: Seen,
) {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(size @ 1..) => request.extend_from_slice(&chunk[..size]),
            Ok(0) | Err(_) => return,
        }
        // A TLS hello has no line end; it is answered all the same, as plain servers do.
        let whole =
            request.ends_with(b"}") || request.windows(4).any(|w| w == b"\r\n\r\n") || request[0] == 22;
        if !whole {
            continue;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        seen.requests.lock().expect("no panic").push(text.clone());
        request.clear();
        let Some(answer) = answers(text.lines().next().unwrap_or_default()) else {
            return std::future::pending().await;
        };
        let closes = !answer.starts_with(b"HTTP/1.1") || answer.windows(5).any(|w| w == b"close");
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() || closes {
            _ = stream.shutdown().await;
            return;
        }
    }
}

pub(super) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}
