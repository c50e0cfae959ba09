//! Random numbers that are no secrets: lots that spread a fleet.

use aws_lc_rs::rand;

/// 0 to 99. Without a random source the middle: late or early by chance is all that is lost.
#[must_use]
pub(crate) fn lot() -> u8 {
    let mut byte = [0];
    match rand::fill(&mut byte) {
        // 256 is no multiple of 100: the first lots are a little likelier, which spreads a fleet just as well.
        Ok(()) => byte[0] % 100,
        Err(_) => 50,
    }
}
