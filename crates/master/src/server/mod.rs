//! Accepts connections, bounded in number and in time, and hands their requests to a router.
//!
//! Invariant: a request whose head has arrived is answered before the server ends, within [`Limits::drain`].

mod progress;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use gatepass_contract::span::Span;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;
use tracing::{debug, info, warn};

use progress::Progress;

/// Bounds on what strangers can make the server hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel.
    pub connections: u32,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a request's head, also on a connection that is kept open.
    pub header: Duration,
    /// Without anything moving in either direction.
    pub idle: Duration,
    /// For the requests that are under way when the server is told to end.
    pub drain: Duration,
}

/// Who is at the other end of a connection; in the extensions of each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it comes from: a client, or a proxy.
    pub address: SocketAddr,
    /// What it showed in the handshake, leaf first: verified against our root. Empty without.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// A bound listener. Cheap to clone is only its [`Load`].
pub struct Server {
    listener: TcpListener,
    tls: TlsAcceptor,
    limits: Limits,
    places: Arc<Semaphore>,
}

/// How many connections are open.
#[derive(Clone)]
pub struct Load {
    places: Arc<Semaphore>,
    most: u32,
}

impl Load {
    /// Right now.
    #[must_use]
    pub fn connections(&self) -> usize {
        (self.most as usize).saturating_sub(self.places.available_permits())
    }
}

impl Server {
    /// Takes the port; nobody is answered yet.
    pub async fn bind(at: SocketAddr, tls: rustls::ServerConfig, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(at).await?,
            tls: TlsAcceptor::from(Arc::new(tls)),
            limits,
            places: Arc::new(Semaphore::new(limits.connections as usize)),
        })
    }

    /// Where it listens: the real port if port 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// For the metrics.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { places: Arc::clone(&self.places), most: self.limits.connections }
    }

    /// Serves until `shutdown`, then finishes what it has accepted.
    pub async fn run(self, router: Router, shutdown: impl Future<Output = ()>) {
        let (ending, ended) = watch::channel(());
        let connection = Connection { tls: self.tls, limits: self.limits, router, ended };
        let accepting = accept_all(&self.listener, &self.places, &connection);
        tokio::select! { () = shutdown => {}, () = accepting => {} }
        drop(self.listener);
        drop(ending);
        info!(
            connections = connection.limits.connections as usize - self.places.available_permits(),
            "ending"
        );
        let all = self.places.acquire_many(connection.limits.connections);
        if timeout(connection.limits.drain, all).await.is_err() {
            warn!(after = %Span::from(connection.limits.drain), "requests under way were cut off");
        }
    }
}

/// Runs for ever; may be dropped at any time: what was accepted lives in tasks of its own.
async fn accept_all(listener: &TcpListener, places: &Arc<Semaphore>, connection: &Connection) {
    loop {
        let place = Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, address)) => drop(tokio::spawn(connection.clone().serve(stream, address, place))),
            // Mostly too many open files: without a pause this would be a busy loop until one is closed.
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                _ = timeout(PAUSE, std::future::pending::<()>()).await;
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(100);

/// All that a connection needs. Cheap to clone.
#[derive(Clone)]
struct Connection {
    tls: TlsAcceptor,
    limits: Limits,
    router: Router,
    /// Fails when the server ends.
    ended: watch::Receiver<()>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        match timeout(self.limits.handshake, self.shake_hands(stream)).await {
            Ok(Ok(Some(stream))) => self.converse(stream, address).await,
            Ok(Ok(None)) => debug!(%address, "plain HTTP on the TLS port"),
            Ok(Err(error)) => debug!(%address, %error, "the TLS handshake failed"),
            Err(_) => debug!(%address, "the TLS handshake took too long"),
        }
        drop(place);
    }

    /// `None` for a client that does not speak TLS: it was told so.
    async fn shake_hands(&self, mut stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            stream.write_all(SPEAK_TLS).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        self.tls.accept(stream).await.map(Some)
    }

    async fn converse(mut self, stream: TlsStream<TcpStream>, address: SocketAddr) {
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let peer = Peer {
            address,
            certificates: certificates.iter().cloned().map(CertificateDer::into_owned).collect(),
        };
        let router = self.router;
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().call(request)
        });
        let stream = TokioIo::new(Progress::new(stream, self.limits.idle));
        let conversation = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .serve_connection(stream, answer);
        tokio::pin!(conversation);
        let outcome = tokio::select! {
            outcome = conversation.as_mut() => outcome,
            _ = self.ended.changed() => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = outcome {
            debug!(%address, %error, "the connection ended early");
        }
    }
}

/// A TLS connection begins with a byte no HTTP method begins with, so the mistake is recognised for sure.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 59\r\n\r\nThis port speaks HTTPS only: write https:// in the address\n";
