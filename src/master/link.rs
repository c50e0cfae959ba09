//! One connection: HTTP inside TLS, over whatever leads to the server.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use super::reply::Answer;
use crate::net::Pipe;

/// One connection to a verified server. Whoever holds it may ask; dropped, it is closed.
pub(super) struct Link {
    way: usize,
    sender: SendRequest<Full<Bytes>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.way)
    }
}

/// A request that got no whole answer.
pub(super) enum Lost {
    /// It was never sent: the connection was over already.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It may have arrived.
    Failed(Box<dyn Error + Send + Sync>),
    /// The answer is larger than anything legitimate.
    Oversized,
    /// It took longer than that.
    Late(Duration),
}

impl Link {
    /// TLS over `pipe`, with a server of that name, as `tls` demands it.
    pub(super) async fn open(
        way: usize,
        pipe: Box<dyn Pipe>,
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, std::io::Error> {
        let secured = TlsConnector::from(tls).connect(name, pipe).await?;
        let ready = http1::handshake(TokioIo::new(secured)).await;
        let (sender, connection) = ready.map_err(std::io::Error::other)?;
        // Ends when the sender is dropped; whoever asks is told what goes wrong.
        tokio::spawn(connection);
        Ok(Self { way, sender })
    }

    /// Whether it leads along that way and is not known to be over.
    pub(super) fn serves(&self, way: usize) -> bool {
        self.way == way && !self.sender.is_closed()
    }

    /// Asks and reads the answer to its end, no more than `limit` bytes of it.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, Lost> {
        if self.sender.ready().await.is_err() {
            return Err(Lost::Unsent(Box::new(request)));
        }
        match self.sender.try_send_request(request).await {
            Ok(response) => whole(response, limit).await,
            Err(mut failed) => Err(match failed.take_message() {
                Some(request) => Lost::Unsent(Box::new(request)),
                None => Lost::Failed(failed.into_error().into()),
            }),
        }
    }
}

async fn whole(response: Response<Incoming>, limit: usize) -> Result<Answer, Lost> {
    let (head, body) = response.into_parts();
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Answer::new(&head, body.to_bytes().into())),
        Err(error) if error.is::<LengthLimitError>() => Err(Lost::Oversized),
        Err(error) => Err(Lost::Failed(error)),
    }
}

/// The name a certificate is verified for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Fault> {
    ServerName::try_from(host.to_owned()).map_err(|_| Fault::UnknownHost)
}
