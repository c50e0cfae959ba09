//! The server agents enrol with, as a library: `main` only wires it together.
//!
//! Floors, upper ones use lower ones only: [`domain`] decides and is pure; [`clock`], [`random`], [`sealed`], [`ca`],
//! [`notify`] and [`store`] touch the world and never each other's inside; [`admission`], [`metrics`] and [`http`] answer requests;
//! [`server`] and [`tasks`] run; [`config`], [`cli`], [`init`], [`preflight`] and [`serve`] are where a process begins.

pub mod admission;
pub mod backup;
pub mod ca;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod domain;
pub mod faults;
pub mod http;
pub mod init;
mod making;
pub mod metrics;
pub mod migrate;
pub mod notify;
mod output;
pub mod password;
pub mod preflight;
pub mod random;
pub mod sealed;
pub mod serve;
pub mod server;
pub mod store;
pub mod tasks;
