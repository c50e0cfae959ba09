//! A database on a `PostgreSQL` server that any number of masters share.
//!
//! Invariants: whoever writes holds the ledger's lock from before its first statement to the end of its transaction, so
//! that writers of all masters are one after the other, as those of a file are; each statement sees all that was committed
//! before the lock was had. Calls block: none is made on a thread that runs tasks.
//!
//! # Why a lock and not the isolation level
//!
//! `SERIALIZABLE` would let writers overlap and then turn some of them away, to be run again. Every write appends to one
//! audit chain: they could never overlap for long.

mod readers;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod writer;

pub(super) use readers::Readers;
pub(crate) use session::Session;
pub use url::{BadUrl, PostgresUrl};
pub(super) use writer::{Writing, schema};

/// "gatepass" in ASCII: advisory locks are numbers, and others may use some in the same database.
const LEDGER: i64 = 0x6761_7465_7061_7373;
/// Of the master that does the periodic work.
pub(super) const LEADER: i64 = LEDGER + 1;
