//! A plain client: blocking, TLS 1.3, HTTP/1.1, nothing kept or reused from one connection to the next.
//!
//! It verifies the master as an agent does, by the pin in its API key; the chain once for each certificate it is shown,
//! the proof that the master holds the key to it in every handshake. Verifying the same chain thousands of times would
//! measure the client, which shares the machine with the master only here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::Anchors;
use gatepass_contract::wire::path;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// A master, and whom to trust to vouch for it.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    host: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

/// One connection; closed in order by [`Connection::close`].
pub(crate) struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

/// What the master answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Target {
    /// First contact: fetches the trust anchors and keeps those the pin names.
    pub(crate) fn pinned(url: &str, pin: Sha256) -> Result<Self> {
        let authority = url.strip_prefix("https://").context("the address does not begin with https://")?;
        let (host, _) = authority.rsplit_once(':').context("the address has no port")?;
        let address = authority.to_socket_addrs()?.next().context("the address leads nowhere")?;
        let host = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let stranger = Self { address, host, tls: Arc::new(any_server()) };
        let mut connection = stranger.connect()?;
        let trust = connection.exchange(&request("GET", path::TRUST, None, &[]))?.success()?;
        connection.close()?;
        let anchors = Anchors::from_pem(std::str::from_utf8(&trust)?)?.pinned(pin);
        let tls =
            Arc::new(vouched_for(&anchors.context("the master shows another root than the key pins")?)?);
        Ok(Self { tls, ..stranger })
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let tls = ClientConnection::new(Arc::clone(&self.tls), self.host.clone())?;
        Ok(Connection(BufReader::new(StreamOwned::new(tls, stream))))
    }
}

/// So that a master that hangs ends the run instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(20);

impl Connection {
    /// Sends one request and reads all of its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Reply> {
        self.0.get_mut().write_all(request)?;
        self.0.get_mut().flush()?;
        let (status, length) = self.head()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Reply { status, body })
    }

    fn head(&mut self) -> Result<(u16, usize)> {
        let status = self.line()?.split(' ').nth(1).context("no status line")?.parse()?;
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((status, length));
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the master closed the connection");
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn close(mut self) -> Result<()> {
        let stream = self.0.get_mut();
        stream.conn.send_close_notify();
        Ok(stream.flush()?)
    }
}

impl Reply {
    pub(crate) fn success(self) -> Result<Vec<u8>> {
        let Self { status, body } = self;
        ensure!(
            (200..300).contains(&status),
            "the master answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}

/// One request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, bearer: Option<&str>, body: &[u8]) -> Vec<u8> {
    let authorization = bearer.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn vouched_for(anchors: &Anchors) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors.certificates() {
        roots.add(anchor.clone())?;
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
    let verifier = Arc::new(KnownServer { chain, known: OnceLock::new() });
    Ok(without_memory(builder().dangerous().with_custom_certificate_verifier(verifier)))
}

fn any_server() -> ClientConfig {
    without_memory(builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider()))))
}

fn builder() -> ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
}

pub(crate) fn without_memory(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Believes a certificate that it has verified before.
#[derive(Debug)]
struct KnownServer {
    chain: Arc<WebPkiServerVerifier>,
    known: OnceLock<CertificateDer<'static>>,
}

impl ServerCertVerifier for KnownServer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.get() == Some(leaf) {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.chain.verify_server_cert(leaf, intermediates, host, ocsp, now)?;
        // Another thread may have been first, with the same certificate.
        _ = self.known.set(leaf.clone().into_owned());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// For the one call that fetches what the pin is then compared with.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
