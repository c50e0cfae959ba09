//! The same work of masters on either database: a file of its own, and a server on the same machine.
//!
//! What the server itself costs is not in the master's CPU time but in the rates: it shares the cores.

#[allow(dead_code, reason = "shared with the tests: only a part of it is used here")]
#[expect(unreachable_pub, reason = "for the tests it is to be used by all of them")]
#[path = "../tests/support/postgres.rs"]
mod cluster;

use std::path::Path;

use anyhow::Result;

use crate::figures::Figure;
use crate::master::{Extent, FEW, MANY, Master, Wave, wave};
use cluster::Cluster;

/// Whether there is a server to be measured.
pub(crate) fn is_possible() -> bool {
    Path::new("/usr/lib/postgresql").exists()
}

/// Both in turn, round by round; what the file costs is the limit of what the server costs.
pub(crate) fn measure(program: &Path, scratch: &Path, extent: Extent) -> Result<Vec<Figure>> {
    let cluster = Cluster::durable();
    let own = Working::new(Master::start(program, scratch)?)?;
    let shared = Working::new(Master::start_on(&cluster.database(), program, scratch)?)?;
    let mut rounds = Vec::new();
    for _ in 0..extent.rounds {
        rounds.push((own.round(extent.requests)?, shared.round(extent.requests)?));
    }
    let each = |of: fn(&Round) -> f64| {
        let (own, shared): (Vec<_>, Vec<_>) =
            rounds.iter().map(|(own, shared)| (of(own), of(shared))).unzip();
        (own, shared)
    };
    let figure = |id, what, unit, of| {
        let (own, shared) = each(of);
        Figure::new(id, what, unit, shared).limit(own)
    };
    Ok(vec![
        figure("pg.enrol.cpu", "PostgreSQL beside SQLite: enrolment, CPU", "us", |r| r.few.enrolments.server),
        figure("pg.renew.cpu", "renewal with a new key, CPU", "us", |r| r.few.renewals.server),
        figure("pg.enrol.p99", "enrolment, p99 at 16 connections", "ms", |r| {
            r.few.enrolments.volley.percentile(99).as_secs_f64() * 1e3
        }),
        figure("pg.enrol.rate", "enrolments, 64 connections, same cores", "/s", |r| r.many.enrolments.rate),
        figure("pg.renew.rate", "renewals, 64 connections, same cores", "/s", |r| r.many.renewals.rate),
    ])
}

struct Working {
    master: Master,
    api_key: String,
}

struct Round {
    few: Wave,
    many: Wave,
}

impl Working {
    fn new(master: Master) -> Result<Self> {
        Ok(Self { api_key: master.api_key("bench")?, master })
    }

    fn round(&self, requests: usize) -> Result<Round> {
        Ok(Round {
            few: wave(&self.master, &self.api_key, requests, FEW)?,
            many: wave(&self.master, &self.api_key, requests, MANY)?,
        })
    }
}
