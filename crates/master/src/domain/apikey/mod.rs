//! API keys: what may be created, what people may do to one, whom one lets in.
//!
//! The stored state is what people did; expiry is a fact about time. Invariants: revoked stays revoked; what a key may do
//! is a subset of what its creator might and of what its owner may at that moment; nothing but [`standing`] says how a
//! key stands to time; nothing but [`KeyHolder::allows`] says whom it lets in.

mod admit;
mod change;
mod create;
mod decision;
mod edit;
#[cfg(test)]
mod histories;
mod life;
mod once;
mod record;
mod rotation;
#[cfg(test)]
mod sample;

pub use admit::{Admission, KeyHolder, OwnerStanding};
pub use change::{Act, Asked, Case, Changed, KeyRules, Objection};
pub use create::{
    Creator, ExpiryPolicy, GivenRole, LONGEST_DESCRIPTION, NewApiKey, Owner, Rights, Unacceptable,
};
pub use life::{IllegalMove, KeyEvent, apply};
pub use record::{ApiKeyRecord, standing};
pub use rotation::Rotation;
