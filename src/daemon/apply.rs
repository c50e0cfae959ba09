//! After a change: outputs, then hooks, now or when they are due, and back to the bundle before where a required hook
//! fails.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::agent::HookResult;
use tracing::{info, warn};

use super::{Daemon, recall};
use crate::bundle::{Bundle, Change, Parts};
use crate::hooks::{Hook, Occasion};
use crate::master::Master;
use crate::outputs::{self, Wrote};
use crate::state::Pending;
use crate::trouble::StepError;

impl<M: Master> Daemon<M> {
    /// Brings outputs and hooks up to what is held; after a crash in the middle, again.
    pub(super) async fn apply(&mut self) -> Result<(), StepError> {
        let Some((number, _)) = &self.held else { return Ok(()) };
        let number = number.0;
        self.write_outputs()?;
        if self.state.applied != Some(number) {
            let before = self.store.previous()?;
            self.queue(number, before);
            self.state.applied = Some(number);
        }
        self.run_due_hooks().await
    }

    /// With every visit, not only after a change: an output may be new in the configuration, or somebody damaged it.
    fn write_outputs(&self) -> Result<(), StepError> {
        let Some(bundle) = self.held() else { return Ok(()) };
        for output in &self.settings.outputs {
            if outputs::write(output, bundle.parts())? == Wrote::All {
                info!(dir = %output.dir().display(), "output written");
            }
        }
        Ok(())
    }

    /// Notes what each hook has to be told of.
    fn queue(&mut self, number: u64, before: Option<Parts>) {
        let Some(bundle) = self.held() else { return };
        let changes = bundle.parts().changes_since(before.as_ref());
        let (before, now) = (before.and_then(|parts| Bundle::recall(parts).ok()), self.time.now());
        for hook in &self.settings.hooks {
            let wanted = changes.iter().copied().filter(|&change| hook.wants(change));
            let ends = wanted.map(|change| before.as_ref().map(|before| before.end_of(change)));
            let Some(in_use_until) = ends.min() else { continue };
            let news = Pending {
                name: hook.name().clone(),
                changes: changes.clone(),
                since: now,
                in_use_until,
                bundle: number,
                due: now,
            };
            add(&mut self.state.pending, news);
        }
    }

    /// Whether a hook that waited is due.
    pub(super) fn has_due_hooks(&self) -> bool {
        let now = self.time.now();
        self.held.is_some() && self.state.pending.iter().any(|pending| pending.due <= now)
    }

    /// When the next hook is due, of those that wait.
    pub(super) fn next_hook(&self) -> Option<UnixTime> {
        self.held.as_ref().and_then(|_| self.state.pending.iter().map(|pending| pending.due).min())
    }

    /// Runs those that are due, in the order of the configuration; the others wait on.
    pub(super) async fn run_due_hooks(&mut self) -> Result<(), StepError> {
        self.schedule();
        let now = self.time.now();
        for hook in self.settings.hooks.clone() {
            let is_due = |pending: &Pending| pending.name == *hook.name() && pending.due <= now;
            let Some(at) = self.state.pending.iter().position(is_due) else { continue };
            let pending = self.state.pending.remove(at);
            let result = self.run_hook(&hook, &pending.changes).await;
            let failed = !result.ok;
            self.record(result);
            if failed && hook.is_required() {
                return Err(self.roll_back(hook.name().to_string()));
            }
        }
        Ok(())
    }

    async fn run_hook(&self, hook: &Hook, changes: &[Change]) -> HookResult {
        let generation = self.held().map_or(0, Bundle::generation);
        hook.run(Occasion { changes, generation, dir: &self.store.current_dir() }).await
    }

    /// Works out when each is due by the configuration as it is; one that is no longer in it is forgotten.
    pub(super) fn schedule(&mut self) {
        let (hooks, now) = (&self.settings.hooks, self.time.now());
        self.state.pending.retain_mut(|pending| {
            let hook = hooks.iter().find(|hook| *hook.name() == pending.name);
            hook.inspect(|hook| pending.due = hook.due(pending, now)).is_some()
        });
        self.state.hooks.retain(|result| hooks.iter().any(|hook| *hook.name() == result.name));
    }

    fn record(&mut self, result: HookResult) {
        match self.state.hooks.iter_mut().find(|known| known.name == result.name) {
            Some(known) => *known = result,
            None => self.state.hooks.push(result),
        }
    }

    /// A hook that is required failed: the bundle before is put back while it is good. Those that waited for this
    /// bundle only have nothing to be told of any more.
    fn roll_back(&mut self, hook: String) -> StepError {
        if let Some((number, _)) = &self.held {
            let number = number.0;
            self.state.pending.retain(|pending| pending.bundle < number);
        }
        let before = self.store.previous().ok().flatten();
        if before.and_then(|parts| Bundle::verify(parts, self.time.now()).ok()).is_none() {
            warn!(hook, "a required hook failed, and there is no good bundle to go back to");
            return StepError::Hook { name: hook };
        }
        if let Err(error) = self.store.roll_back() {
            return error.into();
        }
        self.held = recall(&self.store);
        self.state.applied = None;
        warn!(hook, "a required hook failed: the bundle before is back in place");
        self.write_outputs().err().unwrap_or(StepError::Hook { name: hook })
    }
}

/// What a hook waits for already stays: it has to be told of both.
fn add(pending: &mut Vec<Pending>, news: Pending) {
    let Some(known) = pending.iter_mut().find(|known| known.name == news.name) else {
        pending.push(news);
        return;
    };
    for change in news.changes {
        if !known.changes.contains(&change) {
            known.changes.push(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_of_all_and_counts_from_the_first() {
        let news = |at: i64, changes: &[Change]| Pending {
            name: "nginx".parse().expect("a name"),
            changes: changes.to_vec(),
            since: UnixTime(at),
            in_use_until: Some(UnixTime(at + 100)),
            bundle: u64::try_from(at).expect("small"),
            due: UnixTime(at),
        };
        let mut pending = Vec::new();
        add(&mut pending, news(1, &[Change::Token]));
        add(&mut pending, news(2, &[Change::Certificate, Change::Token]));
        assert_eq!(pending, [news(1, &[Change::Token, Change::Certificate])]);
    }
}
