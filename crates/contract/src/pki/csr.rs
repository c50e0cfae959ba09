//! Certification requests (RFC 2986): a key and the proof that its private half is there.

use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use super::{PkiError, PublicKey};

/// The largest certification request that is looked at: an RSA-4096 one has under 2 KiB.
pub const MAX_CSR_BYTES: usize = 8 * 1024;

/// A certification request whose signature was checked. Only the key is taken from it: names and extensions are for
/// the master to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    key: PublicKey,
}

impl Csr {
    /// Reads one PEM request. The key's kind is checked before its signature, so that nothing costly is computed for a
    /// key that would be refused anyway.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        if text.len() > MAX_CSR_BYTES {
            return Err(PkiError::TooLarge("the certification request"));
        }
        let malformed = || PkiError::Malformed("the certification request");
        let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
            .map_err(|_| malformed())?;
        let (rest, csr) = X509CertificationRequest::from_der(&der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let key = PublicKey::of(&csr.certification_request_info.subject_pki)?;
        csr.verify_signature().map_err(|_| PkiError::Signature)?;
        Ok(Self { key })
    }

    /// The key that asks.
    #[must_use]
    pub fn into_key(self) -> PublicKey {
        self.key
    }
}
