//! The way to each place that is connected to: its name, each of its addresses, this host's own address on the way.
//!
//! Everything at once: an address that swallows what is sent to it costs one connect timeout, however many there are.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatepass_contract::span::Span;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::finding::{Finding, Severity};
use super::id::Id;

/// A place that connections are made to on the way to a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// `master`, `proxy` or `gateway`.
    pub what: &'static str,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What one place is like.
pub(super) async fn explore(way: Way, limit: Duration) -> Vec<Finding> {
    let Way { what, host, port } = &way;
    let found = timeout(limit, lookup_host((host.as_str(), *port))).await;
    let mut addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return vec![unresolved(&way, &error.to_string())],
        Err(_) => {
            let why = format!("the name service does not answer within {}", Span::from(limit));
            return vec![unresolved(&way, &why)];
        }
    };
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return vec![unresolved(&way, "it has no address")];
    }
    let mut findings = Vec::new();
    if host.parse::<IpAddr>().is_err() {
        let listed: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
        findings.push(Finding::fine(Id::NameResolved, format!("{what} {host} is {}", listed.join(", "))));
    }
    let reached = connect(&addresses, limit).await;
    let any = reached.iter().any(|(_, reached)| reached.is_ok());
    findings.extend(reached.into_iter().map(|(address, reached)| said(&way, address, reached, any)));
    findings
}

fn unresolved(way: &Way, why: &str) -> Finding {
    Finding::broken(Id::NameUnresolved, format!("{} {} cannot be resolved: {why}", way.what, way.host))
}

type Reached = (SocketAddr, io::Result<IpAddr>);

/// Each address by itself; the address of this host that leads there.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Vec<Reached> {
    let mut tries = JoinSet::new();
    for &address in addresses {
        tries.spawn(async move {
            let silent =
                || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {}", Span::from(limit)));
            let stream = timeout(limit, TcpStream::connect(address)).await.unwrap_or_else(|_| Err(silent()));
            (address, stream.and_then(|stream| stream.local_addr()).map(|local| local.ip()))
        });
    }
    let mut reached = tries.join_all().await;
    reached.sort_unstable_by_key(|(address, _)| *address);
    reached
}

fn said(way: &Way, address: SocketAddr, reached: io::Result<IpAddr>, any: bool) -> Finding {
    let place = format!("{} {}: {address}", way.what, way.host);
    let error = match reached {
        Ok(from) => return Finding::fine(Id::AddressReached, format!("{place} can be reached, from {from}")),
        Err(error) => error,
    };
    let no_way = matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable
    );
    let id = if no_way { Id::RouteNone } else { Id::AddressUnreachable };
    let severity = match any {
        false => Severity::Broken,
        // A name for this very host: few programs listen on both.
        true if address.ip().is_loopback() => Severity::Fine,
        true => Severity::Warning,
    };
    Finding::broken(id, format!("{place} cannot be reached: {error}")).as_bad_as(severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_is_as_bad_as_there_is_no_other() {
        let way = Way { what: "master", host: "m".to_owned(), port: 1 };
        let refused = |kind: io::ErrorKind| Err(io::Error::from(kind));
        let outside: SocketAddr = "192.0.2.1:1".parse().expect("an address");
        let inside: SocketAddr = "[::1]:1".parse().expect("an address");
        for (address, kind, any, want) in [
            (outside, io::ErrorKind::ConnectionRefused, false, (Id::AddressUnreachable, Severity::Broken)),
            (outside, io::ErrorKind::ConnectionRefused, true, (Id::AddressUnreachable, Severity::Warning)),
            (outside, io::ErrorKind::NetworkUnreachable, true, (Id::RouteNone, Severity::Warning)),
            (inside, io::ErrorKind::ConnectionRefused, true, (Id::AddressUnreachable, Severity::Fine)),
            (inside, io::ErrorKind::TimedOut, false, (Id::AddressUnreachable, Severity::Broken)),
        ] {
            let found = said(&way, address, refused(kind), any);
            assert_eq!((found.id, found.severity), want, "{address} {kind}");
        }
    }
}
