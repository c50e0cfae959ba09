//! Where the master is, how to get there, and what it is trusted by.

use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::MASTER_BEHIND_GATEWAY;
use gatepass_contract::pki::Anchors;

use crate::net::{Egress, Place};

/// Where the master is, how to get there, and what it is trusted by.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Tried in order; they share one database.
    pub masters: Vec<MasterUrl>,
    /// Relays on the way there, tried in order; straight to the masters where there are none.
    pub gateways: Vec<Place>,
    /// How this host gets out.
    pub egress: Egress,
    /// What the server's certificate has to lead to.
    pub trust: Trust,
    /// Until a connection stands; as long again for TLS.
    pub connect_timeout: Duration,
    /// Until an answer is complete.
    pub timeout: Duration,
}

/// What a master's certificate has to lead to.
#[derive(Debug, Clone)]
pub enum Trust {
    /// These anchors.
    Pinned(Anchors),
    /// The anchor with this fingerprint, of its public key info or of the whole certificate. The server hands it out
    /// itself; only the fingerprint makes it good.
    Fingerprint(Sha256),
    /// Whatever this system trusts.
    System,
}

/// One way to a master. Which master a gateway leads to is the gateway's choice: any of those that are known will do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// Its number among all ways.
    pub(super) number: usize,
    /// Whose URL is asked for.
    pub(super) master: &'a MasterUrl,
    /// Who is connected to instead.
    pub(super) gateway: Option<&'a Place>,
}

impl Endpoint {
    /// Behind a gateway the master may have a name that nobody here knows: it has the reserved one in any case.
    pub(super) fn complete(mut self) -> Self {
        if self.masters.is_empty() && !self.gateways.is_empty() {
            let reserved = format!("https://{MASTER_BEHIND_GATEWAY}");
            self.masters.push(reserved.parse().expect("a URL of ours"));
        }
        self
    }

    /// How many ways there are.
    pub(super) fn ways(&self) -> usize {
        if self.gateways.is_empty() { self.masters.len() } else { self.gateways.len() }
    }

    /// The way with that number.
    pub(super) fn way(&self, number: usize) -> Option<Way<'_>> {
        if self.gateways.is_empty() {
            return Some(Way { number, master: self.masters.get(number)?, gateway: None });
        }
        Some(Way { number, master: self.masters.first()?, gateway: Some(self.gateways.get(number)?) })
    }
}
