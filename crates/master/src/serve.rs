//! A master that runs: opened from its directory, bound to its port, served until it is told to end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::name::HostName;
use gatepass_contract::pki::Anchors;
use tokio::sync::oneshot;
use tracing::info;

use crate::ca::{self, CaError, Issuer};
use crate::clock;
use crate::config::{Config, NoPassword, ServerName, Surroundings};
use crate::domain::signing::{KeyPurpose, SigningKeyRecord, Slot};
use crate::domain::slots::Planner;
use crate::http::{self, App, Parts};
use crate::init::file;
use crate::notify::{Courier, NotifyError};
use crate::sealed::{KeyEncryptionKey, SealError};
use crate::server::{Server, tls};
use crate::store::{Database, Store, StoreError};
use crate::tasks::{self, Notices, OwnCertificate, Rhythm};

/// Why a master cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is none in that directory.
    #[error("there is no master in {}", .0.display())]
    NoMaster(PathBuf),
    /// The key that seals all others cannot be had.
    #[error("the master's key cannot be used")]
    Seal(#[from] SealError),
    /// The database's password cannot be had.
    #[error(transparent)]
    Password(#[from] NoPassword),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signing key cannot be used.
    #[error("the master's signing keys cannot be used")]
    Ca(#[from] CaError),
    /// The database holds no active key for something.
    #[error("the database holds no active {0} key")]
    NoKey(KeyPurpose),
    /// Notices cannot be sent as configured.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] tls::TlsError),
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A master that listens and answers nobody yet.
pub struct Bound {
    server: Server,
    app: App,
    store: Store,
    courier: Courier,
    rhythm: Rhythm,
    address: SocketAddr,
    /// At which age audit records go.
    retention: Option<Duration>,
}

/// Opens the master in `dir` and takes its port.
pub async fn bind(dir: &Path, config: &Config) -> Result<Bound, ServeError> {
    let store = open(dir, config)?;
    store.settle(clock::now()).await?;
    let kek = key_encryption_key(dir)?;
    let keys = store.signing_keys().await?;
    let issuer = Arc::new(Issuer::open(active(&keys, KeyPurpose::IssuingCa)?, &kek)?);
    let token_key = ca::token_key(active(&keys, KeyPurpose::Token)?, &kek)?;
    let anchors = anchors(&store).await?;
    let own = OwnCertificate::new(Arc::clone(&issuer), own_names(&config.names), clock::now())?;
    let tls = tls::config(Arc::new(own), &anchors)?;
    let listening = Server::bind(config.listen, tls, config.server_limits()).await;
    let cannot = |source| ServeError::Listen { address: config.listen, source };
    let server = listening.map_err(cannot)?;
    let address = server.address().map_err(cannot)?;
    let courier = courier(dir, config, address)?;
    let advance = config.keys.advance_notice;
    store.route_notices(config.notices.routing(advance), clock::now()).await?;
    let app = App::new(Parts {
        rekeys: rekeys(&store, config).await?,
        repeats: kek.derive(REPEATS),
        store: store.clone(),
        issuer,
        token_key,
        jwks: ca::jwks(&keys)?,
        anchors,
        policy: config.policy(),
        capacity: config.capacity(),
        load: server.load(),
    })
    .map_err(CaError::from)?;
    let rhythm = rhythm(config);
    Ok(Bound { server, app, store, courier, rhythm, address, retention: config.audit.retention.age() })
}

/// What links in notices begin with depends on the real port.
fn courier(dir: &Path, config: &Config, address: SocketAddr) -> Result<Courier, NotifyError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Courier::open(&config.notices.settings(Surroundings {
        dir,
        credentials: credentials.as_deref(),
        own_name: &config.names[0],
        own_url: &config.url(address.port()),
    }))
}

fn rhythm(config: &Config) -> Rhythm {
    Rhythm {
        scan_every: config.notices.scan_every.duration(),
        advance: config.keys.advance_notice.duration(),
        retries: config.notices.retries(),
        keep: config.notices.keep.duration(),
    }
}

/// What the key for requests that may come again is derived for.
const REPEATS: &str = "idempotency";

/// Opens the database of the master in `dir`; makes none where there is none.
pub fn open(dir: &Path, config: &Config) -> Result<Store, ServeError> {
    let database = config.database.of(dir)?;
    if let Database::File(path) = &database
        && !path.exists()
    {
        return Err(ServeError::NoMaster(dir.to_owned()));
    }
    Ok(Store::open(&database)?)
}

impl Bound {
    /// Where it listens: the real port if port 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, finishes what was accepted, closes the database.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let pulse = tokio::spawn(tasks::watchdog());
        let lead = self.store.lead();
        let rotation = tokio::spawn(tasks::rotation(self.store.clone(), lead.clone()));
        let retention = tokio::spawn(tasks::retention(self.store.clone(), lead.clone(), self.retention));
        let notices = Notices::new(self.store.clone(), self.courier, lead.clone(), self.rhythm);
        let (end, ended) = oneshot::channel::<()>();
        let notices = tokio::spawn(notices.run(async { drop(ended.await) }));
        self.server.run(http::router(self.app), shutdown).await;
        pulse.abort();
        drop(end);
        // It says itself what went wrong.
        let _ = notices.await;
        rotation.abort();
        retention.abort();
        drop(lead);
        self.store.close().await;
        info!("ended");
    }
}

/// From the systemd credential if there is one, else from the file beside the database.
pub(crate) fn key_encryption_key(dir: &Path) -> Result<KeyEncryptionKey, SealError> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|at| PathBuf::from(at).join(file::KEY));
    let path = credential.filter(|path| path.exists()).unwrap_or_else(|| dir.join(file::KEY));
    KeyEncryptionKey::from_file(&path)
}

fn active(keys: &[SigningKeyRecord], purpose: KeyPurpose) -> Result<&SigningKeyRecord, ServeError> {
    let found = keys.iter().find(|key| key.purpose == purpose && key.slot == Slot::Active);
    found.ok_or(ServeError::NoKey(purpose))
}

async fn anchors(store: &Store) -> Result<Anchors, ServeError> {
    let certificates = store.anchors().await?.into_iter().map(|anchor| anchor.certificate).collect();
    Anchors::new(certificates).ok_or(ServeError::NoKey(KeyPurpose::RootCa))
}

/// The plan as far as it was made before this start.
async fn rekeys(store: &Store, config: &Config) -> Result<Planner, ServeError> {
    let now = clock::now();
    let mut planner = Planner::new(config.profile().lifetime);
    let made = store.rekey_plan(now, planner.width()).await?;
    planner.restore(now, made);
    Ok(planner)
}

fn own_names(names: &[ServerName]) -> (Vec<HostName>, Vec<IpAddr>) {
    let (mut hosts, mut addresses) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            ServerName::Host(host) => hosts.push(host.clone()),
            ServerName::Address(address) => addresses.push(*address),
        }
    }
    (hosts, addresses)
}
