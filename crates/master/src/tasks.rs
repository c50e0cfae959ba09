//! Periodic work: the master's own certificate, and telling systemd that all is well.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::name::HostName;
use gatepass_contract::time::{UnixTime, Validity};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use sd_notify::NotifyState;
use tracing::{error, info};

use crate::ca::{CaError, Issuer, ServerCertificate};
use crate::clock;
use crate::server::tls::Presented;

/// The certificate the master shows: made in memory at each start, replaced long before it ends.
pub struct OwnCertificate {
    issuer: Arc<Issuer>,
    names: (Vec<HostName>, Vec<IpAddr>),
    presented: Arc<Presented>,
    validity: Validity,
}

impl OwnCertificate {
    /// Makes the first one.
    pub fn new(
        issuer: Arc<Issuer>,
        names: (Vec<HostName>, Vec<IpAddr>),
        now: UnixTime,
    ) -> Result<Self, CaError> {
        let made = make(&issuer, &names, now)?;
        let validity = made.validity;
        Ok(Self { presented: Presented::new(certified(made)?), issuer, names, validity })
    }

    /// What new connections are shown.
    #[must_use]
    pub fn presented(&self) -> Arc<Presented> {
        Arc::clone(&self.presented)
    }

    /// Replaces it whenever two thirds of its time are over. Runs for ever; may be dropped at any time.
    pub async fn keep(mut self) {
        loop {
            // Timers do not count the time a machine is suspended: look again, and not only when it is due.
            clock::sleep(LOOK_EVERY).await;
            let now = clock::now();
            if now < self.validity.at_percent(67) && self.validity.holds(now) {
                continue;
            }
            match self.replace(now) {
                Ok(()) => info!(until = %self.validity.until(), "the master's own certificate was replaced"),
                Err(error) => error!(%error, "the master's own certificate cannot be replaced"),
            }
        }
    }

    fn replace(&mut self, now: UnixTime) -> Result<(), CaError> {
        let made = make(&self.issuer, &self.names, now)?;
        self.validity = made.validity;
        self.presented.replace(certified(made)?);
        Ok(())
    }
}

const LOOK_EVERY: Duration = Duration::from_mins(10);
const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// For clients whose clocks are behind.
const BACKDATE: Duration = Duration::from_hours(1);

fn make(
    issuer: &Issuer,
    (host_names, addresses): &(Vec<HostName>, Vec<IpAddr>),
    now: UnixTime,
) -> Result<ServerCertificate, CaError> {
    let wished = Validity::new(now - BACKDATE, now + LIFETIME).ok_or(CaError::Damaged)?;
    let granted = wished.and(issuer.validity()).ok_or(CaError::Damaged)?;
    issuer.server_certificate(host_names, addresses, granted)
}

fn certified(made: ServerCertificate) -> Result<CertifiedKey, CaError> {
    let key = any_supported_type(&made.key).map_err(|_| CaError::Damaged)?;
    Ok(CertifiedKey::new(made.chain, key))
}

/// Tells systemd twice in each interval it asks for that this process is alive; returns at once if it does not ask.
pub async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        clock::sleep(interval / 2).await;
    }
}

/// Tells systemd something, if it is there.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        error!(%error, "systemd cannot be told");
    }
}
