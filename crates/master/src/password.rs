//! People's passwords: hashed slowly, a few at a time.
//!
//! Invariants: a password stands nowhere but in its hash; whether there is such a user, or one with a password, cannot be
//! told from how long the answer takes; however many are tried at once, the work and the memory for it are bounded.

use std::sync::Arc;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use gatepass_contract::secret::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::domain::people::PasswordHash;
use crate::random;

/// More are waiting than can be looked at soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being tried at once")]
pub struct Crowded;

/// Hashes and compares.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// What a password is compared with where there is none.
    nobody: PasswordHash,
}

impl Passwords {
    /// Ready to work.
    #[must_use]
    pub fn new() -> Self {
        let places = Arc::new(Semaphore::new(MOST_WAITING));
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        // The hash of nothing that anybody knows, and even that would not do.
        Self { places, turns, nobody: written(&random::bytes(), &random::bytes()) }
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Crowded> {
        let _turn = self.turn().await?;
        Ok(work(move || hashed(password.expose().as_bytes())).await)
    }

    /// Whether it is the password with that hash; with none it takes as long and is not.
    pub async fn matches(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Crowded> {
        let _turn = self.turn().await?;
        let (known, hash) = (hash.is_some(), hash.unwrap_or_else(|| self.nobody.clone()));
        let same = work(move || is_same(password.expose().as_bytes(), &hash)).await;
        Ok(same && known)
    }

    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Crowded> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Crowded)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Crowded)?;
        Ok((place, turn))
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

async fn work<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("hashing does not panic, and nobody cancels it")
}

fn hashed(password: &[u8]) -> PasswordHash {
    let salt = random::bytes::<16>();
    written(&salt, &stretched(&argon2(Params::DEFAULT), password, &salt))
}

fn written(salt: &[u8; 16], output: &[u8; 32]) -> PasswordHash {
    let (salt, output) = (Salt::new(salt), Output::new(output));
    let phc = phc::PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::DEFAULT).expect("argon2's own parameters"),
        salt: Some(salt.expect("16 bytes are within the bounds")),
        hash: Some(output.expect("32 bytes are within the bounds")),
    };
    PasswordHash::from_stored(phc.to_string())
}

/// With the parameters it was once hashed with. What was not written by us matches nothing.
fn is_same(password: &[u8], stored: &PasswordHash) -> bool {
    let Ok(phc) = phc::PasswordHash::new(stored.as_str()) else { return false };
    let (Ok(params), Some(salt), Some(hash)) = (Params::try_from(&phc), phc.salt, phc.hash) else {
        return false;
    };
    let stretched = stretched(&argon2(params), password, salt.as_ref());
    verify_slices_are_equal(&*stretched, hash.as_bytes()).is_ok()
}

/// In memory that is given back to the system at once. The allocator would keep up to 38 MiB of it for next time, in
/// each thread's arena; what is larger than its own limit (32 MiB, mallopt(3)) it always asks the system for. Only what is
/// used of that costs anything.
fn stretched(argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    let mut memory = Vec::with_capacity(ROOM);
    memory.resize(argon2.params().block_count(), Block::new());
    let done = argon2.hash_password_into_with_memory(password, salt, &mut *output, &mut memory);
    done.expect("parameters and lengths are within argon2's bounds");
    output
}

/// 19 MiB, two passes, one lane: OWASP's smallest recommendation, 15 ms of a core.
fn argon2(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// More than the 32 MiB that glibc's allocator would keep, in blocks.
const ROOM: usize = 36 * 1024 * 1024 / Block::SIZE;
/// Each takes 19 MiB while it works.
const AT_ONCE: usize = 2;
/// Half a second's work.
const MOST_WAITING: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(Zeroizing::new(text.to_owned()))
    }

    #[tokio::test]
    async fn only_the_password_itself_matches_its_hash() {
        let passwords = Passwords::new();
        let right = || password("correct horse battery");
        let hash = passwords.hash(right()).await.expect("room");
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_ne!(hash, passwords.hash(right()).await.expect("room"), "salted");
        for (tried, hash, want) in [
            (right(), Some(hash.clone()), true),
            (password("correct horse batterz"), Some(hash.clone()), false),
            (password(""), Some(hash.clone()), false),
            (right(), None, false),
        ] {
            assert_eq!(passwords.matches(tried, hash).await, Ok(want));
        }
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away() {
        let passwords = Passwords::new();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..2 * MOST_WAITING {
            let passwords = passwords.clone();
            all.spawn(async move { passwords.matches(password("x"), None).await });
        }
        let answers = all.join_all().await;
        assert_eq!(answers.iter().filter(|answer| **answer == Err(Crowded)).count(), MOST_WAITING);
    }
}
