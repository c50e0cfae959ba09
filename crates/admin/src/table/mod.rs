//! Answers for people. Pure: `now` is the master's time, the width is an argument.

mod agent;
mod key;
mod layout;
mod others;
mod people;
#[cfg(test)]
pub(crate) mod samples;
mod token;

pub use agent::{agent, agents};
pub use key::{key, key_summary, key_usage, keys};
pub use layout::Width;
pub use others::{approvals, audit, notices};
pub use people::{caller, capabilities, group, groups, profile, profiles, role, roles, user, users};
pub use token::{token, tokens};
