//! Decides, acts, naps.
//!
//! Invariants: only the nap is ever cancelled, so a step is always whole; the master is never called more often than
//! the floor allows, whatever it answers; what is held and good is kept until its successor is proven.

mod apply;
mod outcome;
mod visit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::name::DisplayName;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::ClockStanding;
use gatepass_contract::wire::agent::Facts;
use tokio::sync::mpsc;
use tracing::warn;

use crate::adopted::{self, Adopted};
use crate::bundle::Bundle;
use crate::clock::MasterTime;
use crate::credential::Source;
use crate::gateway::Tally;
use crate::hooks::Hook;
use crate::master::Master;
use crate::outputs::Output;
use crate::policy::{Decision, Pace, RenewalKey, RenewalPolicy};
use crate::state::{State, Trouble};
use crate::status::Status;
use crate::store::{Generation, Store, write_atomically};
use crate::systemd::{self, Word};

/// What `run` is asked from outside while it naps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// End.
    Stop,
    /// Begin anew with the configuration as it is now.
    Reload,
    /// Renew now, with a new key.
    Renew,
}

/// Why `run` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The configuration is to be read again.
    Reload,
}

/// What the configuration says, each piece in its own type.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this host is to be called.
    pub name: DisplayName,
    /// Names, addresses, machine.
    pub facts: Facts,
    /// Which keys it makes.
    pub key_kind: KeyKind,
    /// Where the API key is, if one was given.
    pub api_key: Option<Source>,
    /// When to renew.
    pub policy: RenewalPolicy,
    /// How often to call.
    pub pace: Pace,
    /// From when on the clocks' difference is said.
    pub tolerance: ClockTolerance,
    /// Where else the bundle goes.
    pub outputs: Vec<Output>,
    /// What runs after a change.
    pub hooks: Vec<Hook>,
    /// For the node exporter.
    pub metrics_file: Option<PathBuf>,
    /// Certificates that somebody else made: good enough until a renewal of them is due.
    pub adopted: Option<PathBuf>,
    /// Whether there is anybody to call at all.
    pub alone: bool,
}

/// Look at the clocks and tell the watchdog at least this often.
const LONGEST_NAP: Duration = Duration::from_mins(15);
/// Between two warnings of the same.
const DAILY: Duration = Duration::from_hours(24);

/// A relay's counts are told anew that often.
const GATEWAY_NAP: Duration = Duration::from_mins(1);

/// What one visit to the master is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    Enrol,
    Renew(RenewalKey),
    Report,
}

/// The agent at work: one store, one master, one clock.
#[derive(Debug)]
pub struct Daemon<M> {
    settings: Settings,
    store: Store,
    master: M,
    time: MasterTime,
    held: Option<(Generation, Bundle)>,
    state: State,
    /// On the clock that only goes forward: no call before that.
    not_before: Duration,
    /// A new key is wanted, due or not.
    renew_now: bool,
    /// What the log was last told of the clocks.
    clock_told: Option<ClockStanding>,
    /// On the clock that only goes forward: when the end of what was adopted was warned of.
    warned: Option<Duration>,
    /// What this host relays for others.
    relays: Option<Arc<Tally>>,
    word: Word,
}

impl<M: Master> Daemon<M> {
    /// Takes up what the store holds. A bundle that cannot be read is left where it is and counts as none.
    pub fn new(settings: Settings, store: Store, master: M, time: MasterTime) -> Self {
        let held = recall(&store);
        let mut state: State = store.load_state().ok().flatten().unwrap_or_default();
        (state.report_at, state.steps) = (None, 0);
        if let Some(measured) = state.clock {
            time.observe(measured.skew);
        }
        let not_before = time.clock().boot();
        let mut daemon = Self {
            settings,
            store,
            master,
            time,
            held,
            state,
            not_before,
            renew_now: false,
            clock_told: None,
            warned: None,
            relays: None,
            word: Word::default(),
        };
        daemon.schedule();
        daemon
    }

    /// What is held, however old.
    #[must_use]
    pub fn held(&self) -> Option<&Bundle> {
        self.held.as_ref().map(|(_, bundle)| bundle)
    }

    /// Why the last step failed, if it did.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.state.trouble.as_ref()
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> Status {
        let adopted = self.settings.adopted.as_deref().map(adopted::watched);
        Status::of(self.held(), &self.state, self.settings.tolerance, self.time.now()).watching(adopted)
    }

    /// Makes the next step renew with a new key, due or not.
    pub fn renew_now(&mut self) {
        self.renew_now = true;
    }

    /// Has the status tell what is relayed for others.
    pub fn watch(&mut self, relays: Option<Arc<Tally>>) {
        self.relays = relays;
    }

    /// Steps and naps until told otherwise.
    pub async fn run(&mut self, calls: &mut mpsc::Receiver<Call>) -> Ended {
        loop {
            let nap = self.step().await;
            tokio::select! {
                call = calls.recv() => match call {
                    Some(Call::Reload) => return Ended::Reload,
                    Some(Call::Renew) => self.renew_now(),
                    Some(Call::Stop) | None => return Ended::Stopped,
                },
                _ = self.time.clock().sleep(nap) => {}
            }
        }
    }

    /// One step: whatever is due now, as a whole. Returns how long to nap.
    pub async fn step(&mut self) -> Duration {
        self.notice_clock_step();
        if self.has_due_hooks() {
            // The master hears of it soon, not with the next report as planned.
            self.state.report_at = None;
            if let Err(error) = self.run_due_hooks().await {
                self.stumble(&error);
            }
        }
        if self.wait().is_zero() && self.errand().is_some() {
            let done = self.visit().await;
            self.master.hang_up();
            self.not_before = self.time.clock().boot() + self.settings.pace.floor;
            match done {
                Ok(()) => self.settle(),
                Err(error) => self.stumble(&error),
            }
        }
        self.warn_of_the_end();
        self.tell();
        self.nap()
    }

    /// What is due now, by the best knowledge of the master's time.
    fn errand(&self) -> Option<Errand> {
        let holds = self.held().is_some();
        if self.settings.alone {
            return None;
        }
        if self.renew_now && holds {
            return Some(Errand::Renew(RenewalKey::Fresh));
        }
        let now = self.time.now();
        match self.decision(now) {
            Decision::Enrol => Some(Errand::Enrol),
            Decision::Renew(key) => Some(Errand::Renew(key)),
            Decision::Rest { .. } => {
                (holds && self.state.report_at.is_none_or(|at| now >= at)).then_some(Errand::Report)
            }
        }
    }

    fn decision(&self, now: UnixTime) -> Decision {
        let policy = self.settings.policy;
        match (self.held(), self.adopted()) {
            (None, Some(Adopted { validity, lot })) => policy.decide_adopted(now, validity, lot),
            (held, _) => policy.decide(now, held.map(Bundle::held).as_ref()),
        }
    }

    /// What somebody else made, while nothing else is held. Read anew each time: somebody may replace it.
    fn adopted(&self) -> Option<Adopted> {
        let dir = self.settings.adopted.as_deref().filter(|_| self.held.is_none())?;
        adopted::look(dir).ok()
    }

    /// Once a day from when on its end is near.
    fn warn_of_the_end(&mut self) {
        let (boot, now) = (self.time.clock().boot(), self.time.now());
        let Some(dir) = self.settings.adopted.as_deref().filter(|_| self.held.is_none()) else { return };
        if self.warned.is_some_and(|warned| boot < warned + DAILY) {
            return;
        }
        let file = dir.display();
        match adopted::look(dir) {
            Ok(adopted) if adopted.ends_soon(now) => {
                let until = adopted.validity.until();
                warn!(dir = %file, %until, left = %Span::from(until.since(now)), "adopted certificates end soon");
            }
            Ok(_) => return,
            Err(error) => warn!(dir = %file, %error, "adopted certificates cannot be watched"),
        }
        self.warned = Some(boot);
    }

    fn notice_clock_step(&mut self) {
        let Some(step) = self.time.look() else { return };
        let by = Span::from(Duration::from_millis(step.by.unsigned_abs()));
        let to = if step.by < 0 { "back" } else { "forward" };
        warn!(%by, to, "the system clock was set; no deadline moves");
        self.state.steps = self.time.steps();
        if let (Some(measured), Some(skew)) = (&mut self.state.clock, self.time.skew()) {
            measured.skew = skew;
        }
        // Measured again as soon as the floor allows; until then the master's time goes on as before.
        self.state.report_at = None;
    }

    /// How long no call is allowed.
    fn wait(&self) -> Duration {
        self.not_before.saturating_sub(self.time.clock().boot())
    }

    /// When something is due, by the master's clock; `None`: as soon as a call is allowed.
    fn due(&self) -> Option<UnixTime> {
        let now = self.time.now();
        if self.settings.alone {
            return Some(now + LONGEST_NAP);
        }
        match self.decision(now) {
            Decision::Rest { .. } if self.renew_now && self.held.is_some() => None,
            Decision::Rest { until } if self.held.is_some() => Some(until.min(self.state.report_at?)),
            Decision::Rest { until } => Some(until),
            Decision::Enrol | Decision::Renew(_) => None,
        }
    }

    fn nap(&self) -> Duration {
        let until_due = self.due().map_or(Duration::ZERO, |due| due.since(self.time.now()));
        let longest = if self.relays.is_some() { GATEWAY_NAP } else { LONGEST_NAP };
        let watchdog = systemd::watchdog_interval().map_or(longest, |interval| interval / 2);
        let until_hook = self.next_hook().map_or(longest, |due| due.since(self.time.now()));
        // Rounded up: a nap that ends a fraction too early would only be followed by another.
        until_due.max(self.wait()).min(until_hook).min(longest).min(watchdog) + Duration::from_millis(1)
    }

    /// Leaves word of how things are: on disk, for the node exporter, for systemd.
    fn tell(&mut self) {
        let allowed = self.time.now() + self.wait();
        self.state.due = Some(self.due().map_or(allowed, |due| due.max(allowed)));
        self.state.gateway = self.relays.as_ref().map(|tally| tally.view());
        if let Err(error) = self.store.save_state(&self.state) {
            warn!(%error, "the state cannot be saved");
        }
        let status = self.status();
        if let Some(file) = &self.settings.metrics_file
            && let Err(error) = write_atomically(file, status.prometheus().as_bytes(), 0o644)
        {
            warn!(%error, file = %file.display(), "the metrics cannot be written");
        }
        self.word.tell(&status.headline());
    }
}

fn recall(store: &Store) -> Option<(Generation, Bundle)> {
    let (number, parts) = match store.current() {
        Ok(current) => current?,
        Err(error) => {
            warn!(%error, "what is stored cannot be read");
            return None;
        }
    };
    match Bundle::recall(parts) {
        Ok(bundle) => Some((number, bundle)),
        Err(error) => {
            warn!(error = crate::trouble::whole(&error), bundle = number.0, "what is stored is not usable");
            None
        }
    }
}

#[cfg(test)]
mod tests;
