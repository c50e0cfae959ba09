//! Why one server cannot be used, told from what the libraries report.

use std::error::Error;
use std::io;
use std::time::Duration;

use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage as BadMessage};

use super::error::{Refusal, Remedy};

/// Why one server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its name does not resolve.
    #[error("the host name cannot be resolved")]
    UnknownHost,
    /// Nothing listens there, or there is no way there.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("it does not answer within {}", Span::from(*.0))]
    Silent(Duration),
    /// Something else than TLS listens there.
    #[error("it answers something else than TLS, plain HTTP most likely")]
    PlainHttp,
    /// Its certificate leads to a CA that is not trusted.
    #[error("the server's certificate is signed by another CA than {0}")]
    OtherCa(&'static str),
    /// It hands out no trust anchor with the pinned fingerprint.
    #[error(
        "none of the server's trust anchors has the pinned fingerprint: it is another master than the key is for"
    )]
    WrongPin,
    /// Its certificate is for other names.
    #[error("the server's certificate is not for this host name but for {0}")]
    OtherName(String),
    /// Its certificate's time is over.
    #[error("the server's certificate expired on {until}; the master's time is {now} as far as it is known")]
    Expired {
        /// Its last instant.
        until: UnixTime,
        /// When that was checked.
        now: UnixTime,
    },
    /// Its certificate's time has not come.
    #[error(
        "the server's certificate is not valid before {from}; the master's time is {now} as far as it is known"
    )]
    NotYetValid {
        /// Its first instant.
        from: UnixTime,
        /// When that was checked.
        now: UnixTime,
    },
    /// It does not speak TLS 1.3.
    #[error("it does not speak TLS 1.3")]
    OldTls,
    /// TLS failed in another way.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// This system has no list of trusted CAs.
    #[error("this system has no trusted CAs")]
    NoSystemRoots,
    /// The answer is cut off or not HTTP.
    #[error("the answer is cut off or is not HTTP: {0}")]
    Broken(String),
    /// The answer is not what was asked for.
    #[error("the answer is not one of a gatepass master: {0}")]
    Garbage(String),
    /// The answer is larger than anything legitimate.
    #[error("the answer is larger than {0} bytes")]
    Oversized(usize),
    /// It points elsewhere. Never followed: a credential goes where it was meant to go.
    #[error("it redirects elsewhere, which is never followed")]
    Redirect,
    /// An HTTP status without a problem document.
    #[error("it answers HTTP status {status} without saying why")]
    Status {
        /// The status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The master cannot do it now; another one may.
    #[error("{0}")]
    Failing(Box<Refusal>),
    /// The proof or the key could not be put into the request.
    #[error("the request cannot be made: {0}")]
    Request(String),
}

impl Fault {
    pub(super) fn remedy(&self) -> Remedy {
        let now = Remedy::Wait { at_least: Duration::ZERO };
        match self {
            Self::UnknownHost
            | Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Broken(_)
            | Self::Garbage(_)
            | Self::Oversized(_) => now,
            Self::Status { status: 408 | 429 | 500.., retry_after } => {
                Remedy::Wait { at_least: retry_after.unwrap_or_default() }
            }
            Self::Failing(refusal) => refusal.remedy(),
            Self::PlainHttp
            | Self::OtherCa(_)
            | Self::WrongPin
            | Self::OtherName(_)
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::OldTls
            | Self::Tls(_)
            | Self::NoSystemRoots
            | Self::Redirect
            | Self::Status { .. }
            | Self::Request(_) => Remedy::CallHuman,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownHost => Some("check the spelling of the master's URL and this host's name service"),
            Self::Unreachable(_) => Some("check that the master runs, and host, port and firewall"),
            Self::Silent(_) => Some("check the network on the way, or allow more time in `[http]`"),
            Self::PlainHttp => Some("check the port; a master speaks TLS only"),
            Self::OtherCa(_) | Self::WrongPin => Some(
                "something else answers there, or a proxy opens TLS on the way: name its CA with --ca-file or --ca-fingerprint only if it is yours",
            ),
            Self::OtherName(_) => Some("use one of these names, or start the master with the name you use"),
            Self::Expired { .. } | Self::NotYetValid { .. } => Some(
                "the server's certificate must be replaced, or the master's clock be set; this host's clock does not matter",
            ),
            Self::OldTls => Some("a proxy on the way opens TLS; let it speak TLS 1.3"),
            Self::NoSystemRoots => Some("install ca-certificates, or name the CA with --ca-file"),
            Self::Redirect | Self::Garbage(_) | Self::Status { .. } => {
                Some("check that the URL is that of a gatepass master")
            }
            Self::Tls(_) | Self::Broken(_) | Self::Oversized(_) | Self::Failing(_) | Self::Request(_) => None,
        }
    }

    /// Whether nothing but the dates of its certificate speaks against the server.
    pub(super) fn is_about_dates(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }

    /// What a failed exchange means. `trusted` names what the certificate should have led to.
    pub(super) fn of(error: &reqwest::Error, trusted: &'static str, waited: Waited) -> Self {
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::of_tls(tls, trusted);
        }
        if error.is_dns() {
            return Self::UnknownHost;
        }
        if error.is_timeout() {
            return Self::Silent(if error.is_connect() { waited.to_connect } else { waited.in_all });
        }
        let deepest = deepest(error);
        match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Self::Unreachable("connection refused".to_owned()),
            Some(io::ErrorKind::UnexpectedEof) if error.is_connect() => {
                Self::Unreachable("the server hung up in the TLS handshake".to_owned())
            }
            _ if error.is_connect() => Self::Unreachable(deepest),
            _ => Self::Broken(deepest),
        }
    }

    fn of_tls(error: &rustls::Error, trusted: &'static str) -> Self {
        use rustls::Error::{
            AlertReceived, DecryptError, InvalidCertificate, InvalidMessage, PeerIncompatible,
        };
        if let InvalidCertificate(certificate) = error {
            Self::of_certificate(certificate, trusted)
        } else if matches!(error, InvalidMessage(BadMessage::InvalidContentType)) {
            Self::PlainHttp
        } else if matches!(error, PeerIncompatible(_) | AlertReceived(AlertDescription::ProtocolVersion)) {
            Self::OldTls
        } else if matches!(error, DecryptError) {
            // Garbled on the way: the next one may get through.
            Self::Broken(error.to_string())
        } else {
            Self::Tls(error.to_string())
        }
    }

    fn of_certificate(error: &CertificateError, trusted: &'static str) -> Self {
        use CertificateError::{
            BadSignature, ExpiredContext, NotValidForNameContext, NotValidYetContext, UnknownIssuer,
        };
        if matches!(error, UnknownIssuer | BadSignature) {
            Self::OtherCa(trusted)
        } else if let NotValidForNameContext { presented, .. } = error {
            Self::OtherName(if presented.is_empty() { "none".to_owned() } else { presented.join(", ") })
        } else if let ExpiredContext { time, not_after } = error {
            Self::Expired { until: instant(*not_after), now: instant(*time) }
        } else if let NotValidYetContext { time, not_before } = error {
            Self::NotYetValid { from: instant(*not_before), now: instant(*time) }
        } else {
            Self::Tls(error.to_string())
        }
    }
}

fn instant(at: rustls_pki_types::UnixTime) -> UnixTime {
    UnixTime::from_seconds(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

/// How long was waited at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waited {
    pub(super) to_connect: Duration,
    pub(super) in_all: Duration,
}

/// The first `T` among the causes. An `io::Error` hides the one it wraps from `source`: that is looked for inside.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The last cause says most; those before it repeat the URL.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
