//! Word to the service manager (`sd_notify(3)`): ready, status, watchdog. Without one, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often the watchdog wants to hear something.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// What was told so far.
#[derive(Debug, Default)]
pub struct Word {
    ready: bool,
}

impl Word {
    /// Tells that the process is alive and how things are; the first time, that it is ready: units ordered after this
    /// one start when the first step is over, which is when a good bundle is there if one is to be had.
    pub fn tell(&mut self, status: &str) {
        notify(&[NotifyState::Watchdog, NotifyState::Status(status)]);
        if !std::mem::replace(&mut self.ready, true) {
            notify(&[NotifyState::Ready]);
        }
    }
}

/// The configuration is being read again; the first word of the next daemon says that it is done.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The process ends.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
