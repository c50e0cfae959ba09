//! Through a proxy: `CONNECT` (RFC 9110, section 9.3.6), and what proxies say instead of letting us through.

use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::span::Span;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dial::{NoWay, Pipe, words};
use super::egress::Proxy;
use super::{Place, ProxyUrl};

/// Why a proxy does not let us through; reads on after `the proxy http://…`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// Its name does not resolve.
    #[error("cannot be found: its host name cannot be resolved")]
    UnknownHost,
    /// Nothing listens there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("does not answer within {}", Span::from(*.0))]
    Silent(Duration),
    /// It is to be spoken to over TLS, and that fails.
    #[error("cannot be spoken to over TLS: {0}")]
    Tls(String),
    /// What answers is no proxy.
    #[error("does not answer like a proxy: {0}")]
    NotAProxy(String),
    /// It wants a credential, and there is none.
    #[error("wants a user and a password (407)")]
    Wants,
    /// It wants a credential of a kind that is not spoken here.
    #[error("wants a credential of another kind than Basic (407): {0}")]
    WantsOther(String),
    /// It does not accept the credential.
    #[error("does not accept the user and password (407)")]
    Denies,
    /// The credential cannot be read.
    #[error("cannot be shown a user and password: {0}")]
    NoCredential(String),
    /// It may not connect us there.
    #[error("refuses to connect to {to} ({status})")]
    Refuses {
        /// Whom we want to reach.
        to: Place,
        /// The HTTP status.
        status: u16,
    },
    /// It cannot connect us there.
    #[error("cannot reach {to} itself ({status})")]
    Stuck {
        /// Whom we want to reach.
        to: Place,
        /// The HTTP status.
        status: u16,
    },
}

/// A proxy that does not do what it is there for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy {proxy} {fault}")]
pub struct ProxyError {
    /// Which one.
    pub proxy: ProxyUrl,
    /// Why not.
    pub fault: ProxyFault,
}

impl ProxyFault {
    /// Whether a person has to change something, however long one waits.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Tls(_)
            | Self::NotAProxy(_)
            | Self::Wants
            | Self::WantsOther(_)
            | Self::Denies
            | Self::NoCredential(_)
            | Self::Refuses { .. } => true,
            Self::UnknownHost | Self::Unreachable(_) | Self::Silent(_) | Self::Stuck { .. } => false,
        }
    }

    /// What a person should try.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownHost => "check the spelling of `proxy` and this host's name service",
            Self::Unreachable(_) | Self::Silent(_) => {
                "check `proxy` (or https_proxy in the environment), and that the proxy runs; `proxy = \"none\"` does without"
            }
            Self::Tls(_) => {
                "an https:// proxy needs a certificate that this system trusts; most proxies are http:// ones, and nothing is lost: the master is spoken to over TLS in any case"
            }
            Self::NotAProxy(_) => "check the port in `proxy`: something else answers there",
            Self::Wants | Self::NoCredential(_) => {
                "write user:password into a file that only the agent may read, and name it with `proxy_auth_file`"
            }
            Self::WantsOther(_) => "let the proxy accept Basic for this host, or exempt the host there",
            Self::Denies => "correct the user and password in the file that `proxy_auth_file` names",
            Self::Refuses { .. } => {
                "let the proxy allow CONNECT to the master's host and port, or exempt the master with `no_proxy`"
            }
            Self::Stuck { .. } => {
                "check that the master runs and that the proxy can reach it, or exempt the master with `no_proxy`"
            }
        }
    }
}

impl From<NoWay> for ProxyFault {
    fn from(no: NoWay) -> Self {
        match no {
            NoWay::UnknownHost => Self::UnknownHost,
            NoWay::Unreachable(why) => Self::Unreachable(why),
            NoWay::Silent(waited) => Self::Silent(waited),
            NoWay::Proxy(error) => error.fault,
        }
    }
}

/// Has the proxy at the other end of `stream` connect us to `to`.
pub(super) async fn through(
    stream: TcpStream,
    proxy: &Proxy,
    to: &Place,
) -> Result<Box<dyn Pipe>, ProxyFault> {
    if proxy.url.tls {
        ask(secured(stream, &proxy.url.place).await?, proxy, to).await
    } else {
        ask(stream, proxy, to).await
    }
}

/// The proxy's own certificate is the system's business: its CA and its clock.
async fn secured(stream: TcpStream, place: &Place) -> Result<impl Pipe + 'static, ProxyFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ProxyFault::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(place.host().to_owned()).map_err(|_| ProxyFault::UnknownHost)?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.map_err(|error| ProxyFault::Tls(words(&error)))
}

async fn ask(stream: impl Pipe + 'static, proxy: &Proxy, to: &Place) -> Result<Box<dyn Pipe>, ProxyFault> {
    let (request, has_credential) = request(proxy, to)?;
    let broken = |error: hyper::Error| ProxyFault::NotAProxy(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with the connection, or hands it over.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request).await.map_err(broken)?;
    match answer.status().as_u16() {
        200..300 => {
            let upgraded = hyper::upgrade::on(answer).await.map_err(broken)?;
            Ok(Box::new(TokioIo::new(upgraded)))
        }
        407 => Err(unauthorised(answer.headers(), has_credential)),
        status @ 500.. => Err(ProxyFault::Stuck { to: to.clone(), status }),
        status => Err(ProxyFault::Refuses { to: to.clone(), status }),
    }
}

fn request(proxy: &Proxy, to: &Place) -> Result<(Request<Empty<Bytes>>, bool), ProxyFault> {
    let credential = proxy.credential.header().map_err(ProxyFault::NoCredential)?;
    let mut request = Request::connect(to.to_string())
        .header(HOST, to.to_string())
        .header(USER_AGENT, concat!("gatepass/", env!("CARGO_PKG_VERSION")));
    if let Some(credential) = &credential {
        request = request.header(PROXY_AUTHORIZATION, credential.as_str());
    }
    let request = request.body(Empty::new()).expect("a place makes a target, and Base64 a header");
    Ok((request, credential.is_some()))
}

fn unauthorised(headers: &HeaderMap, had_credential: bool) -> ProxyFault {
    let schemes: Vec<&str> = headers
        .get_all(PROXY_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split_whitespace().next())
        .collect();
    if !schemes.is_empty() && !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")) {
        ProxyFault::WantsOther(schemes.join(", ").chars().take(80).collect())
    } else if had_credential {
        ProxyFault::Denies
    } else {
        ProxyFault::Wants
    }
}
