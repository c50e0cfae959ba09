//! Certificates and what vouches for them (RFC 5280).

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{PkiError, PublicKey};
use crate::digest::Sha256;
use crate::id::AgentId;
use crate::time::{UnixTime, Validity};

/// Trust anchors: the roots that may vouch for the master and for agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    /// At least one PEM certificate.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        certificates(text).map(Self)
    }

    /// From certificates already parsed; `None` when there is none.
    #[must_use]
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        (!certificates.is_empty()).then_some(Self(certificates))
    }

    /// Only those with this fingerprint, of the public key info (as an API key pins it) or of the whole certificate (as
    /// `openssl x509 -fingerprint -sha256` prints it); `None` when there is none.
    #[must_use]
    pub fn pinned(&self, fingerprint: Sha256) -> Option<Self> {
        let matches = |der: &&CertificateDer<'static>| {
            Sha256::of(der) == fingerprint || spki_digest(der).is_ok_and(|found| found == fingerprint)
        };
        Self::new(self.0.iter().filter(matches).cloned().collect())
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.0)
    }

    /// One digest over all of them, whatever their order: what an agent reports to have loaded.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let mut each: Vec<_> = self.0.iter().map(|der| Sha256::of(der).0).collect();
        each.sort_unstable();
        Sha256::of(each.as_flattened())
    }
}

/// A certificate with the intermediates that lead to its anchor, leaf first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    key: PublicKey,
    validity: Validity,
    serial: String,
    agent: Option<AgentId>,
}

impl Chain {
    /// Reads PEM certificates, leaf first.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::from_der(certificates(text)?)
    }

    /// Reads DER certificates, leaf first.
    pub fn from_der(certificates: Vec<CertificateDer<'static>>) -> Result<Self, PkiError> {
        let malformed = || PkiError::Malformed("the certificate");
        let leaf = certificate(certificates.first().ok_or_else(malformed)?)?;
        let mut validity = dates(&leaf)?;
        for der in &certificates[1..] {
            validity = validity.and(dates(&certificate(der)?)?).ok_or_else(malformed)?;
        }
        let key = PublicKey::of(leaf.public_key())?;
        let (serial, agent) = (leaf.raw_serial_as_string(), spiffe_agent(&leaf));
        Ok(Self { certificates, key, validity, serial, agent })
    }

    /// The key the leaf certifies.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// When all of it is good.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The leaf's serial number, hex bytes with colons as `openssl` prints them.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The agent named in the leaf's SPIFFE id, `spiffe://<trust domain>/agent/<id>`.
    #[must_use]
    pub const fn agent(&self) -> Option<AgentId> {
        self.agent
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// As PEM, leaf first.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.certificates)
    }

    /// Whether it leads to one of `anchors` and is good for a TLS client at that instant.
    pub fn verify(&self, anchors: &Anchors, at: UnixTime) -> Result<(), PkiError> {
        let (leaf, intermediates) = self.certificates.split_first().expect("a chain has a leaf");
        let roots: Result<Vec<TrustAnchor<'_>>, _> =
            anchors.0.iter().map(webpki::anchor_from_trusted_cert).collect();
        let seconds = u64::try_from(at.seconds()).unwrap_or(0);
        webpki::EndEntityCert::try_from(leaf)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &roots?,
                    intermediates,
                    rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                    webpki::KeyUsage::client_auth(),
                    None,
                    None,
                )
                .map(drop)
            })
            .map_err(PkiError::Chain)
    }
}

/// SHA-256 of a certificate's public key info: what an API key pins.
pub fn spki_digest(der: &CertificateDer<'_>) -> Result<Sha256, PkiError> {
    certificate(der).map(|cert| Sha256::of(cert.public_key().raw))
}

/// When one certificate is good.
pub fn validity(der: &CertificateDer<'_>) -> Result<Validity, PkiError> {
    dates(&certificate(der)?)
}

fn certificate<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], cert)) => Ok(cert),
        _ => Err(PkiError::Malformed("the certificate")),
    }
}

/// `notAfter` is the last good second (RFC 5280, section 4.1.2.5); a [`Validity`] ends with the first bad one.
fn dates(cert: &X509Certificate<'_>) -> Result<Validity, PkiError> {
    let from = UnixTime::from_seconds(cert.validity().not_before.timestamp());
    let until = UnixTime::from_seconds(cert.validity().not_after.timestamp() + 1);
    Validity::new(from, until).ok_or(PkiError::Malformed("the certificate"))
}

fn spiffe_agent(cert: &X509Certificate<'_>) -> Option<AgentId> {
    let names = &cert.subject_alternative_name().ok()??.value.general_names;
    names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.strip_prefix("spiffe://")?.split_once("/agent/")?.1.parse().ok()
    })
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(PkiError::Malformed("the PEM certificates")),
    }
}

/// As PEM, one behind the other.
#[must_use]
pub fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let line_feeds = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let one = |der: &CertificateDer<'_>| {
        pem::encode_config(&pem::Pem::new("CERTIFICATE", der.as_ref()), line_feeds)
    };
    certificates.iter().map(one).collect()
}
