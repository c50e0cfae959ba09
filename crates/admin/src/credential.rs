//! What is shown to the master: an API key, or a signed token.

use std::fmt;

use gatepass_contract::secret::{ApiKey, NotAnApiKey, PREFIX};
use zeroize::Zeroizing;

/// A secret that says who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key; it also pins the master's CA.
    Key(ApiKey),
    /// The JWT of an API token or of a session.
    Token(Token),
}

/// A JWT as far as it can be told without the master's keys. `Debug` does not show it; zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

/// What is wrong with a text that should be a credential. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotACredential {
    /// No API key.
    #[error(transparent)]
    Key(#[from] NotAnApiKey),
    /// No token, but a key.
    #[error("it is an API key, not a token")]
    KeyForToken,
    /// No token.
    #[error("it is not a JWT: three parts of base64url with dots between them")]
    Token,
}

impl Credential {
    /// Reads an API key.
    pub fn key(text: &str) -> Result<Self, NotACredential> {
        Ok(Self::Key(ApiKey::parse(text)?))
    }

    /// Reads a token.
    pub fn token(text: &str) -> Result<Self, NotACredential> {
        Token::parse(text).map(Self::Token)
    }

    /// What stands behind `Bearer`.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        match self {
            Self::Key(key) => key.reveal(),
            Self::Token(token) => token.0.clone(),
        }
    }
}

impl Token {
    /// Reads one, surrounding white space allowed.
    pub fn parse(text: &str) -> Result<Self, NotACredential> {
        let text = text.trim();
        if text.starts_with(PREFIX) {
            return Err(NotACredential::KeyForToken);
        }
        let base64url = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let sound = text.split('.').count() == 3 && text.split('.').all(base64url);
        if sound { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NotACredential::Token) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_key_and_from_nonsense() {
        assert!(Token::parse(" eyJh.eyJz.c2ln\n").is_ok());
        for (text, want) in [
            ("gpk_123", NotACredential::KeyForToken),
            ("hunter2", NotACredential::Token),
            ("a.b", NotACredential::Token),
            ("a.b.", NotACredential::Token),
            ("a.b.c d", NotACredential::Token),
        ] {
            assert_eq!(Token::parse(text), Err(want), "{text}");
        }
        assert_eq!(format!("{:?}", Token::parse("a.b.c").expect("a token")), "Token");
        assert_eq!(Credential::key("a.b.c"), Err(NotACredential::Key(NotAnApiKey::Prefix)));
    }
}
