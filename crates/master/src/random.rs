//! Everything that must not be guessed, or must not repeat: ids, secrets, serial numbers.

use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
use gatepass_contract::id::{AgentId, KeyId, NoticeId, RequestId, TokenId};
use gatepass_contract::secret::Secret;

/// That many random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system's random source works or nothing here may go on");
    bytes
}

/// For a new agent.
#[must_use]
pub fn agent_id() -> AgentId {
    AgentId(bytes())
}

/// For a new API key.
#[must_use]
pub fn key_id() -> KeyId {
    KeyId(bytes())
}

/// For a notice to one receiver.
#[must_use]
pub fn notice_id() -> NoticeId {
    NoticeId(bytes())
}

/// For a new API token or session.
#[must_use]
pub fn api_token_id() -> TokenId {
    TokenId(bytes())
}

/// For a request that came in.
#[must_use]
pub fn request_id() -> RequestId {
    RequestId(bytes())
}

/// For a new API key.
#[must_use]
pub fn secret() -> Secret {
    Secret::new(bytes())
}

/// For a token's `jti`.
#[must_use]
pub fn token_id() -> String {
    BASE64URL_NOPAD.encode(&bytes::<16>())
}

/// Decides between equals, see [`crate::domain::slots`].
#[must_use]
pub fn lot() -> u64 {
    u64::from_ne_bytes(bytes())
}
