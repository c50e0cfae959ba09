//! The master: CPU time for an issue, issues in a second, latency, memory.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::wire::admin::{Capability, CreateApiKey, CreatedApiKey, KeyKind};
use gatepass_contract::wire::agent::Issued;
use gatepass_contract::wire::path;
use tempfile::TempDir;

use crate::client::{self, Target};
use crate::clock::{cpu_of_machine, cpu_of_process, cpu_of_us, pause};
use crate::figures::Figure;
use crate::hosts::Host;
use crate::limits::{self, Limits};
use crate::load::{self, Volley};
use crate::processes::{Process, command, log};

/// A running master with a directory of its own, and an administrator's key to it.
pub(crate) struct Master {
    process: Process,
    pub(crate) url: String,
    pub(crate) target: Target,
    admin: String,
    /// Removed with it: after the process, which is declared first.
    pub(crate) dir: TempDir,
}

impl Master {
    /// Sets one up on embedded defaults.
    pub(crate) fn start(program: &Path, scratch: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(scratch)?;
        let mut dev = command(program);
        dev.arg("dev").arg("--dir").arg(dir.path().join("master")).args(["--listen", "127.0.0.1:0"]);
        Self::run(dev, dir)
    }

    /// Sets one up whose database is on a server.
    pub(crate) fn start_on(database: &str, program: &Path, scratch: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(scratch)?;
        let data = dir.path().join("master");
        let mut init = command(program);
        init.arg("init").arg("--dir").arg(&data).args(["--name", "localhost", "--database-url", database]);
        let set_up = init.output()?;
        ensure!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));
        let mut serve = command(program);
        serve.arg("serve").arg("--dir").arg(&data).args(["--listen", "127.0.0.1:0"]);
        Self::run(serve, dir)
    }

    fn run(mut command: Command, dir: TempDir) -> Result<Self> {
        let data = dir.path().join("master");
        let talk = dir.path().join("master.log");
        let mut process = Process(command.stdout(Stdio::piped()).stderr(log(&talk)?).spawn()?);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").with_context(|| failed(&talk))?.to_owned();
        let admin = std::fs::read_to_string(data.join("admin.key"))?.trim().to_owned();
        let target = Target::pinned(&url, ApiKey::parse(&admin)?.pin())?;
        Ok(Self { process, url, target, admin, dir })
    }

    /// A new key that agents enrol with.
    pub(crate) fn api_key(&self, name: &str) -> Result<String> {
        let wanted = CreateApiKey {
            kind: KeyKind::Service,
            name: name.parse()?,
            description: String::new(),
            owner: None,
            groups: vec!["bench".parse()?],
            capabilities: vec![Capability::AgentEnrol],
            roles: Vec::new(),
            expires: None,
            networks: Vec::new(),
            uses: None,
            annotation: None,
        };
        let request =
            client::request("POST", path::API_KEYS, Some(&self.admin), &serde_json::to_vec(&wanted)?);
        let created: CreatedApiKey = serde_json::from_slice(&load::once(&self.target, &request)?)?;
        Ok(created.secret.reveal().to_owned())
    }

    /// Its process, for what it has cost so far.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The key that may do everything.
    pub(crate) fn administrator(&self) -> &str {
        &self.admin
    }

    /// Stops it and leaves its directory.
    pub(crate) fn stop(self) -> TempDir {
        let Self { process, dir, .. } = self;
        drop(process);
        dir
    }

    fn resident(&self) -> Result<f64> {
        self.process.status_memory("VmRSS")
    }

    /// Sends a series and tells what it cost both sides, in microseconds for each request.
    fn fire(&self, requests: &[Vec<u8>], connections: usize) -> Result<Run> {
        let before = self.spent()?;
        let volley = load::fire(&self.target, requests, connections)?;
        let spent = before.until(&self.spent()?);
        let each = |all: Duration| all.as_secs_f64() * 1e6 / count(requests);
        Ok(Run {
            server: each(spent.server),
            client: each(spent.client),
            rate: count(requests) / volley.wall.as_secs_f64(),
            others: spent.others() / (cores() * volley.wall.as_secs_f64()),
            volley,
        })
    }

    fn spent(&self) -> Result<Spent> {
        Ok(Spent {
            server: cpu_of_process(self.process.id())?,
            client: cpu_of_us()?,
            machine: cpu_of_machine()?,
        })
    }
}

/// CPU time: of the master, of us, of everybody.
struct Spent {
    server: Duration,
    client: Duration,
    machine: Duration,
}

impl Spent {
    fn until(&self, later: &Self) -> Self {
        Self {
            server: later.server.saturating_sub(self.server),
            client: later.client.saturating_sub(self.client),
            machine: later.machine.saturating_sub(self.machine),
        }
    }

    /// Seconds that neither the master nor we have used.
    fn others(&self) -> f64 {
        self.machine.saturating_sub(self.server + self.client).as_secs_f64()
    }
}

fn failed(talk: &Path) -> String {
    format!("the master did not start: {}", std::fs::read_to_string(talk).unwrap_or_default())
}

fn count(requests: &[Vec<u8>]) -> f64 {
    u32::try_from(requests.len()).map_or(f64::INFINITY, f64::from)
}

/// One measured series.
pub(crate) struct Run {
    pub(crate) server: f64,
    client: f64,
    pub(crate) rate: f64,
    /// The share of the machine that went to other programs: all of the above is worth less the larger it is.
    others: f64,
    pub(crate) volley: Volley,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) requests: usize,
    /// Issuances in all, for the memory; the first two are always 5,000 and 10,000.
    pub(crate) flat_until: Option<usize>,
}

/// One round: the limits, then issues with few and with many connections at once.
struct Round {
    limits: Limits,
    few: Wave,
    many: Wave,
}

/// An enrolment each for many hosts, a renewal for each of them.
pub(crate) struct Wave {
    pub(crate) enrolments: Run,
    pub(crate) renewals: Run,
}

/// Connections at once: those the latency is looked at with, and enough to keep every core busy.
pub(crate) const FEW: usize = 16;
pub(crate) const MANY: usize = 64;

/// Issues, and beside them what the limits are made of.
pub(crate) fn issues(program: &Path, scratch: &Path, extent: Extent) -> Result<(Vec<Figure>, Vec<Figure>)> {
    let master = Master::start(program, scratch)?;
    let api_key = master.api_key("bench")?;
    let sample = Host::new(0)?.enrolment(&api_key)?;
    let answer = load::once(&master.target, &sample)?;
    let mut bench = limits::Bench::prepare(master.dir.path(), sample.len(), answer.len())?;
    let mut round = |requests| -> Result<Round> {
        Ok(Round {
            limits: bench.round()?,
            few: wave(&master, &api_key, requests, FEW)?,
            many: wave(&master, &api_key, requests, MANY)?,
        })
    };
    // Not counted: the first connections find cold caches on both sides.
    round(extent.requests / 4)?;
    let rounds = (0..extent.rounds).map(|_| round(extent.requests)).collect::<Result<Vec<_>>>()?;
    let limits: Vec<_> = rounds.iter().map(|round| round.limits).collect();
    Ok((issue_figures(&rounds), limits::figures(&limits)))
}

pub(crate) fn wave(master: &Master, api_key: &str, requests: usize, connections: usize) -> Result<Wave> {
    let (hosts, next) = (Host::several(requests)?, Host::several(requests)?);
    let first: Vec<_> = hosts.iter().map(|host| host.enrolment(api_key)).collect::<Result<_>>()?;
    let enrolments = master.fire(&first, connections)?;
    let renewal = |((host, next), body): ((&Host, &Host), &Vec<u8>)| {
        host.renewal(&serde_json::from_slice::<Issued>(body)?, next)
    };
    let second: Vec<_> =
        hosts.iter().zip(&next).zip(&enrolments.volley.bodies).map(renewal).collect::<Result<_>>()?;
    let renewals = master.fire(&second, connections)?;
    Ok(Wave { enrolments, renewals })
}

fn issue_figures(rounds: &[Round]) -> Vec<Figure> {
    let each = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let latency = |percent| {
        let of = |r: &Round| r.few.enrolments.volley.percentile(percent).as_secs_f64() * 1e3;
        rounds.iter().map(of).collect()
    };
    vec![
        Figure::new("enrol.cpu", "enrolment, CPU of the master", "us", each(|r| r.few.enrolments.server))
            .limit(each(|r| r.limits.enrolment()))
            .at_most(400.0)
            .aim(300.0),
        Figure::new(
            "enrol.ratio",
            "enrolment, times the limit",
            "x",
            each(|r| r.few.enrolments.server / r.limits.enrolment()),
        )
        .at_most(2.5),
        Figure::new(
            "renew.cpu",
            "renewal with a new key, CPU of the master",
            "us",
            each(|r| r.few.renewals.server),
        )
        .limit(each(|r| r.limits.renewal()))
        .at_most(360.0),
        Figure::new("enrol.p50", "enrolment, median at 16 connections", "ms", latency(50)),
        Figure::new("enrol.p99", "enrolment, p99 at 16 connections", "ms", latency(99)).at_most(30.0),
        Figure::new(
            "enrol.rate",
            "enrolments, 64 connections, same cores",
            "/s",
            each(|r| r.many.enrolments.rate),
        )
        .limit(each(|r| best_rate(&r.many.enrolments, r.limits.enrolment())))
        .at_least(2500.0),
        Figure::new(
            "renew.rate",
            "renewals, 64 connections, same cores",
            "/s",
            each(|r| r.many.renewals.rate),
        )
        .limit(each(|r| best_rate(&r.many.renewals, r.limits.renewal()))),
        Figure::new(
            "enrol.cpu64",
            "enrolment, CPU of the master then",
            "us",
            each(|r| r.many.enrolments.server),
        )
        .limit(each(|r| r.limits.enrolment())),
        Figure::new("renew.cpu64", "renewal, CPU of the master then", "us", each(|r| r.many.renewals.server))
            .limit(each(|r| r.limits.renewal())),
        Figure::new(
            "client.cpu",
            "enrolment, CPU of the load client then",
            "us",
            each(|r| r.many.enrolments.client),
        ),
        Figure::new(
            "others",
            "other load on the machine then",
            "%",
            each(|r| r.many.enrolments.others * 100.0),
        ),
    ]
}

/// Every core busy with nothing but this client and the limit.
fn best_rate(run: &Run, limit: f64) -> f64 {
    cores() * 1e6 / (run.client + limit)
}

fn cores() -> f64 {
    std::thread::available_parallelism()
        .map_or(1.0, |cores| u32::try_from(cores.get()).map_or(1.0, f64::from))
}

/// Memory of a master of its own: idle, and as it issues.
pub(crate) fn memory(program: &Path, scratch: &Path, extent: Extent) -> Result<Vec<Figure>> {
    let master = Master::start(program, scratch)?;
    let api_key = master.api_key("bench")?;
    pause(Duration::from_secs(1));
    let idle = master.resident()?;
    let after = |issuances: usize| {
        enrol(&master, &api_key, issuances)?;
        master.resident()
    };
    let (few, many) = (after(5_000)?, after(5_000)?);
    let mut figures = vec![
        Figure::new("master.idle", "master idle, resident", "MB", vec![idle]).at_most(10.0),
        Figure::new("master.loaded", "master after 10,000 issuances, resident", "MB", vec![many])
            .at_most(24.0)
            .aim(16.0),
    ];
    if let Some(all) = extent.flat_until {
        let most = after(all - 10_000)?;
        let growth = Figure::new("master.growth", "its growth from 5,000 to 50,000", "MB", vec![most - few]);
        figures.push(growth.at_most(1.0));
    }
    let peak = master.process.status_memory("VmHWM")?;
    figures.push(Figure::new("master.peak", "its peak", "MB", vec![peak]));
    Ok(figures)
}

/// In portions, so that the requests of all of them need not be in memory at once.
fn enrol(master: &Master, api_key: &str, mut left: usize) -> Result<()> {
    while left > 0 {
        let portion = left.min(2_500);
        let requests: Vec<_> =
            Host::several(portion)?.iter().map(|host| host.enrolment(api_key)).collect::<Result<_>>()?;
        load::fire(&master.target, &requests, MANY)?;
        left -= portion;
    }
    Ok(())
}
