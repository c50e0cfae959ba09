//! What makes a repeated creation the same one.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::name::UserName;
use gatepass_contract::time::UnixTime;

/// For how long a repeated creation is recognised.
pub const KEPT: Duration = Duration::from_hours(24);

/// What a creation is recognised by when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who asked; another user's key is another one.
    pub user: UserName,
    /// What they called it.
    pub key: String,
    /// SHA-256 of all that was asked.
    pub request: Sha256,
}

/// What is known of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: go on, and keep it with what is created.
    Never,
    /// It was carried out before.
    Before(Repeated),
    /// Its key came with another request.
    Otherwise,
}

/// A request that was carried out before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// What it created or changed, as the audit names it.
    pub subject: String,
    /// When: the secret made for it depends on that.
    pub at: UnixTime,
}
