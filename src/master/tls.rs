//! How a master's certificate is judged.
//!
//! TLS 1.3 only. Dates are judged in the master's time, never by the wall clock alone.

use std::sync::Arc;

use gatepass_contract::pki::{self, Anchors};
use gatepass_contract::time::{UnixTime, Validity};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName};

use super::fault::Fault;
use crate::clock::MasterTime;

/// What is required of the server's certificate.
#[derive(Debug, Clone)]
pub(super) enum Demand {
    /// Everything, in the master's time.
    Strict(Arc<RootCertStore>),
    /// Everything but the dates.
    DatesAside(Arc<RootCertStore>),
    /// Nothing: what is read is judged by its fingerprint.
    Nothing,
}

pub(super) fn roots(anchors: &Anchors) -> Result<Arc<RootCertStore>, Fault> {
    let mut roots = RootCertStore::empty();
    for der in anchors.certificates() {
        roots.add(der.clone()).map_err(|error| Fault::Tls(error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

pub(super) fn system_roots() -> Result<Arc<RootCertStore>, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(Fault::NoSystemRoots) } else { Ok(Arc::new(roots)) }
}

/// Where `names` are given, the server's certificate has to be for one of them, whatever name was asked for.
pub(super) fn config(
    demand: Demand,
    names: Vec<ServerName<'static>>,
    time: MasterTime,
) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut verifier = verifier(demand, &provider)?;
    if !names.is_empty() {
        verifier = Arc::new(AnyOf { names, verifier });
    }
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(time))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Fault::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // One connection a step: a ticket would be kept for nothing.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn verifier(demand: Demand, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    let strict = |roots| {
        let builder = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
        builder.build().map_err(|error| Fault::Tls(error.to_string()))
    };
    Ok(match demand {
        Demand::Strict(roots) => strict(roots)?,
        Demand::DatesAside(roots) => Arc::new(DatesAside(strict(roots)?)),
        Demand::Nothing => Arc::new(Anyone(provider.clone())),
    })
}

impl TimeProvider for MasterTime {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        Some(for_rustls(self.now()))
    }
}

fn for_rustls(at: UnixTime) -> rustls_pki_types::UnixTime {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// Judges everything at an instant at which all the certificates shown are good: what remains is signed by an anchor
/// and for that name, only perhaps at another time.
#[derive(Debug)]
struct DatesAside(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for DatesAside {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: rustls_pki_types::UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = common_validity(leaf, intermediates).map_or(now, |all| for_rustls(all.from()));
        self.0.verify_server_cert(leaf, intermediates, name, ocsp, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `None` when they are never good together: then no instant helps.
fn common_validity(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<Validity> {
    let mut rest = intermediates.iter().map(|der| pki::validity(der).ok());
    rest.try_fold(pki::validity(leaf).ok()?, |all, one| all.and(one?))
}

/// Judges the server for each of these names: any will do. Not for the one that was asked for.
#[derive(Debug)]
struct AnyOf {
    /// Not empty.
    names: Vec<ServerName<'static>>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for AnyOf {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        ocsp: &[u8],
        now: rustls_pki_types::UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = |name| self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now);
        let judged = self.names.iter().map(judge);
        judged.reduce(Result::or).unwrap_or_else(|| Err(Error::General("no name to verify".to_owned())))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Accepts whoever holds the key of the certificate shown: good for reading what is judged by its fingerprint.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: rustls_pki_types::UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    /// Never asked: only TLS 1.3 is offered.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
