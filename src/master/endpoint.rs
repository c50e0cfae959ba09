//! Where the master is, and what it is trusted by.

use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::Anchors;
use reqwest::Url;

/// Where the master is, and what it is trusted by.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Tried in order; they share one database.
    pub masters: Vec<MasterUrl>,
    /// What the server's certificate has to lead to.
    pub trust: Trust,
    /// `http://proxy:port`; the environment's own proxy settings are not looked at.
    pub proxy: Option<Url>,
    /// Until a connection stands, TLS included.
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
