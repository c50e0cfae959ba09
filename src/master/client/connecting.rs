//! From a way to a connection whose TLS stands.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::time::timeout;

use super::{Client, place};
use crate::master::endpoint::Way;
use crate::master::fault::Fault;
use crate::master::link::{Link, server_name};
use crate::net::{Connected, Egress, Experience, dial};

impl Client {
    /// A host may have an address that takes connections and then says nothing: that one goes last from now on.
    pub(super) async fn connect(&self, tls: &Arc<ClientConfig>, way: Way<'_>) -> Result<Link, Fault> {
        let first = self.try_connect(tls, way).await;
        match first {
            Err(Unlinked::Hung { has_others: true, .. }) => self.try_connect(tls, way).await,
            first => first,
        }
        .map_err(|unlinked| match unlinked {
            Unlinked::Hung { fault, .. } | Unlinked::Failed(fault) => fault,
        })
    }

    async fn try_connect(&self, tls: &Arc<ClientConfig>, way: Way<'_>) -> Result<Link, Unlinked> {
        let (host, place) = (place(way.master)?, way.gateway.cloned());
        let (known, patience) = (self.session().known, self.endpoint.connect_timeout);
        let egress = if way.gateway.is_some() { &Egress::default() } else { &self.endpoint.egress };
        let connected = dial(place.as_ref().unwrap_or(&host), egress, known, patience).await;
        let Connected { pipe, address, has_others } = connected.map_err(Fault::from)?;
        let opening = Link::open(way.number, pipe, server_name(host.host())?, Arc::clone(tls));
        let fault = match timeout(patience, opening).await {
            Ok(Ok(link)) => {
                self.session().known.good = Some(address);
                return Ok(link);
            }
            Ok(Err(error)) => Fault::of_handshake(&error, self.trusted(), way.gateway.is_some()),
            Err(_) => Fault::Silent(patience),
        };
        if !matches!(fault, Fault::Silent(_) | Fault::Unreachable(_)) {
            return Err(fault.into());
        }
        self.session().known = Experience { good: None, bad: Some(address) };
        Err(Unlinked::Hung { fault, has_others })
    }
}

/// Why TLS does not stand.
enum Unlinked {
    /// The address took the connection and then hung up or said nothing.
    Hung { fault: Fault, has_others: bool },
    /// Another address would do no better.
    Failed(Fault),
}

impl From<Fault> for Unlinked {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}
