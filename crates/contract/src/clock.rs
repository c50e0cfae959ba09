//! What a difference between two clocks amounts to: one function for the agent, the master and every list.

use std::time::Duration;

use crate::time::{Agreement, Skew};
use crate::wire::admin::ClockStanding;

/// From when on a difference between the clocks is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockTolerance {
    /// Worth a warning.
    pub warn: Duration,
    /// Worth an alarm.
    pub critical: Duration,
}

/// Over a slower round trip than this nothing is said about a clock.
const SLOW_NETWORK: Duration = Duration::from_secs(2);

impl ClockTolerance {
    /// What a measurement amounts to.
    #[must_use]
    pub fn standing(self, skew: Skew) -> ClockStanding {
        match (skew.agreement(self.warn), skew.agreement(self.critical)) {
            (_, Agreement::Drift { .. }) => ClockStanding::Critical,
            (Agreement::Drift { .. }, _) => ClockStanding::Warn,
            _ if skew.round_trip() > SLOW_NETWORK => ClockStanding::Unsure,
            (Agreement::Agree, _) => ClockStanding::Agree,
            (Agreement::Unsure, _) => ClockStanding::Unsure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings() {
        let tolerance = ClockTolerance { warn: Duration::from_secs(5), critical: Duration::from_mins(1) };
        for (ahead, doubt, want) in [
            (0, 3, ClockStanding::Agree),
            (-4_900, 50, ClockStanding::Agree),
            (5_200, 50, ClockStanding::Warn),
            (-61_000, 50, ClockStanding::Critical),
            (0, 1_100, ClockStanding::Unsure),
            (4_990, 100, ClockStanding::Unsure),
            (0, 1_000, ClockStanding::Agree),
            (0, 1_001, ClockStanding::Unsure),
            (30_000, 2_000, ClockStanding::Warn),
            (59_995, 10, ClockStanding::Warn),
            (i64::MIN, 5_000, ClockStanding::Critical),
            (0, 90_000, ClockStanding::Unsure),
            // However slow the network: a year is a year.
            (31_536_000_000, 5_000, ClockStanding::Critical),
        ] {
            assert_eq!(tolerance.standing(Skew { ahead, doubt }), want, "{ahead} ± {doubt}");
        }
    }
}
