//! Why one server cannot be used, told from what the libraries report.

use std::error::Error;
use std::io;
use std::time::Duration;

use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage as BadMessage};

use super::error::{Refusal, Remedy};
use crate::net::{NoWay, Place, ProxyError};

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
    /// The proxy on the way does not do it.
    #[error(transparent)]
    Proxy(Box<ProxyError>),
    /// It happened on the way through a gateway, or that cannot be used.
    #[error(transparent)]
    Gateway(Box<Behind>),
    /// The gateway relays as much as it may already.
    #[error("it takes no further connections now")]
    GatewayFull,
    /// The gateway cannot reach any master.
    #[error("it cannot reach a master itself")]
    GatewayStuck,
}

/// What went wrong on the way through a gateway.
#[derive(Debug, thiserror::Error)]
#[error("by way of the gateway {gateway}: {fault}")]
pub struct Behind {
    /// Which one.
    pub gateway: Place,
    /// What happened.
    pub fault: Fault,
}

impl From<NoWay> for Fault {
    fn from(no: NoWay) -> Self {
        match no {
            NoWay::UnknownHost => Self::UnknownHost,
            NoWay::Unreachable(why) => Self::Unreachable(why),
            NoWay::Silent(waited) => Self::Silent(waited),
            NoWay::Proxy(error) => Self::Proxy(error),
        }
    }
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
            | Self::GatewayFull
            | Self::GatewayStuck
            | Self::Oversized(_) => now,
            Self::Proxy(error) if !error.fault.is_lasting() => now,
            Self::Gateway(behind) => behind.fault.remedy(),
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
            | Self::Proxy(_)
            | Self::Request(_) => Remedy::CallHuman,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Proxy(error) => Some(error.fault.hint()),
            Self::Gateway(behind) => behind.fault.hint_behind_gateway(),
            Self::GatewayFull => {
                Some("raise `max_connections` in the gateway's [gateway], or name another gateway")
            }
            Self::GatewayStuck => Some(
                "look at the gateway's own way to the master: run `gatepass check` on the gateway's host",
            ),
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

    /// Seen from behind a gateway, some things have other causes.
    fn hint_behind_gateway(&self) -> Option<&'static str> {
        if matches!(self, Self::UnknownHost) {
            Some("check the spelling in `gateways` and this host's name service")
        } else if matches!(self, Self::Unreachable(_) | Self::Silent(_)) {
            Some("check that an agent with a [gateway] runs there, and host, port and firewall")
        } else if matches!(self, Self::OtherName(_)) {
            Some(
                "name the master's own URL in `masters`: its certificate is not one that a gatepass master made for itself",
            )
        } else {
            self.hint()
        }
    }

    /// Whether nothing but the dates of its certificate speaks against the server.
    pub(super) fn is_about_dates(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }

    /// What a failed exchange means. `trusted` names what the certificate should have led to.
    pub(super) fn of(error: &(dyn Error + 'static), trusted: &'static str) -> Self {
        match find::<rustls::Error>(error) {
            Some(tls) => Self::of_tls(tls, trusted),
            None => Self::Broken(deepest(error)),
        }
    }

    /// What a failed TLS handshake means. A gateway that leads nowhere says so with an alert of its own.
    pub(super) fn of_handshake(error: &io::Error, trusted: &'static str, is_gateway: bool) -> Self {
        use rustls::Error::AlertReceived;
        match find::<rustls::Error>(error) {
            Some(AlertReceived(AlertDescription::InternalError)) if is_gateway => Self::GatewayStuck,
            Some(AlertReceived(AlertDescription::AccessDenied)) if is_gateway => Self::GatewayFull,
            Some(tls) => Self::of_tls(tls, trusted),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Unreachable("the server hung up in the TLS handshake".to_owned())
            }
            None => Self::Unreachable(deepest(error)),
        }
    }

    /// Seen through that gateway, if there is one.
    pub(super) fn by(self, gateway: Option<&Place>) -> Self {
        match gateway {
            Some(gateway) => Self::Gateway(Box::new(Behind { gateway: gateway.clone(), fault: self })),
            None => self,
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
