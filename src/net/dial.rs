//! From a place to a connection: looks up its addresses, tries them side by side, goes through a proxy where one is on
//! the way.
//!
//! # Why side by side
//!
//! Of two address families one may be dead without saying so. The next address joins in after a moment (RFC 8305), so a
//! dead one costs that moment and not the whole patience; whichever stands first is taken.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use gatepass_contract::span::Span;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::Place;
use super::egress::Egress;
use super::tunnel::{self, ProxyError, ProxyFault};

/// Before the next address joins in (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Bytes in both directions.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// A connection that stands.
pub struct Connected {
    /// To the place, whatever is in between.
    pub pipe: Box<dyn Pipe>,
    /// The address that took it: the place's own, or the proxy's.
    pub address: SocketAddr,
    /// Whether there are other addresses.
    pub has_others: bool,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connected({})", self.address)
    }
}

/// What is known of a place's addresses from before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Experience {
    /// It worked: it goes first.
    pub good: Option<SocketAddr>,
    /// It took connections and did nothing with them: it goes last.
    pub bad: Option<SocketAddr>,
}

impl Experience {
    fn order(self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let mut addresses = alternating(addresses);
        // Stable: everything else stays as the resolver has it.
        addresses.sort_by_key(|address| match Some(*address) {
            known if known == self.good => 0,
            known if known == self.bad => 2,
            _ => 1,
        });
        addresses
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    /// The name does not resolve.
    #[error("the host name cannot be resolved")]
    UnknownHost,
    /// Nothing listens there, or there is no way there.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// It takes too long.
    #[error("it does not answer within {}", Span::from(*.0))]
    Silent(Duration),
    /// The proxy on the way does not do it.
    #[error(transparent)]
    Proxy(Box<ProxyError>),
}

/// Until when what has to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    whole: Duration,
    end: Instant,
}

impl Patience {
    fn new(whole: Duration) -> Self {
        Self { whole, end: Instant::now() + whole }
    }

    pub(super) async fn with<T>(self, what: impl Future<Output = Result<T, NoWay>>) -> Result<T, NoWay> {
        timeout_at(self.end, what).await.unwrap_or(Err(NoWay::Silent(self.whole)))
    }
}

/// Connects to `place`, through the proxy if one is on the way; `patience` for all of it.
pub async fn dial(
    place: &Place,
    egress: &Egress,
    known: Experience,
    patience: Duration,
) -> Result<Connected, NoWay> {
    let patience = Patience::new(patience);
    let Some(proxy) = egress.proxy_to(place) else {
        let (stream, has_others) = patience.with(connect(place, known)).await?;
        let address = peer(&stream)?;
        return Ok(Connected { pipe: Box::new(stream), address, has_others });
    };
    let failed = |fault| NoWay::Proxy(Box::new(ProxyError { proxy: proxy.url.clone(), fault }));
    let reached = patience.with(connect(&proxy.url.place, known)).await;
    let (stream, has_others) = reached.map_err(|no| failed(no.into()))?;
    let address = peer(&stream)?;
    let pipe = patience.with(async { tunnel::through(stream, proxy, place).await.map_err(failed) }).await;
    let pipe = pipe.map_err(|no| match no {
        NoWay::Silent(waited) => failed(ProxyFault::Silent(waited)),
        NoWay::UnknownHost | NoWay::Unreachable(_) | NoWay::Proxy(_) => no,
    })?;
    Ok(Connected { pipe, address, has_others })
}

fn peer(stream: &TcpStream) -> Result<SocketAddr, NoWay> {
    stream.peer_addr().map_err(|error| NoWay::Unreachable(error.to_string()))
}

/// The addresses of a place, in the order in which the system would use them.
pub async fn resolve(place: &Place) -> Result<Vec<SocketAddr>, NoWay> {
    let found = tokio::net::lookup_host((place.host(), place.port())).await;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.map_err(|_| NoWay::UnknownHost)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(NoWay::UnknownHost) } else { Ok(addresses) }
}

async fn connect(place: &Place, known: Experience) -> Result<(TcpStream, bool), NoWay> {
    let addresses = known.order(resolve(place).await?);
    let has_others = addresses.len() > 1;
    let stream = race(addresses).await?;
    stream.set_nodelay(true).map_err(|error| NoWay::Unreachable(words(&error)))?;
    Ok((stream, has_others))
}

/// The families take turns, beginning with the one the system prefers.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let longest = preferred.len().max(other.len());
    let turn = |i| preferred.get(i).into_iter().chain(other.get(i)).copied();
    (0..longest).flat_map(turn).collect()
}

/// The first that stands; the attempts that lost are given up.
async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, NoWay> {
    let is_one = addresses.len() == 1;
    let mut waiting = addresses.into_iter();
    let (mut attempts, mut failed) = (JoinSet::new(), Vec::new());
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let moment = if waiting.len() > 0 { STAGGER } else { Duration::MAX };
        match timeout(moment, attempts.join_next()).await {
            Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Ok(Some(Ok((_, Err(error))))) if is_one => failed.push(words(&error)),
            Ok(Some(Ok((address, Err(error))))) => failed.push(format!("{address}: {}", words(&error))),
            Ok(None) => return Err(NoWay::Unreachable(failed.join(", "))),
            Ok(Some(Err(_))) | Err(_) => {}
        }
    }
}

/// What the system says, without its number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn families_take_turns_and_experience_counts() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]);
        let want = addresses(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(Experience::default().order(found.clone()), want);
        let known = Experience { good: Some(found[2]), bad: Some(found[0]) };
        assert_eq!(known.order(found), addresses(&["[::3]:1", "10.0.0.1:1", "[::2]:1", "[::1]:1"]));
    }

    #[tokio::test]
    async fn who_refuses_costs_no_time_and_all_are_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("bound");
        let shut = addresses(&["127.0.0.1:1", "[::1]:1"]);
        let both = [shut.clone(), vec![open]].concat();
        let stream = timeout(STAGGER, race(both)).await.expect("at once").expect("connected");
        assert_eq!(stream.peer_addr().expect("connected"), open);
        let error = race(shut).await.expect_err("nobody listens").to_string();
        assert!(error.contains("127.0.0.1:1: connection refused") && error.contains("[::1]:1: "), "{error}");
    }
}
