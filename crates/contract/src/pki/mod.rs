//! From bytes to checked keys, certification requests and certificates (RFC 5280, 2986, 7638).
//!
//! Nothing is believed before it was verified: a [`Csr`] exists only with a good signature by an allowed key, a
//! [`Chain`] tells its names and dates but vouches for nothing until [`Chain::verify`] was asked.

mod chain;
mod csr;
mod key;

pub use chain::{Anchors, Chain, spki_digest, to_pem, validity};
pub use csr::{Csr, MAX_CSR_BYTES};
pub use key::{KeyKind, PublicKey, Thumbprint};

/// What can be wrong with PEM or DER that is given to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// Not PEM of the expected label, not DER, or with something behind it.
    #[error("{0} cannot be parsed")]
    Malformed(&'static str),
    /// Larger than anything legitimate.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Another algorithm, curve or size than those allowed.
    #[error("keys of this kind are not accepted (use ECDSA P-256, Ed25519 or RSA of 3072 to 4096 bits)")]
    KeyNotAllowed,
    /// The request was not signed by the key in it.
    #[error("the request's signature does not match its key")]
    Signature,
    /// The certificate chain does not lead to an anchor, or is not good at that instant, or not for that use.
    #[error("the certificate does not verify: {0}")]
    Chain(webpki::Error),
}
