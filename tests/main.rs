//! Stories with the real programs: a real master, a real agent, real files, real TLS.
//!
//! They need the programs built with the feature that lets a test stop them at a named point:
//! `cargo build --workspace --features gatepass/faults,gatepass-master/faults` (`scripts/test` does it).

#[expect(unreachable_pub, reason = "nothing here leaves the test binary; `pub` is what the stories may use")]
mod support;

mod apikeys;
mod audit;
mod backup;
mod check;
mod cli;
mod clock;
mod cluster;
mod credentials;
mod ctl;
mod daemon;
mod disk;
mod docs;
mod fleet;
mod hooks;
mod install;
mod keys;
mod main_job;
mod man;
mod migrate;
mod names;
mod network;
mod notices;
mod openapi;
mod outputs;
mod packages;
mod people;
mod rest;
mod single_use;
mod stops;
mod systemd;
mod twsinst;
mod twsinst_secrets;
