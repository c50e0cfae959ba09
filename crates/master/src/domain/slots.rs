//! When each agent is to come back: a plan that spreads a fleet that was enrolled in one minute over hours.
//!
//! Time is cut into buckets that count who is expected in them; who asks gets the least loaded one of its own window, and
//! buckets leak away as their time passes. Invariants: a slot lies strictly inside the validity it was asked for; memory
//! is bounded, whatever is asked; nothing is random here, a lot handed in decides between equals.

use std::time::Duration;

use gatepass_contract::time::{UnixTime, as_millis};

/// The window of a slot, in percent of what is left of the validity when it is issued: late enough that most of the
/// lifetime is used, early enough that a quarter remains for all that can go wrong.
const WINDOW: (u32, u32) = (55, 75);

/// How finely the window of the longest validity is cut.
const BUCKETS_IN_WINDOW: u32 = 512;

/// The plan for one kind of credential.
#[derive(Debug, Clone)]
pub struct Planner {
    /// Milliseconds a bucket covers.
    width: i64,
    /// A ring: the bucket of an instant is its number modulo the length.
    buckets: Vec<Bucket>,
}

/// Invariant: `load` belongs to the bucket with that number; a place in the ring that is asked for another number starts
/// at nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    number: i64,
    load: u32,
}

impl Planner {
    /// For credentials that live `lifetime`, or less.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        let window = lifetime / 100 * (WINDOW.1 - WINDOW.0);
        let width = as_millis(window / BUCKETS_IN_WINDOW).max(1);
        // From now to the end of the last window, and one more for the rounding at each end.
        let count = as_millis(lifetime) / width * i64::from(WINDOW.1) / 100 + 2;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(MOST_BUCKETS);
        Self { width, buckets: vec![Bucket::default(); count] }
    }

    /// The slot of a credential issued `now` that ends at `until`, and counts it. Without room between the two, it is
    /// `now`: there is nothing to plan.
    pub fn plan(&mut self, now: UnixTime, until: UnixTime, lot: u64) -> UnixTime {
        let left = until.since(now);
        let (from, to) = (now + left / 100 * WINDOW.0, now + left / 100 * WINDOW.1);
        let first = from.0.div_euclid(self.width);
        // A window wider than the ring would count buckets twice.
        let last = to.0.div_euclid(self.width).min(first.saturating_add(self.reach()));
        let number = self.least_loaded(first, last, lot);
        self.expect(number, 1);
        let inside = number.saturating_mul(self.width).saturating_add(share(lot, self.width));
        UnixTime(inside.clamp(from.0, to.0))
    }

    /// Counts what was planned before a restart. What is already past takes no room.
    pub fn restore(&mut self, now: UnixTime, planned: impl IntoIterator<Item = (UnixTime, u32)>) {
        let reach = now.0.div_euclid(self.width).saturating_add(self.reach());
        for (at, agents) in planned {
            let number = at.0.div_euclid(self.width);
            if at >= now && number <= reach {
                self.expect(number, agents);
            }
        }
    }

    /// How much time one bucket covers: the resolution a histogram for [`Self::restore`] needs.
    #[must_use]
    pub fn width(&self) -> Duration {
        Duration::from_millis(self.width.unsigned_abs())
    }

    /// Starts at a place the lot gives, so that equals are taken evenly and not from the left.
    fn least_loaded(&self, first: i64, last: i64, lot: u64) -> i64 {
        let count = last - first + 1;
        let start = share(lot, count);
        let numbers = (0..count).map(|step| first + (start + step) % count);
        numbers.min_by_key(|&number| self.load(number)).unwrap_or(first)
    }

    fn load(&self, number: i64) -> u32 {
        let bucket = self.buckets[self.place(number)];
        if bucket.number == number { bucket.load } else { 0 }
    }

    fn expect(&mut self, number: i64, agents: u32) {
        let load = self.load(number).saturating_add(agents);
        let place = self.place(number);
        self.buckets[place] = Bucket { number, load };
    }

    fn place(&self, number: i64) -> usize {
        usize::try_from(number.rem_euclid(self.reach() + 1)).unwrap_or(0)
    }

    /// How many buckets ahead the ring reaches without meeting itself.
    fn reach(&self) -> i64 {
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX) - 1
    }
}

/// Where in `0..of` the lot falls.
fn share(lot: u64, of: i64) -> i64 {
    i64::try_from(lot % of.unsigned_abs().max(1)).unwrap_or(0)
}

/// 16 bytes each. Reached by no lifetime; a bound all the same.
const MOST_BUCKETS: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_379_123_456);
    const WEEK: Duration = Duration::from_hours(7 * 24);

    /// Numbers without a pattern, the same in every run (Knuth, MMIX).
    fn lots() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(42_u64), |lot| {
            Some(lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .map(|lot| lot >> 17)
    }

    #[test]
    fn a_slot_lies_inside_whatever_it_is_asked_for() {
        for lifetime in [1_u64, 999, 60_000, 3_600_000, 604_800_000, 315_360_000_000] {
            let mut planner = Planner::new(Duration::from_millis(lifetime));
            for lot in lots().take(2_000) {
                // Also longer than what the planner was made for, and long before or after now.
                let (begin, left) =
                    (NOW + Duration::from_millis(lot % 1_000_000), lot % (3 * lifetime) + 100);
                let slot = planner.plan(begin, begin + Duration::from_millis(left), lot);
                assert!(begin < slot && slot < begin + Duration::from_millis(left), "{lifetime} {left}");
            }
        }
    }

    #[test]
    fn without_room_there_is_nothing_to_plan() {
        let mut planner = Planner::new(WEEK);
        assert_eq!(planner.plan(NOW, NOW, 7), NOW);
        assert_eq!(planner.plan(NOW, UnixTime(0), 7), NOW);
        let far = planner.plan(UnixTime(i64::MIN), UnixTime(i64::MAX), u64::MAX);
        assert!(far > UnixTime(i64::MIN));
    }

    #[test]
    fn a_fleet_of_one_minute_is_spread_evenly() {
        let mut planner = Planner::new(WEEK);
        let mut loads = std::collections::BTreeMap::new();
        for lot in lots().take(20_480) {
            let slot = planner.plan(NOW, NOW + WEEK, lot);
            *loads.entry(slot.0.div_euclid(planner.width)).or_insert(0_u32) += 1;
        }
        assert!(loads.len() >= 512, "{}", loads.len());
        assert!(loads.values().all(|&load| load <= 41), "40 each, and one for the rounding");
    }

    #[test]
    fn a_restored_plan_avoids_what_was_planned_before() {
        let mut before = Planner::new(WEEK);
        let half: Vec<_> = (0..256).map(|lot| before.plan(NOW, NOW + WEEK, lot)).collect();
        let mut after = Planner::new(WEEK);
        after.restore(NOW, half.iter().map(|&at| (at, 1)));
        let taken = |at: UnixTime| half.iter().any(|slot| slot.0 / before.width == at.0 / before.width);
        assert!((0..256).all(|lot| !taken(after.plan(NOW, NOW + WEEK, lot))));
        after.restore(NOW, [(UnixTime(0), 5), (UnixTime(i64::MAX), 5)]);
    }

    #[test]
    fn buckets_leak_as_time_passes_and_memory_stays() {
        let mut planner = Planner::new(WEEK);
        let (size, mut now) = (planner.buckets.len(), NOW);
        for lot in lots().take(50_000) {
            now = now + Duration::from_mins(5);
            planner.plan(now, now + WEEK, lot);
        }
        assert_eq!(planner.buckets.len(), size);
        assert!(size <= MOST_BUCKETS);
        assert!(planner.buckets.iter().all(|bucket| bucket.load < 20), "nothing piles up");
    }
}
