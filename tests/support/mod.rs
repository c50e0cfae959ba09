//! Starts the real programs in directories of their own and stops them again, by process id.

mod agent;
mod master;
mod program;

pub use agent::{Agent, Identity};
pub use master::{Master, MasterOptions};
pub use program::{Output, Program, eventually, tool};
