//! Servers that are no master: with a CA of their own, an expired certificate, another name, no TLS at all, nothing to
//! say. Each remembers what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{self, Anchors};
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::wire::path;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::real_now;

/// A certification authority of nobody's.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    /// With a key of its own.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root"))
    }

    /// Its root, PEM.
    pub fn anchors(&self) -> String {
        Anchors::new(vec![self.0.der().clone()]).expect("one").to_pem()
    }

    /// What an API key pins it by.
    pub fn pin(&self) -> Sha256 {
        pki::spki_digest(self.0.der()).expect("a certificate")
    }

    /// A server certificate for that name and time, and its key, PEM.
    pub fn certificate(&self, name: &str, good: Validity) -> (String, String) {
        let (leaf, key) = self.leaf(name, good);
        (leaf.pem(), key.serialize_pem())
    }

    /// A server that shows such a certificate.
    pub fn server(&self, name: &str, good: Validity) -> ServerConfig {
        let (leaf, key) = self.leaf(name, good);
        let leaf: CertificateDer<'static> = leaf.into();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("a server")
    }

    fn leaf(&self, name: &str, good: Validity) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let date = |at: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + at.since(UnixTime(0));
        (params.not_before, params.not_after) = (date(good.from()), date(good.until()));
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.0).expect("signed"), key)
    }
}

/// From so many days ago to so many days from now.
pub fn days(ago: i32, ahead: i32) -> Validity {
    let at = |days: i32| UnixTime(real_now().0 + i64::from(days) * 24 * 3_600_000);
    Validity::new(at(-ago), at(ahead)).expect("in order")
}

/// Answers a request, given its first line. `None`: silence.
pub trait Answers: Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static {}
impl<F: Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static> Answers for F {}

/// An HTTP answer.
#[expect(clippy::unnecessary_wraps, reason = "the other answer is silence")]
pub fn http(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes())
}

/// Tells a time and offers those anchors as a master would; everything else is for `other`.
pub fn like_a_master(
    anchors: String,
    time: impl Fn() -> UnixTime + Send + Sync + 'static,
    other: impl Answers,
) -> impl Answers {
    move |line: &str| {
        if line.contains(path::TIME) {
            let UnixTime(now) = time();
            http("200 OK", "", &format!(r#"{{"received":{now},"sent":{now}}}"#))
        } else if line.contains(path::TRUST) {
            http("200 OK", "", &anchors)
        } else {
            other(line)
        }
    }
}

/// A server that is no master. Ended with the test.
pub struct Fake {
    address: SocketAddr,
    told: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
}

impl Fake {
    /// Speaks TLS with that certificate, plain HTTP without one.
    pub fn start(tls: Option<ServerConfig>, answers: impl Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (told, over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (tls, answers) = (tls.map(Arc::new), Arc::new(answers));
        let (told_here, over_here) = (told.clone(), over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over_here.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, told) = (stream.expect("a connection"), told_here.clone());
                let (tls, answers) = (tls.clone(), answers.clone());
                // How it ends is what the test is about; the agent says what it saw.
                std::thread::spawn(move || serve(stream, tls, &*answers, &told).ok());
            }
        });
        Self { address, told, over }
    }

    /// `https://localhost:port`, whatever it really speaks.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Every request, head and body, as it came out of TLS.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().expect("no panic").clone()
    }

    /// The first lines of the requests.
    pub fn asked(&self) -> Vec<String> {
        self.told().iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that fails it has ended already.
        TcpStream::connect(self.address).ok();
    }
}

type Told = Mutex<Vec<String>>;

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    answers: &impl Answers,
    told: &Told,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // Whoever waits for an answer that never comes goes away first.
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    match tls {
        None => converse(stream, answers, told),
        Some(tls) => {
            let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
            converse(StreamOwned::new(connection, stream), answers, told)
        }
    }
}

fn converse(stream: impl Read + Write, answers: &impl Answers, told: &Told) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = request(&mut stream)?;
        let answer = answers(request.lines().next().unwrap_or_default());
        told.lock().expect("no panic").push(request);
        let Some(bytes) = answer else {
            return stream.read_until(0, &mut Vec::new()).map(|_| ());
        };
        stream.get_mut().write_all(&bytes)?;
        stream.get_mut().flush()?;
        if bytes.windows(CLOSE.len()).any(|part| part == CLOSE) {
            return Ok(());
        }
    }
}

/// An answer that says so is the last one, whole or not.
const CLOSE: &[u8] = b"connection: close";

/// One request. A TLS greeting has no lines: the first byte of one is enough to answer it as plain servers do.
fn request(stream: &mut impl BufRead) -> std::io::Result<String> {
    const GREETING: u8 = 22;
    let mut text = String::new();
    if stream.fill_buf()?.first() == Some(&GREETING) {
        let size = stream.fill_buf()?.len();
        stream.consume(size);
        return Ok("a TLS greeting".to_owned());
    }
    while !text.ends_with("\r\n\r\n") {
        if stream.read_line(&mut text)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = text
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    Ok(text)
}
