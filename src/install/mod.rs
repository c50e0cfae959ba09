//! Installing: a plan of steps, carried out so that it can stop anywhere.
//!
//! Invariants: each step looks first and does nothing where all is as it should be; before it acts, what it takes to undo
//! it is on the disk. A run that was stopped is resumed by the next one, a run that failed is undone in reverse, and what
//! complete runs have made is known to the one that removes it.
//!
//! ```text
//! <place>/           0700: beside what is installed
//!     lock           one run at a time
//!     journal.json   0600: what was made, and the run under way; no secrets
//!     before/        what files held before complete runs replaced them
//!     run/           the same for the run under way
//! ```

mod disk;
mod engine;
mod enrolment;
mod error;
mod event;
mod host;
mod journal;
mod native;
mod service;
mod step;
mod undo;

pub use disk::{AGENT_ID, Content, Contents, Directory, Entry, File, Link, Program, Secret};
pub use engine::{Outcome, Plan, Removal, apply, dry_run, made, remove};
pub use enrolment::{Enrolment, Joined, as_user};
pub use error::{Failure, InstallError, Standing};
pub use event::{Did, Event};
pub use host::{Account, Missing, Owner, has_systemd};
pub use journal::Made;
pub use native::{KEY, Native, PLACE, Service, UNIT, USER, plan};
pub use service::{DropIn, Spawned, Unit, is_active, start, stop, stop_spawned};
pub use step::Step;

#[cfg(test)]
mod tests;
