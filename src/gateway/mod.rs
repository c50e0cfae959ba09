//! Relays for hosts that have no way of their own to the master.
//!
//! Bytes come from an agent and go to one of the configured masters, never anywhere else, and the other way round. TLS is
//! between agent and master: nothing that passes here can be read or changed. A task beside the daemon, which it neither
//! waits for nor holds up.
//!
//! # Why straight on
//!
//! A gateway goes to the master itself, through its proxy if it has one, and never by way of another gateway: so two of
//! them cannot lead to each other in a circle.
//!
//! # Why no PROXY protocol
//!
//! The master sees the gateway's address instead of the agent's, in its audit and when it looks at the networks of an API
//! key. A header in front of TLS that says otherwise would have to be believed from every gateway, and could be written by
//! everybody who can reach the master. Who an agent is, its proof says.

mod relay;
mod settings;
mod tally;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use crate::clock::{Clock as _, SystemClock};
use crate::net::{Connected, Egress, Experience, Place, dial};

pub use settings::{GatewayId, Idle, Settings};
use tally::Coarse;
pub use tally::Tally;

/// What one relay needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What is configured of it.
    pub settings: Settings,
    /// Where connections go: the first that takes them, beginning with the one that did last.
    pub masters: Vec<Place>,
    /// How this host gets out.
    pub egress: Egress,
    /// Until a master takes a connection.
    pub connect_timeout: Duration,
}

/// A relay has nowhere to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a [gateway] relays to the masters in `masters`, and there are none")]
pub struct NoMasters;

impl Plan {
    /// `None` where the configuration wants no relay.
    pub fn of(
        settings: &Settings,
        masters: &[MasterUrl],
        egress: Egress,
        connect_timeout: Duration,
    ) -> Result<Option<Self>, NoMasters> {
        let Some(listen) = settings.listen else { return Ok(None) };
        let masters: Vec<_> = masters.iter().filter_map(|url| Place::of(&url.at(""))).collect();
        if masters.is_empty() {
            return Err(NoMasters);
        }
        Ok(Some(Self { listen, settings: settings.clone(), masters, egress, connect_timeout }))
    }
}

/// A relay at work; dropped, it accepts nothing more, and what is on its way is carried to its end.
#[derive(Debug)]
pub struct Gateway {
    plan: Plan,
    tally: Arc<Tally>,
    accepting: JoinHandle<()>,
}

impl Gateway {
    /// Listens as soon as the port is free, and relays. What goes wrong is logged; nobody waits for it.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let tally = Arc::new(Tally::new(plan.settings.id.clone(), plan.listen));
        let accepting = tokio::spawn(run(plan.clone(), Arc::clone(&tally)));
        Self { plan, tally, accepting }
    }

    /// The one that fits `plan`: `running` where it does already, so that a reload cuts nothing off.
    pub async fn adjust(running: Option<Self>, plan: Option<Plan>) -> Option<Self> {
        match running {
            Some(running) if plan.as_ref() == Some(&running.plan) => Some(running),
            Some(running) => {
                running.stop().await;
                plan.map(Self::start)
            }
            None => plan.map(Self::start),
        }
    }

    /// What it has done so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Returns when the port is free again.
    async fn stop(mut self) {
        self.accepting.abort();
        // Cancelled is what it is meant to be.
        _ = (&mut self.accepting).await;
        info!(listen = %self.plan.listen, "gateway stopped");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Before the port is tried again.
const AGAIN: Duration = Duration::from_secs(5);

async fn run(plan: Plan, tally: Arc<Tally>) {
    let listener = bound(&plan, &tally).await;
    tally.listens(listener.local_addr().unwrap_or(plan.listen));
    info!(listen = %plan.listen, id = %plan.settings.id, masters = plan.masters.len(), "gateway listens");
    let most = usize::from(plan.settings.max_connections.get());
    let places = Arc::new(Semaphore::new(most));
    let farewells = Arc::new(Semaphore::new(FAREWELLS));
    let relay = Arc::new(Relay { plan, tally, best: AtomicUsize::new(0), farewells });
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => drop(tokio::spawn(Arc::clone(&relay).serve(stream, from, place))),
                Err(_) => relay.refuse(stream, from),
            },
            // Mostly too many open files: without a pause this would be a busy loop until one is closed.
            Err(error) => {
                warn!(%error, "the gateway cannot accept a connection");
                SystemClock.sleep(AGAIN).await;
            }
        }
    }
}

async fn bound(plan: &Plan, tally: &Tally) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(plan.listen).await {
            Ok(listener) => return listener,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    error!(%error, listen = %plan.listen, "the gateway cannot listen; it tries again");
                }
                tally.cannot_listen(&error);
            }
        }
        SystemClock.sleep(AGAIN).await;
    }
}

/// What all connections share.
struct Relay {
    plan: Plan,
    tally: Arc<Tally>,
    /// The master that worked last.
    best: AtomicUsize,
    /// Who is refused is told why, as long as there are not too many of them.
    farewells: Arc<Semaphore>,
}

impl Relay {
    async fn serve(self: Arc<Self>, agent: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let _open = self.tally.open();
        if let Some((number, master)) = self.reach().await {
            self.relay(agent, from, number, master).await;
        } else {
            self.tally.stuck();
            farewell(agent, INTERNAL_ERROR).await;
        }
        drop(place);
    }

    async fn relay(&self, agent: TcpStream, from: SocketAddr, number: usize, master: Connected) {
        // Records are to arrive as they were sent; where that cannot be asked for, they only arrive later.
        _ = agent.set_nodelay(true);
        let carried = relay::carry(agent, master.pipe, self.plan.settings.idle_timeout.duration()).await;
        self.tally.relayed();
        debug!(%from, master = number, asked = carried.asked, answered = carried.answered, "relayed");
        // Who takes connections and says nothing is no better than who takes none.
        if carried.asked > 0 && carried.answered == 0 {
            self.best.store((number + 1) % self.plan.masters.len(), Ordering::Relaxed);
        }
    }

    async fn reach(&self) -> Option<(usize, Connected)> {
        let masters = &self.plan.masters;
        let first = self.best.load(Ordering::Relaxed);
        for number in (0..masters.len()).map(|turn| (first + turn) % masters.len()) {
            let (place, egress) = (&masters[number], &self.plan.egress);
            match dial(place, egress, Experience::default(), self.plan.connect_timeout).await {
                Ok(connected) => {
                    self.best.store(number, Ordering::Relaxed);
                    return Some((number, connected));
                }
                Err(error) => self.coarsely(
                    Coarse::Stuck,
                    || warn!(master = %place, %error, "the gateway cannot reach a master"),
                ),
            }
        }
        None
    }

    fn refuse(&self, agent: TcpStream, from: SocketAddr) {
        let (refused, most) = (self.tally.refused(), self.plan.settings.max_connections);
        self.coarsely(
            Coarse::Full,
            || warn!(%from, refused, most, "the gateway is full and refuses connections"),
        );
        if let Ok(permit) = Arc::clone(&self.farewells).try_acquire_owned() {
            tokio::spawn(async move {
                farewell(agent, ACCESS_DENIED).await;
                drop(permit);
            });
        }
    }

    /// Once a minute at most of each kind, however many there are.
    fn coarsely(&self, kind: Coarse, tell: impl FnOnce()) {
        if self.tally.may_tell(kind, SystemClock.boot()) {
            tell();
        }
    }
}

/// A fatal TLS alert (RFC 8446, section 6), so that the agent can say why: nothing else of TLS is spoken here. What it
/// sent is read first, and the end of it waited for: a connection that is closed over unread bytes is reset, and the
/// alert may be lost with it.
async fn farewell(mut agent: TcpStream, alert: u8) {
    let say = async {
        let mut greeting = [0; 2048];
        _ = agent.read(&mut greeting).await?;
        agent.write_all(&[21, 3, 3, 0, 2, 2, alert]).await?;
        agent.shutdown().await?;
        while agent.read(&mut greeting).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Who does not listen need not know.
    _ = timeout(PATIENCE, say).await;
}

/// How many may be told at once why they are refused, and how long each of them may take.
const FAREWELLS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(2);

const ACCESS_DENIED: u8 = 49;
const INTERNAL_ERROR: u8 = 80;
