//! Named points at which a test may stop the process, as `kill -9` would: nothing is flushed, nothing cleaned up.
//!
//! Compiled to nothing without the cargo feature `faults`; no released binary has it.

/// Where a stop can be asked for, in the order in which one renewal passes them.
pub const POINTS: &[&str] = &[
    "pending-key.before-rename",
    "pending-key.saved",
    "answered",
    "publish.directory-made",
    "publish.tls.key",
    "publish.tls.crt",
    "publish.ca.crt",
    "publish.agent.jwt",
    "publish.meta.json",
    "publish.before-rename",
    "publish.after-rename",
    "publish.committed",
    "publish.swept",
    "pending-key.cleared",
    "output.before-rename",
    "output.after-rename",
    "state.saved",
];

/// Where each step of an installation, of its removal, or of the exchange of an identity, can be stopped; the step's
/// number follows.
pub const STEPS: &[&str] =
    &["install.begun", "install.acted", "install.done", "remove.undone", "download.exchange"];

/// Ends the process here when `GATEPASS_STOP_AT` names this point.
#[cfg(feature = "faults")]
pub fn point(name: &str) {
    debug_assert!(POINTS.contains(&name), "unlisted fault point {name}");
    if std::env::var_os("GATEPASS_STOP_AT").is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// The same where a plan has many steps: `GATEPASS_STOP_AT=install.acted.3`.
#[cfg(feature = "faults")]
pub fn numbered_point(name: &str, number: usize) {
    debug_assert!(STEPS.contains(&name), "unlisted fault point {name}");
    if std::env::var("GATEPASS_STOP_AT").is_ok_and(|wanted| wanted == format!("{name}.{number}")) {
        std::process::abort();
    }
}

/// Does nothing: this program was built without the feature `faults`.
#[cfg(not(feature = "faults"))]
pub const fn point(_name: &str) {}

/// Does nothing: this program was built without the feature `faults`.
#[cfg(not(feature = "faults"))]
pub const fn numbered_point(_name: &str, _number: usize) {}
