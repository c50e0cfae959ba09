//! After a change: outputs, then hooks, and back to the bundle before where a required hook fails.

use tracing::{info, warn};

use super::{Daemon, recall};
use crate::bundle::{Bundle, Parts};
use crate::hooks::{self, Change};
use crate::master::Master;
use crate::outputs::{self, Wrote};
use crate::trouble::StepError;

impl<M: Master> Daemon<M> {
    /// Brings outputs and hooks up to what is held; after a crash in the middle, again.
    pub(super) async fn apply(&mut self) -> Result<(), StepError> {
        let Some((number, bundle)) = &self.held else { return Ok(()) };
        self.write_outputs()?;
        if self.state.applied == Some(number.0) {
            return Ok(());
        }
        let changes = changes(self.store.previous()?.as_ref(), bundle.parts());
        let ran =
            hooks::run(&self.settings.hooks, &changes, bundle.generation(), &self.store.current_dir()).await;
        (self.state.hooks, self.state.applied) = (ran.results, Some(number.0));
        match ran.required_failure {
            Some(name) => Err(self.roll_back(name)),
            None => Ok(()),
        }
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

    /// A hook that is required failed: the bundle before is put back while it is good.
    fn roll_back(&mut self, hook: String) -> StepError {
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

fn changes(before: Option<&Parts>, now: &Parts) -> Vec<Change> {
    let certificate = before.is_none_or(|before| before.chain != now.chain || before.anchors != now.anchors);
    let token = before.is_none_or(|before| before.token != now.token);
    [(certificate, Change::Certificate), (token, Change::Token)]
        .into_iter()
        .filter_map(|(is, c)| is.then_some(c))
        .collect()
}
