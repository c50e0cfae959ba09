//! TLS in memory: client and server side by side, only the server's turns on the clock.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};

use super::each;
use crate::client::{provider, without_memory};
use crate::clock::cpu_of;

const HANDSHAKES: u32 = 250;

/// Both ends, configured as the master and its agents are: TLS 1.3, AES-128 with SHA-256 chosen by the server, no
/// tickets, the client certificate optional, a root and an issuing CA above the server's certificate.
pub(super) struct Handshake {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// Bytes of each flight, in the order they travel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) hello: usize,
    pub(super) answer: usize,
    pub(super) request: usize,
    pub(super) reply: usize,
}

impl Handshake {
    pub(super) fn prepare(request: usize, reply: usize) -> Result<Self> {
        let (chain, key, roots) = chain()?;
        Ok(Self {
            server: Arc::new(server(chain, &key, &roots)?),
            client: Arc::new(client(roots)?),
            request: vec![b'q'; request],
            reply: vec![b'a'; reply],
        })
    }

    /// Microseconds of the server for one connection.
    pub(super) fn measure(&self) -> Result<(f64, Sizes)> {
        let mut all = Duration::ZERO;
        let (_, sizes) = self.once()?;
        for _ in 0..HANDSHAKES {
            all += self.once()?.0;
        }
        Ok((each(all, HANDSHAKES), sizes))
    }

    fn once(&self) -> Result<(Duration, Sizes)> {
        let mut client = ClientConnection::new(Arc::clone(&self.client), ServerName::try_from("localhost")?)?;
        let hello = outgoing(&mut client)?;
        let ((mut server, answer), first) = cpu_of(|| self.answer(&hello))?;
        incoming(&mut client, &answer)?;
        client.writer().write_all(&self.request)?;
        let request = outgoing(&mut client)?;
        let (reply, second) = cpu_of(|| self.serve(&mut server, &request))?;
        incoming(&mut client, &reply)?;
        ensure!(!server.is_handshaking() && !client.is_handshaking(), "the handshake is not over");
        client.send_close_notify();
        let bye = outgoing(&mut client)?;
        let ((), third) = cpu_of(|| close(server, &bye))?;
        let sizes =
            Sizes { hello: hello.len(), answer: answer.len(), request: request.len(), reply: reply.len() };
        Ok((first + second + third, sizes))
    }

    fn answer(&self, hello: &[u8]) -> Result<(ServerConnection, Vec<u8>)> {
        let mut server = ServerConnection::new(Arc::clone(&self.server))?;
        incoming(&mut server, hello)?;
        let answer = outgoing(&mut server)?;
        Ok((server, answer))
    }

    fn serve(&self, server: &mut ServerConnection, request: &[u8]) -> Result<Vec<u8>> {
        incoming(server, request)?;
        let mut received = vec![0; self.request.len()];
        server.reader().read_exact(&mut received)?;
        server.writer().write_all(&self.reply)?;
        outgoing(server)
    }
}

fn close(mut server: ServerConnection, bye: &[u8]) -> Result<()> {
    incoming(&mut server, bye)?;
    server.send_close_notify();
    outgoing(&mut server).map(drop)
}

fn outgoing<S>(end: &mut rustls::ConnectionCommon<S>) -> Result<Vec<u8>>
where
    S: rustls::SideData,
{
    let mut bytes = Vec::with_capacity(8 * 1024);
    while end.wants_write() {
        end.write_tls(&mut bytes)?;
    }
    Ok(bytes)
}

fn incoming<S>(end: &mut rustls::ConnectionCommon<S>, mut bytes: &[u8]) -> Result<()>
where
    S: rustls::SideData,
{
    while !bytes.is_empty() {
        end.read_tls(&mut bytes)?;
        end.process_new_packets()?;
    }
    Ok(())
}

/// Leaf and issuing certificate, the leaf's key, the root.
fn chain() -> Result<(Vec<CertificateDer<'static>>, KeyPair, RootCertStore)> {
    let (root_key, issuing_key, key) = (KeyPair::generate()?, KeyPair::generate()?, KeyPair::generate()?);
    let (root, issuing) = (
        authority("root", BasicConstraints::Unconstrained),
        authority("issuing", BasicConstraints::Constrained(0)),
    );
    let anchor = root.self_signed(&root_key)?;
    let intermediate = issuing.signed_by(&issuing_key, &Issuer::from_params(&root, &root_key))?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&issuing, &issuing_key))?;
    let mut roots = RootCertStore::empty();
    roots.add(anchor.der().clone())?;
    Ok((vec![leaf.der().clone(), intermediate.der().clone()], key, roots))
}

pub(super) fn authority(name: &str, below: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(below);
    params.use_authority_key_identifier_extension = true;
    params
}

fn server(chain: Vec<CertificateDer<'static>>, key: &KeyPair, roots: &RootCertStore) -> Result<ServerConfig> {
    let mut preferring = aws_lc_rs::default_provider();
    preferring.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
    let mut config = ServerConfig::builder_with_provider(Arc::new(preferring))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients.allow_unauthenticated().build()?)
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn client(roots: RootCertStore) -> Result<ClientConfig> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(without_memory(builder.with_root_certificates(roots)))
}
