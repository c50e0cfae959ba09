//! TLS as the master speaks it: 1.3 only, HTTP/1.1 only, no resumption, an optional client certificate of our own root.
//!
//! # Why no session tickets
//!
//! An agent calls once an hour at most: a ticket would never be used, and costs two messages in each handshake.
//!
//! # Why AES-128 first
//!
//! Its key schedule hashes with SHA-256, which processors have instructions for; that of AES-256 hashes with SHA-384,
//! which took a twentieth of an enrolment. Nothing here is secret for longer than AES-128 is good for.

use std::sync::Arc;

use gatepass_contract::pki::Anchors;
use rustls::crypto::aws_lc_rs;
use rustls::server::{
    NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::{CipherSuite, RootCertStore, ServerConfig};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// An anchor or a version is not accepted.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// The anchors cannot vouch for clients.
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
}

/// What new connections are accepted with; they are shown what `presented` chooses. Client certificates are verified against `anchors`.
pub fn config(presented: Arc<dyn ResolvesServerCert>, anchors: &Anchors) -> Result<ServerConfig, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    for anchor in anchors.certificates() {
        roots.add(anchor.clone())?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(presented);
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
