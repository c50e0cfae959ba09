//! Stories with the real programs: a real master, a real agent, real files, real TLS.
//!
//! They need the programs built with the feature that lets a test stop them at a named point:
//! `cargo build --workspace --features gatepass/faults,gatepass-master/faults` (`scripts/test` does it).

mod support;

mod clock;
mod disk;
mod main_job;
mod man;
mod names;
mod stops;
mod network;
