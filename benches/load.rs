//! Load: many requests, a new connection for each, a fixed number at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::client::Target;
use crate::clock::Stopwatch;

/// How a series of requests went; all of them succeeded.
pub(crate) struct Volley {
    pub(crate) wall: Duration,
    /// From before the connection to the end of the answer, shortest first.
    latencies: Vec<Duration>,
    /// In the order of the requests.
    pub(crate) bodies: Vec<Vec<u8>>,
}

impl Volley {
    /// The latency that `percent` of the requests kept to.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

struct Shot {
    index: usize,
    latency: Duration,
    body: Vec<u8>,
}

/// Sends them all, so many at a time.
pub(crate) fn fire(target: &Target, requests: &[Vec<u8>], connections: usize) -> Result<Volley> {
    let next = AtomicUsize::new(0);
    let since = Stopwatch::start();
    let all = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..connections).map(|_| scope.spawn(|| work(target, requests, &next))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker returns its error"))
            .collect::<Result<Vec<_>>>()
    });
    let wall = since.elapsed();
    let mut shots: Vec<_> = all?.into_iter().flatten().collect();
    shots.sort_unstable_by_key(|shot| shot.index);
    let mut latencies: Vec<_> = shots.iter().map(|shot| shot.latency).collect();
    latencies.sort_unstable();
    Ok(Volley { wall, latencies, bodies: shots.into_iter().map(|shot| shot.body).collect() })
}

fn work(target: &Target, requests: &[Vec<u8>], next: &AtomicUsize) -> Result<Vec<Shot>> {
    let mut done = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(index) else { return Ok(done) };
        let since = Stopwatch::start();
        let body = once(target, request).with_context(|| format!("request {index}"))?;
        done.push(Shot { index, latency: since.elapsed(), body });
    }
}

/// One request over a connection of its own.
pub(crate) fn once(target: &Target, request: &[u8]) -> Result<Vec<u8>> {
    let mut connection = target.connect()?;
    let reply = connection.exchange(request)?;
    connection.close()?;
    reply.success()
}
