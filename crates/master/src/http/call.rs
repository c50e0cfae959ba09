//! One request, read whole and within bounds, before anything is believed about it.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use gatepass_contract::id::RequestId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::App;
use super::failure::Failure;
use crate::server::Peer;

/// What is known of a request as soon as its head is here; in its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Names it in the answer, the log and the audit.
    pub(crate) id: RequestId,
    /// When its head came in.
    pub(crate) at: UnixTime,
    /// From where: beyond the proxies we trust.
    pub(crate) from: IpAddr,
}

/// Bounds on a request's body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes.
    pub bytes: usize,
    /// For all of it to arrive.
    pub time: Duration,
}

/// A request with its body.
pub(crate) struct Call {
    pub(crate) arrival: Arrival,
    pub(crate) peer: Peer,
    pub(crate) body: Bytes,
    parts: Parts,
}

impl FromRequest<App> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let missing = || Failure::internal("a request arrived past the outermost layer");
        let arrival = parts.extensions.remove::<Arrival>().ok_or_else(missing)?;
        let peer = parts.extensions.remove::<Peer>().ok_or_else(missing)?;
        let body = read(&parts.headers, body, app.policy.body).await?;
        Ok(Self { arrival, peer, body, parts })
    }
}

async fn read(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, Failure> {
    let too_large =
        || Failure::open(Code::BodyTooLarge, format!("a request body has at most {} bytes", limits.bytes));
    // Known beforehand: refused without reading any of it.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limits.bytes) {
        return Err(too_large());
    }
    match timeout(limits.time, Limited::new(body, limits.bytes).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            Err(Failure::open(Code::BadRequest, format!("the request body broke off: {error}")))
        }
        Err(_) => Err(Failure::open(Code::Timeout, "the request body took too long to arrive")),
    }
}

impl Call {
    /// `POST`.
    pub(crate) fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    /// Without the query.
    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// With the query.
    pub(crate) const fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// What stands behind `Bearer` in the one Authorization header, if there is one.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let mut all = self.parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(only), None) = (all.next(), all.next()) else { return None };
        let (scheme, credential) = only.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
    }

    /// What stands in a header, its lines joined as a list; `None` without one.
    pub(crate) fn header_values(&self, name: &str) -> Result<Option<String>, Failure> {
        let lines = self.parts.headers.get_all(name).iter().map(|line| line.to_str());
        let lines = lines.collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|_| Failure::open(Code::BadRequest, format!("{name} is no plain text")))?;
        Ok((!lines.is_empty()).then(|| lines.join(", ")))
    }

    /// All that was asked, in an unambiguous form.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let target = self.parts.uri.path_and_query().map_or("", |target| target.as_str());
        [self.method().as_bytes(), b" ", target.as_bytes(), b"\n", &self.body].concat()
    }

    /// The query, which must be exactly what is asked for.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let query = Query::<T>::try_from_uri(self.uri());
        query.map(|Query(query)| query).map_err(|error| {
            Failure::open(Code::BadRequest, format!("the query is not as expected: {}", error.body_text()))
        })
    }

    /// The body, if there is one; it may be left out.
    pub(crate) fn optional_json<T: DeserializeOwned + Default>(&self) -> Result<T, Failure> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The body, which must say it is JSON and be exactly what is asked for.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let kind = self.parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Failure::open(Code::MediaType, "the request body is not declared as JSON"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::open(Code::BadRequest, format!("the request body is not as expected: {error}"))
        })
    }
}

/// Where a request really comes from: the peer, or what a proxy we trust says, as far left as trust reaches.
pub(crate) fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut from = peer.to_canonical();
    if trusted.is_empty() {
        return from;
    }
    let values: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut hops = values.iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    while is_trusted(&from) {
        let Some(hop) = hops.next().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) else { break };
        from = hop.to_canonical();
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_address_counts_only_as_far_as_trust_reaches() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        for (peer, forwarded, want) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.2.2"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().expect("a header value"));
            }
            let from = origin(peer.parse().expect("an address"), &headers, &trusted);
            assert_eq!(from.to_string(), want, "{peer} {forwarded:?}");
        }
    }
}
