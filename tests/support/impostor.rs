//! A TLS server that is no master: it shows what certificate it likes, answers what it likes, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{self, Anchors};
use gatepass_contract::time::{UnixTime, Validity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// A certification authority of somebody's.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root"))
    }

    /// Its certificate, PEM.
    pub fn anchors(&self) -> String {
        Anchors::new(vec![self.0.der().clone()]).expect("one").to_pem()
    }

    /// What an API key pins it by.
    pub fn pin(&self) -> Sha256 {
        pki::spki_digest(self.0.der()).expect("a certificate")
    }

    /// A server on `localhost` with a certificate of this CA.
    fn server(&self, good: Validity) -> ServerConfig {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let at = |at: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + at.since(UnixTime(0));
        (params.not_before, params.not_after) = (at(good.from()), at(good.until()));
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.0).expect("signed");
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a server")
    }
}

/// The server. It lasts until the tests end.
pub struct Impostor {
    /// Where.
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Impostor {
    /// One whose certificate is by `ca` and good then. It hands out `anchors`, tells `time`, and refuses all else.
    pub fn start(ca: &Ca, good: Validity, anchors: String, time: UnixTime) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
        let (tls, requests) = (Arc::new(ca.server(good)), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                let connection = ServerConnection::new(Arc::clone(&tls)).expect("a connection");
                let (seen, anchors) = (Arc::clone(&seen), anchors.clone());
                thread::spawn(move || converse(&mut StreamOwned::new(connection, stream), &seen, &anchors, time));
            }
        });
        Self { url, requests }
    }

    /// Everything it was sent inside TLS, a request each: heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn converse(stream: &mut (impl Read + Write), seen: &Mutex<Vec<String>>, anchors: &str, time: UnixTime) {
    while let Some(request) = request(stream) {
        let first = request.lines().next().unwrap_or_default().to_owned();
        seen.lock().expect("no panic").push(request);
        let UnixTime(now) = time;
        let (status, body) = match first.as_str() {
            "GET /api/v1/trust HTTP/1.1" => ("200 OK", anchors.to_owned()),
            "GET /api/v1/time HTTP/1.1" => ("200 OK", format!(r#"{{"received":{now},"sent":{now}}}"#)),
            _ => ("403 Forbidden", String::new()),
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// Head and body; `None` when the other side has gone, or does not want to talk to us.
fn request(stream: &mut impl Read) -> Option<String> {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= announced.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        match stream.read(&mut chunk) {
            Ok(size @ 1..) => request.extend_from_slice(&chunk[..size]),
            Ok(0) | Err(_) => return None,
        }
    }
}
