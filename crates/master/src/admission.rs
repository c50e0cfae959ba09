//! Who may issue next: least remaining validity first, so that if demand fits the capacity before the deadlines, no
//! agent expires.
//!
//! `Queue` decides and is pure; [`Gate`] makes requests wait for what it decided. Invariant: at most `issuing` passes
//! exist at once, and a pass that is dropped, for whatever reason, goes to the most urgent one that waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepass_contract::time::UnixTime;
use tokio::sync::oneshot;

/// How urgent a request is; the smaller, the sooner it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A renewal by an agent whose certificate ends then.
    Until(UnixTime),
    /// A host that holds nothing yet, and so has nothing to lose: enrolments never starve renewals.
    Enrolment,
}

/// What is admitted at once, and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Issuances at once.
    pub issuing: usize,
    /// Requests that may wait beyond those.
    pub waiting: usize,
}

/// Urgency first, then order of arrival.
type Place = (Urgency, u64);

/// Passes in use and requests that wait, each with something (`T`) to wake it by.
struct Queue<T> {
    capacity: Capacity,
    issuing: usize,
    arrivals: u64,
    waiting: BTreeMap<Place, T>,
}

/// What becomes of a request that arrives.
#[derive(Debug, PartialEq, Eq)]
enum Arrival<T> {
    /// There is room: it goes ahead.
    Admitted,
    /// It waits here; who had to give way for it, if the queue was full.
    Waits(Place, Option<T>),
    /// The queue is full of more urgent ones.
    TurnedAway,
}

impl<T> Queue<T> {
    const fn new(capacity: Capacity) -> Self {
        Self { capacity, issuing: 0, arrivals: 0, waiting: BTreeMap::new() }
    }

    fn arrive(&mut self, urgency: Urgency, waiter: impl FnOnce() -> T) -> Arrival<T> {
        if self.issuing < self.capacity.issuing {
            self.issuing += 1;
            return Arrival::Admitted;
        }
        self.arrivals += 1;
        let place = (urgency, self.arrivals);
        let full = self.waiting.len() >= self.capacity.waiting;
        if full && self.waiting.last_key_value().is_none_or(|(last, _)| *last < place) {
            return Arrival::TurnedAway;
        }
        let gives_way = if full { self.waiting.pop_last().map(|(_, waiter)| waiter) } else { None };
        self.waiting.insert(place, waiter());
        Arrival::Waits(place, gives_way)
    }

    /// Who takes over a pass that became free; `None` gives it back.
    fn release(&mut self) -> Option<T> {
        let next = self.waiting.pop_first().map(|(_, waiter)| waiter);
        if next.is_none() {
            self.issuing -= 1;
        }
        next
    }
}

/// How long a caller that is turned away should stay away: until what waits is done, spread over as long again so that
/// they do not all come back at once, and never beyond half of what the caller has left.
fn stay_away(drain: Duration, remaining: Option<Duration>, lot: u8) -> Duration {
    let spread = drain + drain * u32::from(lot) / u32::from(u8::MAX);
    let most = remaining.map_or(LONGEST_AWAY, |left| (left / 2).min(LONGEST_AWAY));
    spread.min(most).max(SHORTEST_AWAY)
}

const SHORTEST_AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_mins(10);

/// How long one issuance takes before any was measured.
const FIRST_GUESS: Duration = Duration::from_millis(10);

/// Turned away; try again after so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// The honest estimate.
    pub retry_after: Duration,
}

/// The queue with what makes requests wait in it. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

struct Shared {
    inside: Mutex<Inside>,
    capacity: Capacity,
}

struct Inside {
    queue: Queue<oneshot::Sender<Pass>>,
    /// Moving average over what passes were held for.
    each_takes: Duration,
}

impl Gate {
    /// Nobody inside, nobody waiting.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let inside = Inside { queue: Queue::new(capacity), each_takes: FIRST_GUESS };
        Self(Arc::new(Shared { inside: Mutex::new(inside), capacity }))
    }

    /// Waits for a pass. `remaining` is how long the caller's credentials are still good, `lot` a random number that
    /// spreads those who are turned away.
    pub async fn admit(&self, urgency: Urgency, remaining: Option<Duration>, lot: u8) -> Result<Pass, Busy> {
        let (wake, woken) = oneshot::channel();
        let arrival = self.lock().queue.arrive(urgency, || wake);
        match arrival {
            Arrival::Admitted => Ok(Pass { gate: Some(self.clone()) }),
            Arrival::TurnedAway => Err(self.busy(remaining, lot)),
            Arrival::Waits(place, gives_way) => {
                drop(gives_way); // wakes it without a pass
                let _here = Waiting { gate: self, place };
                woken.await.map_err(|_| self.busy(remaining, lot))
            }
        }
    }

    /// How many wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lock().queue.waiting.len()
    }

    fn busy(&self, remaining: Option<Duration>, lot: u8) -> Busy {
        let inside = self.lock();
        let waiting = u32::try_from(inside.queue.waiting.len()).unwrap_or(u32::MAX);
        let at_once = u32::try_from(self.0.capacity.issuing).unwrap_or(u32::MAX).max(1);
        let drain = inside.each_takes.saturating_mul(waiting) / at_once;
        Busy { retry_after: stay_away(drain, remaining, lot) }
    }

    /// Nothing that holds this lock can be left half done, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a waiting request out of the queue when its caller has gone.
struct Waiting<'a> {
    gate: &'a Gate,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.lock().queue.waiting.remove(&self.place);
    }
}

/// The right to issue once.
pub struct Pass {
    /// `None` once it was handed on.
    gate: Option<Gate>,
}

impl Pass {
    /// Gives it back, saying how long it was used: later estimates rest on that.
    pub fn done(self, took: Duration) {
        if let Some(gate) = &self.gate {
            let mut inside = gate.lock();
            inside.each_takes = (inside.each_takes * 15 + took) / 16;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(gate) = self.gate.take() else { return };
        loop {
            let next = gate.lock().queue.release();
            let Some(next) = next else { return };
            match next.send(Pass { gate: Some(gate.clone()) }) {
                Ok(()) => return,
                // It has just gone away: on to the one behind it, and not by way of this pass's own drop.
                Err(mut unused) => drop(unused.gate.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(seconds: i64) -> Urgency {
        Urgency::Until(UnixTime::from_seconds(seconds))
    }

    fn busy_queue(waiting: usize) -> Queue<&'static str> {
        let mut queue = Queue::new(Capacity { issuing: 1, waiting });
        assert_eq!(queue.arrive(Urgency::Enrolment, || "inside"), Arrival::Admitted);
        queue
    }

    #[test]
    fn least_remaining_validity_first_and_enrolments_last() {
        let mut queue = busy_queue(10);
        let arrivals = [
            (Urgency::Enrolment, "enrols"),
            (until(300), "last"),
            (until(100), "first"),
            (until(200), "second"),
            (until(100), "first, but later"),
        ];
        for (urgency, who) in arrivals {
            assert!(matches!(queue.arrive(urgency, || who), Arrival::Waits(_, None)));
        }
        let served: Vec<_> = std::iter::from_fn(|| queue.release()).collect();
        assert_eq!(served, ["first", "first, but later", "second", "last", "enrols"]);
        assert_eq!(queue.issuing, 0);
    }

    #[test]
    fn a_full_queue_turns_the_latest_deadline_away_whoever_came_first() {
        let mut queue = busy_queue(2);
        assert!(matches!(queue.arrive(Urgency::Enrolment, || "enrols"), Arrival::Waits(_, None)));
        assert!(matches!(queue.arrive(until(200), || "late"), Arrival::Waits(_, None)));
        assert_eq!(queue.arrive(Urgency::Enrolment, || "too many"), Arrival::TurnedAway);
        assert!(matches!(queue.arrive(until(300), || "later"), Arrival::Waits(_, Some("enrols"))));
        assert!(matches!(queue.arrive(until(100), || "soon"), Arrival::Waits(_, Some("later"))));
        assert_eq!(queue.arrive(until(400), || "latest"), Arrival::TurnedAway);
        let mut no_room = busy_queue(0);
        assert_eq!(no_room.arrive(until(0), || "nobody waits here"), Arrival::TurnedAway);
    }

    #[test]
    fn staying_away_is_spread_bounded_and_never_costs_the_caller_its_validity() {
        let seconds = Duration::from_secs;
        for (drain, remaining, lot, want) in [
            (10, None, 0, 10),
            (10, None, 255, 20),
            (10, Some(30), 255, 15),
            (10, Some(8), 0, 4),
            (0, None, 255, 1),
            (10, Some(0), 0, 1),
            (86_400, None, 0, 600),
        ] {
            let got = stay_away(seconds(drain), remaining.map(seconds), lot);
            assert_eq!(got, seconds(want), "{drain} {remaining:?} {lot}");
        }
    }

    #[tokio::test]
    async fn passes_are_handed_on_and_never_lost() {
        let gate = Gate::new(Capacity { issuing: 1, waiting: 2 });
        let first = gate.admit(Urgency::Enrolment, None, 0).await.expect("there is room");
        let waiter = |urgency| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.admit(urgency, None, 0).await.map(drop) })
        };
        let (enrolment, renewal) = (waiter(Urgency::Enrolment), waiter(until(50)));
        while gate.depth() < 2 {
            tokio::task::yield_now().await;
        }
        let urgent = waiter(until(10));
        assert!(enrolment.await.expect("no panic").is_err(), "the enrolment gave way");
        urgent.abort();
        assert!(urgent.await.expect_err("aborted").is_cancelled());
        assert_eq!(gate.depth(), 1, "who has gone does not wait");
        first.done(Duration::from_millis(5));
        assert_eq!(renewal.await.expect("no panic"), Ok(()));
        assert_eq!(gate.lock().queue.issuing, 0);
    }
}
