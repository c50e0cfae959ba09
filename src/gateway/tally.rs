//! What a relay has done: for status and metrics, and so that the log is told of it now and then only.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::GatewayId;
use crate::state::GatewayView;

/// Counts; shared by the relay and whoever looks.
#[derive(Debug)]
pub struct Tally {
    id: GatewayId,
    open: AtomicU64,
    relayed: AtomicU64,
    refused: AtomicU64,
    stuck: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug)]
struct Rest {
    /// The real port, once there is one.
    listen: SocketAddr,
    listening: bool,
    trouble: Option<String>,
    /// When the log was last told, by kind.
    told: [Option<Duration>; 2],
}

/// What is said now and then only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coarse {
    Full,
    Stuck,
}

/// The log is told of each kind that often at most.
const RARELY: Duration = Duration::from_mins(1);

/// Counts a connection as open until dropped.
pub(super) struct Open<'a>(&'a Tally);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tally {
    pub(super) fn new(id: GatewayId, listen: SocketAddr) -> Self {
        let zero = || AtomicU64::new(0);
        let (open, relayed, refused, stuck) = (zero(), zero(), zero(), zero());
        let rest = Mutex::new(Rest { listen, listening: false, trouble: None, told: [None; 2] });
        Self { id, open, relayed, refused, stuck, rest }
    }

    /// How it stands now.
    #[must_use]
    pub fn view(&self) -> GatewayView {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rest = self.rest();
        GatewayView {
            id: self.id.to_string(),
            listen: rest.listen,
            listening: rest.listening,
            trouble: rest.trouble.clone(),
            open: count(&self.open),
            relayed: count(&self.relayed),
            refused: count(&self.refused),
            stuck: count(&self.stuck),
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().expect("nothing panics while it holds the lock")
    }

    pub(super) fn listens(&self, at: SocketAddr) {
        let mut rest = self.rest();
        (rest.listen, rest.listening, rest.trouble) = (at, true, None);
    }

    pub(super) fn cannot_listen(&self, why: &io::Error) {
        self.rest().trouble = Some(why.to_string());
    }

    pub(super) fn open(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }

    pub(super) fn relayed(&self) {
        self.relayed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stuck(&self) {
        self.stuck.fetch_add(1, Ordering::Relaxed);
    }

    /// How many that makes.
    pub(super) fn refused(&self) -> u64 {
        self.refused.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether the log may be told of something of that kind at `now`, on a clock that only goes forward.
    pub(super) fn may_tell(&self, kind: Coarse, now: Duration) -> bool {
        let told = &mut self.rest().told[kind as usize];
        let may = told.is_none_or(|last| now >= last + RARELY);
        if may {
            *told = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_each_kind_once_a_minute() {
        let id = GatewayId::try_from("GW1".to_owned()).expect("an id");
        let tally = Tally::new(id, "[::]:1".parse().expect("an address"));
        let second = Duration::from_secs;
        assert!(tally.may_tell(Coarse::Full, second(1)) && tally.may_tell(Coarse::Stuck, second(2)));
        assert!(!tally.may_tell(Coarse::Full, second(60)));
        assert!(tally.may_tell(Coarse::Full, second(61)) && !tally.may_tell(Coarse::Stuck, second(61)));
    }
}
