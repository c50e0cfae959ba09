//! The agent: gives a host its identity and keeps it alive.
//!
//! Floors, top to bottom; a module uses lower ones only: `commands`, `cli`, `config` · `daemon` · `check`, `enrol`,
//! `dialect`, `install`, `preflight`, `trouble` · `adopted`, `clock`, `credential`, `facts`, `gateway`, `hooks`, `logging`, `master`, `net`, `outputs`, `random`, `store`,
//! `systemd` · `bundle`, `disguise`, `durable`, `keys`, `policy`, `state`, `status`.

pub mod adopted;
pub mod bundle;
pub mod check;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod credential;
pub mod daemon;
pub mod dialect;
pub mod disguise;
mod durable;
pub mod enrol;
pub mod facts;
pub mod faults;
pub mod gateway;
pub mod hooks;
pub mod install;
pub mod keys;
pub mod logging;
pub mod master;
pub mod net;
pub mod outputs;
pub mod policy;
pub mod preflight;
mod random;
pub mod state;
pub mod status;
pub mod store;
pub mod systemd;
pub mod trouble;
