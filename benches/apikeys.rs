//! API keys, a million of them: what it costs to know one, to find some, and to see which end soon.

mod filled;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatepass_contract::digest::Sha256;
use gatepass_contract::id::KeyId;
use gatepass_contract::secret::ApiKey;
use gatepass_contract::wire::admin::{ApiKeyView, Capability, Page};
use gatepass_contract::wire::path;
use gatepass_master::store::{Database, Store};
use rusqlite::{Connection, OptionalExtension as _};

use crate::client::{self, Connection as Line};
use crate::clock::{Stopwatch, cpu_of, cpu_of_process, now};
use crate::figures::Figure;
use crate::master::Master;

use filled::{ADVANCE, DUE, Filled, text};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// In the database.
    pub(crate) keys: u32,
    /// Of each measurement.
    pub(crate) rounds: usize,
}

/// Each of these many times a round.
const VERIFICATIONS: u32 = 5_000;
const PAGES: usize = 200;

/// All of it, on one database.
pub(crate) fn measure(program: &Path, scratch: &Path, extent: Extent) -> Result<Vec<Figure>> {
    let master = Master::start(program, scratch)?;
    let filled = Filled::fill(&master, extent.keys)?;
    let mut figures = verifications(&filled, extent)?;
    figures.extend(requests(&master, &filled, extent)?);
    figures.extend(pages(&master, extent)?);
    figures.push(depth(&master)?);
    let _directory = master.stop();
    figures.extend(scans(&filled)?);
    Ok(figures)
}

/// Inside one thread: the text parsed, the row read, everything decided. The limit is the row alone, read by nobody but
/// `SQLite`, and the digest of the secret.
fn verifications(filled: &Filled, extent: Extent) -> Result<Vec<Figure>> {
    let (mut cold, mut warm, mut limit) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..extent.rounds {
        // A database opened anew has read nothing yet; the operating system has.
        let store = Store::open(&Database::File(filled.file.clone()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let step = extent.keys / VERIFICATIONS;
        let first = u32::try_from(round)?;
        let spread: Vec<_> = (0..VERIFICATIONS).map(|n| filled.key(n * step + first)).collect();
        cold.push(verify(&runtime, &store, &spread)?);
        let one = vec![filled.key(first); spread.len()];
        verify(&runtime, &store, &one[..100])?;
        warm.push(verify(&runtime, &store, &one)?);
        limit.push(bare(&filled.file, &one)?);
        runtime.block_on(store.close());
    }
    Ok(vec![
        Figure::new("key.warm", "API key verified again, CPU", "us", warm).limit(limit.clone()).at_most(15.0),
        Figure::new("key.cold", "API key verified first, of a million, CPU", "us", cold).limit(limit),
    ])
}

fn verify(runtime: &tokio::runtime::Runtime, store: &Store, keys: &[ApiKey]) -> Result<f64> {
    let texts: Vec<_> = keys.iter().map(text).collect();
    let ((), spent) = cpu_of(|| {
        for text in &texts {
            let key = ApiKey::parse(text)?;
            let holder = runtime.block_on(store.bearer_key(key.id()))?.context("the key is there")?;
            holder.admit(key.secret(), HERE, now())?.may(Capability::AgentEnrol)?;
        }
        Ok(())
    })?;
    Ok(micros(spent, texts.len()))
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn bare(file: &Path, keys: &[ApiKey]) -> Result<f64> {
    let connection = Connection::open(file)?;
    let mut select = connection.prepare("SELECT secret FROM api_key WHERE id = ?1")?;
    let ((), spent) = cpu_of(|| {
        for key in keys {
            let found: Option<[u8; 32]> = select.query_row([key.id().0], |row| row.get(0)).optional()?;
            ensure!(key.secret().has_digest(&Sha256(found.context("the key is there")?)), "another secret");
        }
        Ok(())
    })?;
    Ok(micros(spent, keys.len()))
}

fn micros(spent: Duration, count: usize) -> f64 {
    spent.as_secs_f64() * 1e6 / u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// A whole request that does nothing but verify, over a connection that is kept; the limit is one that verifies nothing.
fn requests(master: &Master, filled: &Filled, extent: Extent) -> Result<Vec<Figure>> {
    let with = client::request("GET", path::CALLER, Some(&text(&filled.key(0))), &[]);
    let without = client::request("GET", path::TIME, None, &[]);
    let (mut whole, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        whole.push(cost(master, &with)?);
        limit.push(cost(master, &without)?);
    }
    let share = whole.iter().zip(&limit).map(|(whole, limit)| (whole - limit) / whole * 100.0).collect();
    Ok(vec![
        Figure::new("key.request", "request with an API key, CPU of the master", "us", whole).limit(limit),
        Figure::new("key.share", "share of the key in it", "%", share),
    ])
}

fn cost(master: &Master, request: &[u8]) -> Result<f64> {
    let mut line = master.target.connect()?;
    line.exchange(request)?.success()?;
    let before = cpu_of_process(master.id())?;
    for _ in 0..REQUESTS {
        line.exchange(request)?.success()?;
    }
    let spent = cpu_of_process(master.id())?.saturating_sub(before);
    line.close()?;
    Ok(micros(spent, REQUESTS))
}

const REQUESTS: usize = 2_000;

/// Pages of fifty, each filter, over a connection that is kept.
fn pages(master: &Master, extent: Extent) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (id, what, query) in FILTERS {
        let (mut middle, mut slowest) = (Vec::new(), Vec::new());
        for _ in 0..extent.rounds {
            let mut times = series(master, &format!("?limit=50{query}"))?;
            times.sort_unstable();
            middle.push(millis(times[times.len() / 2]));
            slowest.push(millis(times[times.len() * 99 / 100]));
        }
        figures.push(Figure::new(id.0, what.0, "ms", middle));
        figures.push(Figure::new(id.1, what.1, "ms", slowest).at_most(10.0));
    }
    Ok(figures)
}

type Names = (&'static str, &'static str);

const FILTERS: [(Names, Names, &str); 6] = [
    (("page.id", "page.id99"), ("50 keys of a million, by id", "p99"), ""),
    (("page.owner", "page.owner99"), ("50 keys of one owner", "p99"), "&owner=owner-7"),
    (("page.state", "page.state99"), ("50 suspended keys", "p99"), "&state=suspended"),
    (("page.ends", "page.ends99"), ("50 keys that expire soon", "p99"), "&standing=expiring"),
    (("page.group", "page.group99"), ("50 keys of one group", "p99"), "&group=group-7"),
    (
        ("page.both", "page.both99"),
        ("50 expiring keys of one owner", "p99"),
        "&owner=owner-7&standing=expiring",
    ),
];

fn series(master: &Master, query: &str) -> Result<Vec<Duration>> {
    let mut line = master.target.connect()?;
    page(master, &mut line, query)?;
    let times = (0..PAGES).map(|_| {
        let since = Stopwatch::start();
        page(master, &mut line, query)?;
        Ok(since.elapsed())
    });
    let times = times.collect::<Result<Vec<_>>>()?;
    line.close()?;
    Ok(times)
}

fn page(master: &Master, line: &mut Line, query: &str) -> Result<Page<ApiKeyView>> {
    let wanted = format!("{}{query}", path::API_KEYS);
    let request = client::request("GET", &wanted, Some(master.administrator()), &[]);
    Ok(serde_json::from_slice(&line.exchange(&request)?.success()?)?)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// From the first page to the last of all keys by their names, in large steps; then pages of fifty at either end.
fn depth(master: &Master) -> Result<Figure> {
    let mut line = master.target.connect()?;
    let mut deep = String::new();
    loop {
        let after = if deep.is_empty() { String::new() } else { format!("&after={deep}") };
        match page(master, &mut line, &format!("?limit=500&sort=name{after}"))?.next {
            Some(next) => deep = next,
            None => break,
        }
    }
    line.close()?;
    let middle = |query: &str| -> Result<f64> {
        let mut times = series(master, query)?;
        times.sort_unstable();
        Ok(millis(times[times.len() / 2]))
    };
    let first = middle("?limit=50&sort=name")?;
    let last = middle(&format!("?limit=50&sort=name&after={deep}"))?;
    Ok(Figure::new("page.depth", "the last page of a million by name", "ms", vec![last])
        .limit(vec![first])
        .at_most(10.0))
}

/// Which of all keys somebody is to be told of: when some are due, and when none is.
fn scans(filled: &Filled) -> Result<Vec<Figure>> {
    let store = Store::open(&Database::File(filled.file.clone()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let since = Stopwatch::start();
    let mut told = 0;
    loop {
        let scanned = runtime.block_on(store.tell_of_ends(ADVANCE, now()))?;
        if scanned.due == 0 {
            break;
        }
        told += scanned.due;
    }
    let full = millis(since.elapsed());
    ensure!(told >= DUE as usize, "{told} ends were seen instead of {DUE}");
    let since = Stopwatch::start();
    runtime.block_on(store.tell_of_ends(ADVANCE, now()))?;
    let empty = millis(since.elapsed());
    runtime.block_on(store.close());
    Ok(vec![
        Figure::new("scan.due", "1,000 ends found among a million keys", "ms", vec![full]),
        Figure::new("scan.none", "none found among them", "ms", vec![empty]).at_most(10.0),
    ])
}

/// So that ids are as good as random, and known again.
fn key_id(number: u32) -> KeyId {
    let Sha256(bytes) = Sha256::of(&number.to_be_bytes());
    KeyId(bytes[..10].try_into().expect("a digest is longer"))
}
