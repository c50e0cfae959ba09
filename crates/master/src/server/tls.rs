//! TLS as the master speaks it: 1.3 only, HTTP/1.1 only, no resumption, an optional client certificate of our own root.
//!
//! # Why no session tickets
//!
//! An agent calls once an hour at most: a ticket would never be used, and costs two messages in each handshake.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use gatepass_contract::pki::Anchors;
use rustls::crypto::aws_lc_rs;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

/// The certificate shown to new connections; replaced while running.
pub struct Presented(RwLock<Arc<CertifiedKey>>);

impl Presented {
    /// Shows this one.
    #[must_use]
    pub fn new(certificate: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(certificate))))
    }

    /// Shows that one from now on; open connections keep theirs.
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

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

/// What new connections are accepted with. Client certificates are verified against `anchors`.
pub fn config(presented: Arc<Presented>, anchors: &Anchors) -> Result<ServerConfig, TlsError> {
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
