//! The master's own affairs: the certificate it shows, and telling systemd that all is well.

mod notices;
mod retention;
mod rotation;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_contract::name::HostName;
use gatepass_contract::time::{UnixTime, Validity};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sd_notify::NotifyState;
use tracing::{error, info};

use crate::ca::{CaError, Issuer};
use crate::clock;

pub use notices::{Notices, Rhythm};
pub use retention::retention;
pub use rotation::rotation;

/// The certificate the master shows, made in memory. It is replaced when it is next shown after two thirds of its time,
/// and at once when the master's clock was set to a time at which it is not good.
///
/// # Why not in a task of its own
///
/// One that sleeps in between would leave the master without a good certificate from the moment its clock is set until
/// it wakes. A replacement costs one handshake in some weeks a fraction of a millisecond.
pub struct OwnCertificate {
    issuer: Arc<Issuer>,
    names: (Vec<HostName>, Vec<IpAddr>),
    shown: Mutex<Shown>,
}

struct Shown {
    certificate: Arc<CertifiedKey>,
    validity: Validity,
}

impl OwnCertificate {
    /// Makes the first one.
    pub fn new(
        issuer: Arc<Issuer>,
        names: (Vec<HostName>, Vec<IpAddr>),
        now: UnixTime,
    ) -> Result<Self, CaError> {
        let shown = Mutex::new(make(&issuer, &names, now)?);
        Ok(Self { issuer, names, shown })
    }

    fn at(&self, now: UnixTime) -> Arc<CertifiedKey> {
        // Nothing that holds this lock can be left half done.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !shown.validity.holds(now) || now >= shown.validity.at_percent(67) {
            match make(&self.issuer, &self.names, now) {
                Ok(next) => {
                    info!(until = %next.validity.until(), "the master's own certificate was replaced");
                    *shown = next;
                }
                Err(error) => error!(%error, "the master's own certificate cannot be replaced"),
            }
        }
        Arc::clone(&shown.certificate)
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(clock::now()))
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate")
    }
}

const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// For clients whose clocks are behind.
const BACKDATE: Duration = Duration::from_hours(1);

fn make(
    issuer: &Issuer,
    (host_names, addresses): &(Vec<HostName>, Vec<IpAddr>),
    now: UnixTime,
) -> Result<Shown, CaError> {
    let wished = Validity::new(now - BACKDATE, now + LIFETIME).ok_or(CaError::Damaged)?;
    let granted = wished.and(issuer.validity()).ok_or(CaError::Damaged)?;
    let made = issuer.server_certificate(host_names, addresses, granted)?;
    let key = any_supported_type(&made.key).map_err(|_| CaError::Damaged)?;
    Ok(Shown { certificate: Arc::new(CertifiedKey::new(made.chain, key)), validity: made.validity })
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
