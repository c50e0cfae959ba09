//! `[tokens]` and `[passwords]`

use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

use super::values::Lifetime;
use crate::domain::people::{LONGEST_PASSWORD, SHORTEST_PASSWORD};

/// `[tokens]`: how long API tokens and sessions live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// Where whoever creates one names no end.
    pub default_expiry: Span,
    /// Whether a token may be made that never expires.
    pub allow_never: bool,
    /// How long somebody who signed in with a password stays so.
    pub session: Lifetime,
}

impl Default for Tokens {
    fn default() -> Self {
        let session = Lifetime(Span::from_secs(12 * 3600));
        Self { default_expiry: Span::from_secs(365 * 86_400), allow_never: false, session }
    }
}

/// `[passwords]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passwords {
    /// How many characters a new one has at least.
    pub min_length: MinLength,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { min_length: MinLength(SHORTEST_PASSWORD) }
    }
}

/// Within what a password can have at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct MinLength(pub(super) usize);

impl TryFrom<usize> for MinLength {
    type Error = String;
    fn try_from(length: usize) -> Result<Self, String> {
        let fits = (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length);
        let bad = || format!("passwords have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters");
        fits.then_some(Self(length)).ok_or_else(bad)
    }
}

impl From<MinLength> for usize {
    fn from(length: MinLength) -> Self {
        length.0
    }
}
