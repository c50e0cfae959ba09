//! What follows from a visit: all is well, or how long to wait and whom to call.

use std::time::Duration;

use gatepass_contract::span::Span;
use tracing::{error, info, warn};

use super::Daemon;
use crate::bundle::Bundle;
use crate::master::{Master, Remedy};
use crate::policy::{Pace, spread};
use crate::random;
use crate::state::Trouble;
use crate::trouble::{StepError, whole};

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Consequence {
    wait: Duration,
    needs_human: bool,
    then: Then,
}

/// What is different next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Same,
    NewKey,
}

/// `left`: how long what is held stays good, zero when nothing is.
fn consequence(remedy: Remedy, failures: u32, left: Duration, pace: Pace) -> Consequence {
    let soon = |at_least| pace.backoff(failures, left, at_least);
    let (wait, needs_human, then) = match remedy {
        Remedy::Wait { at_least } => (soon(at_least), false, Then::Same),
        Remedy::MeasureClock => (soon(Duration::ZERO), false, Then::Same),
        Remedy::NewKey => (soon(Duration::ZERO), false, Then::NewKey),
        // What is held is good and is kept: a person has time.
        Remedy::EnrolAgain | Remedy::CallHuman if !left.is_zero() => (pace.slow(left), true, Then::Same),
        Remedy::EnrolAgain | Remedy::CallHuman => (soon(Duration::ZERO), true, Then::Same),
    };
    Consequence { wait, needs_human, then }
}

impl<M: Master> Daemon<M> {
    pub(super) fn settle(&mut self) {
        if self.state.failures > 0 {
            info!(failures = self.state.failures, "all is well again");
        }
        (self.state.failures, self.state.trouble) = (0, None);
    }

    /// Keeps what is held, and comes back when that makes sense.
    pub(super) fn stumble(&mut self, error: &StepError) {
        self.state.failures = self.state.failures.saturating_add(1);
        let left = self.left();
        let next = consequence(error.remedy(), self.state.failures, left, self.settings.pace);
        match next.then {
            Then::Same => {}
            Then::NewKey => self.forget_pending_key(),
        }
        let wait = spread(next.wait, random::lot());
        self.not_before = self.time.clock().boot() + wait;
        let trouble = Trouble {
            at: self.time.now(),
            message: whole(error),
            hint: error.hint(),
            needs_human: next.needs_human,
        };
        say(&trouble, wait, left);
        self.state.trouble = Some(trouble);
    }

    /// How long what is held stays good; zero when nothing is.
    pub(super) fn left(&self) -> Duration {
        let until = |held: &Bundle| held.certificate().until().since(self.time.now());
        self.held().map_or(Duration::ZERO, until)
    }

    fn forget_pending_key(&self) {
        if let Err(error) = self.store.clear_pending_key() {
            warn!(%error, "the spent key pair cannot be removed");
        }
    }
}

fn say(trouble: &Trouble, wait: Duration, left: Duration) {
    let (again_in, left, hint) =
        (Span::from(wait), Span::from(left), trouble.hint.as_deref().unwrap_or_default());
    if trouble.needs_human {
        error!(error = trouble.message, hint, %again_in, held_for = %left, "a person must act");
    } else {
        warn!(error = trouble.message, hint, %again_in, held_for = %left, "will be tried again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequences() {
        let (second, none, week) = (Duration::from_secs(1), Duration::ZERO, Duration::from_hours(168));
        let pace = Pace { floor: second };
        let hour = Duration::from_hours(1);
        let wait = |at_least| Remedy::Wait { at_least };
        for (remedy, left, want) in [
            (wait(none), week, (10 * second, false, Then::Same)),
            (wait(90 * second), week, (90 * second, false, Then::Same)),
            (Remedy::NewKey, week, (10 * second, false, Then::NewKey)),
            (Remedy::MeasureClock, week, (10 * second, false, Then::Same)),
            // Refused, but what is held is good: it is kept, and an API key is not used up for it.
            (Remedy::EnrolAgain, week, (hour, true, Then::Same)),
            (Remedy::CallHuman, week, (hour, true, Then::Same)),
            // Whoever helps may do it late: there is a try left before the end.
            (Remedy::CallHuman, 80 * second, (10 * second, true, Then::Same)),
            (Remedy::EnrolAgain, none, (10 * second, true, Then::Same)),
            (Remedy::CallHuman, none, (10 * second, true, Then::Same)),
        ] {
            let got = consequence(remedy, 1, left, pace);
            assert_eq!((got.wait, got.needs_human, got.then), want, "{remedy:?} with {left:?} left");
        }
    }
}
