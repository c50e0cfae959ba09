//! Runs what must reload after a change: in order, without a shell, with a time limit, its result recorded. A hook may
//! wait, for more changes or for its part of the day, and never until what its consumer uses has ended.

mod running;
mod window;
mod written;

use std::path::Path;

use gatepass_contract::name::DisplayName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::agent::HookResult;

pub use window::Window;
pub use written::{Hook, distinct};

use crate::bundle::Change;
use crate::state::Pending;
use window::Wait;

/// What a hook finds in its environment: `GATEPASS_GENERATION` (the master's number), `GATEPASS_DIR` (the directory with
/// the files) and `GATEPASS_REASON` (`certificate`, `token` or `certificate,token`), besides `PATH`.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// What has changed since it was run last.
    pub changes: &'a [Change],
    /// The master's number for the certificate.
    pub generation: u64,
    /// Where the files are.
    pub dir: &'a Path,
}

impl Hook {
    /// What it is called; no two are called the same.
    #[must_use]
    pub const fn name(&self) -> &DisplayName {
        &self.name
    }

    /// Whether the new identity is no good without it.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Those of the changes it wants to know of; any of them makes it run, and then it is told of all.
    #[must_use]
    pub fn wants(&self, change: Change) -> bool {
        self.on.contains(&change)
    }

    /// When it is to run, by what is known `now`; both are the master's time.
    #[must_use]
    pub fn due(&self, pending: &Pending, now: UnixTime) -> UnixTime {
        let wait = Wait {
            since: pending.since,
            debounce: self.debounce.duration(),
            window: self.window,
            in_use_until: pending.in_use_until,
            timeout: self.timeout.duration(),
        };
        wait.due(now)
    }

    /// Runs it.
    pub async fn run(&self, occasion: Occasion<'_>) -> HookResult {
        self.carry_out(&occasion).await
    }
}

#[cfg(test)]
mod tests;
