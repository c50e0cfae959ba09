//! Passwords, as far as they can be known.

use std::fmt;

use gatepass_contract::secret::Password;

use super::Unacceptable;

/// What is stored of a password: argon2id in the PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// As it was stored.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// For the database alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// That a new password will do.
pub fn is_password(password: &Password, shortest: usize) -> Result<(), Unacceptable> {
    let length = password.expose().chars().count();
    if (shortest..=LONGEST_PASSWORD).contains(&length) {
        Ok(())
    } else {
        Err(Unacceptable::Password(shortest))
    }
}

/// What a password has at least, whatever the operator allows.
pub const SHORTEST_PASSWORD: usize = 10;
/// What a password has at most: beyond that, only hashing it gets slower.
pub const LONGEST_PASSWORD: usize = 128;
