//! Creations that can be sent again when their answer was lost: `Idempotency-Key`.
//!
//! Invariant: nothing secret is stored for it. A secret made for such a request follows from the request, the user, the
//! instant it was first carried out, and a key that only the master has: the same request gets the same secret again.

use gatepass_contract::digest::Sha256;
use gatepass_contract::name::UserName;
use gatepass_contract::secret::Secret;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::{Code, IDEMPOTENCY_KEY};

use super::App;
use super::call::Call;
use super::failure::Failure;
use crate::domain::idempotency::{Claim, Repeated};
use crate::random;

/// A request that may come again, or may not.
pub(super) struct Repeatable<'a> {
    app: &'a App,
    at: UnixTime,
    claim: Option<Claim>,
}

impl<'a> Repeatable<'a> {
    /// As the caller has marked it.
    pub(super) fn of(app: &'a App, call: &Call, user: &UserName) -> Result<Self, Failure> {
        let key = call.header_values(IDEMPOTENCY_KEY)?.map(checked).transpose()?;
        let request = || Sha256::of(&call.canonical());
        let claim = key.map(|key| Claim { user: user.clone(), key, request: request() });
        Ok(Self { app, at: call.arrival.at, claim })
    }

    /// For the transaction: it looks whether this was carried out before, and keeps it if not.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.claim.clone()
    }

    /// The secret for something new.
    pub(super) fn secret(&self) -> Secret {
        self.secret_of(self.at)
    }

    /// The secret that was made when this was carried out before.
    pub(super) fn secret_again(&self, before: &Repeated) -> Secret {
        self.secret_of(before.at)
    }

    fn secret_of(&self, at: UnixTime) -> Secret {
        let Some(Claim { user, key, request }) = &self.claim else { return random::secret() };
        let parts = [user.as_str().as_bytes(), key.as_bytes(), &request.0, &at.0.to_be_bytes()];
        Secret::new(self.app.repeats.tag(&parts))
    }
}

/// When the same key came with another request.
pub(super) fn mismatch() -> Failure {
    Failure::open(Code::IdempotencyMismatch, "this idempotency key came with another request before")
}

fn checked(key: String) -> Result<String, Failure> {
    let fits = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let malformed =
        || Failure::open(Code::BadRequest, "an idempotency key has 1 to 255 visible ASCII characters");
    fits.then_some(key).ok_or_else(malformed)
}
