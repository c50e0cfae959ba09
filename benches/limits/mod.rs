//! The limit: what the primitives cost that an issue cannot do without, measured one by one, without Gatepass around them.
//!
//! Each is CPU time of the side the master is on, one thread, microseconds. Parsing HTTP and JSON, checking the API key,
//! waking tasks and threads are not among them: that, and everything else, is what the ratio to the limit is about.

mod commit;
mod signing;
mod tcp;
mod tls;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use commit::Database;
use signing::Signing;
use tls::Handshake;

use crate::figures::Figure;

/// One round, in microseconds for one issue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Full TLS 1.3 handshake, request, answer, close.
    tls: f64,
    /// The same bytes through the kernel, without TLS: accept, reads, writes, close.
    tcp: f64,
    /// Certification request parsed, its signature checked.
    csr: f64,
    /// Certificate built and signed.
    certificate: f64,
    /// JWT encoded and signed.
    token: f64,
    /// Proof decoded, its signature verified: renewals only.
    proof: f64,
    /// Rows written and synced, as many as an enrolment needs, a group of enrolments at once.
    commit: f64,
    /// Not CPU but wall time: one `fdatasync` of an appended page, median.
    fsync: f64,
}

impl Limits {
    pub(crate) fn enrolment(&self) -> f64 {
        self.tls + self.tcp + self.csr + self.certificate + self.token + self.commit
    }

    /// A proof more, one row less; the row is within the noise and left in.
    pub(crate) fn renewal(&self) -> f64 {
        self.enrolment() + self.proof
    }
}

/// Everything prepared to measure rounds.
pub(crate) struct Bench {
    tls: Handshake,
    signing: Signing,
    database: Database,
}

impl Bench {
    /// For requests and answers of these sizes, with a database in `dir`.
    pub(crate) fn prepare(dir: &Path, request: usize, reply: usize) -> Result<Self> {
        Ok(Self {
            tls: Handshake::prepare(request, reply)?,
            signing: Signing::prepare()?,
            database: Database::create(dir)?,
        })
    }

    pub(crate) fn round(&mut self) -> Result<Limits> {
        let (tls, sizes) = self.tls.measure()?;
        Ok(Limits {
            tls,
            tcp: tcp::measure(sizes)?,
            csr: self.signing.csr()?,
            certificate: self.signing.certificate()?,
            token: self.signing.token()?,
            proof: self.signing.proof()?,
            commit: self.database.commit()?,
            fsync: self.database.fsync()?,
        })
    }
}

/// What the limits are made of.
pub(crate) fn figures(rounds: &[Limits]) -> Vec<Figure> {
    let figure =
        |id, what, of: fn(&Limits) -> f64| Figure::new(id, what, "us", rounds.iter().map(of).collect());
    vec![
        figure("limit.tls", "TLS 1.3 handshake, request, answer, close", |l| l.tls),
        figure("limit.tcp", "the same bytes through the kernel", |l| l.tcp),
        figure("limit.csr", "certification request parsed and verified", |l| l.csr),
        figure("limit.certificate", "certificate signed", |l| l.certificate),
        figure("limit.token", "JWT signed", |l| l.token),
        figure("limit.commit", "rows committed, 16 enrolments together", |l| l.commit),
        figure("limit.proof", "proof verified (renewals only)", |l| l.proof),
        figure("limit.fsync", "fdatasync, wall time", |l| l.fsync),
    ]
}

/// Microseconds each, of `count` that took `all`.
fn each(all: Duration, count: u32) -> f64 {
    all.as_secs_f64() * 1e6 / f64::from(count)
}
