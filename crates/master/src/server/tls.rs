//! TLS as the master speaks it: 1.3 only, HTTP/1.1 only, no resumption, an optional client certificate of our own root.
//!
//! # Why no session tickets
//!
//! An agent calls once an hour at most: a ticket would never be used, and costs two messages in each handshake.

use std::sync::Arc;

use gatepass_contract::pki::Anchors;
use rustls::crypto::aws_lc_rs;
use rustls::server::{
    NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::{RootCertStore, ServerConfig};

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
    let provider = Arc::new(aws_lc_rs::default_provider());
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
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
