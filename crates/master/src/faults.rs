//! Where a test can make the process stop dead, as `kill -9` would, between two steps that must not come apart.
//!
//! Without the cargo feature `faults`, which no release has, there is nothing here.

/// What names the point to stop at, `enrol.after-commit` for example.
pub const STOP_AT: &str = "GATEPASS_MASTER_STOP_AT";

/// Ends the process here if the environment says so.
#[cfg(feature = "faults")]
pub fn point(name: &'static str) {
    if std::env::var_os(STOP_AT).is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Nothing, in a build that is meant to run.
#[cfg(not(feature = "faults"))]
pub const fn point(_name: &'static str) {}
