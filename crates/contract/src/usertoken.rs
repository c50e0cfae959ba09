//! A user's JWT: an API token, or the token of a session. Anybody can verify it with the published JWKS; only the master
//! knows whether it still lets anybody in.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};

use crate::id::TokenId;
use crate::jws::{self, Claimed, JwsError};
use crate::name::{GroupName, RoleName, UserName};
use crate::time::UnixTime;

/// The token type in the header.
pub const TYP: &str = "gatepass-api+jwt";

/// The claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The master's issuer name.
    pub iss: String,
    /// The user.
    pub sub: UserName,
    /// Who may accept it.
    pub aud: Vec<String>,
    /// When it was made, seconds, by the master's clock.
    pub iat: i64,
    /// From when it is good, seconds.
    pub nbf: i64,
    /// When it ends; absent: not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Which token, and which JWT of it.
    pub jti: Serial,
    /// What the token is called.
    pub name: String,
    /// By name, what it may do.
    pub roles: Vec<RoleName>,
    /// The user's groups when it was made.
    pub groups: Vec<GroupName>,
    /// What it could do when it was made: capabilities with spaces between (RFC 8693, section 4.2). The master looks
    /// anew each time.
    pub scope: String,
}

/// One JWT of a token: `<token id>.<number>`. Only the one with the last number is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial {
    /// Of which token.
    pub token: TokenId,
    /// Which one, counted from one.
    pub number: u64,
}

/// Not `<token id>.<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the jti of a user's token")]
pub struct NotASerial;

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.token, self.number)
    }
}

impl FromStr for Serial {
    type Err = NotASerial;
    fn from_str(text: &str) -> Result<Self, NotASerial> {
        let (token, number) = text.split_once('.').ok_or(NotASerial)?;
        let serial = Self {
            token: token.parse().map_err(|_| NotASerial)?,
            number: number.parse().map_err(|_| NotASerial)?,
        };
        if serial.to_string() == text { Ok(serial) } else { Err(NotASerial) }
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

impl TryFrom<String> for Serial {
    type Error = NotASerial;
    fn try_from(text: String) -> Result<Self, NotASerial> {
        text.parse()
    }
}

impl Claims {
    /// When the JWT itself has ended, if it has. Whether it has begun is no question for who made it.
    #[must_use]
    pub fn ended(&self, now: UnixTime) -> Option<UnixTime> {
        self.exp.map(UnixTime::from_seconds).filter(|&exp| exp <= now)
    }

    /// The claims of a token signed with one of the master's keys. Says nothing about dates.
    pub fn open(token: &str, keys: &JwkSet) -> Result<Self, JwsError> {
        let kid = Claimed::of(token)?.kid;
        jws::open(token, TYP, keys.find(&kid).ok_or(JwsError::Signature)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_has_one_spelling() {
        let serial = Serial { token: TokenId([7; 10]), number: 3 };
        assert_eq!(serial.to_string().parse(), Ok(serial));
        for bad in ["", "A.1", &format!("{}.03", TokenId([7; 10])), &format!("{}.", TokenId([7; 10])), "x"] {
            assert_eq!(bad.parse::<Serial>(), Err(NotASerial), "{bad}");
        }
    }

    #[test]
    fn a_jwt_without_end_does_not_end() {
        let mut claims = Claims {
            iss: "https://localhost".to_owned(),
            sub: "ann".parse().expect("a name"),
            aud: Vec::new(),
            iat: 100,
            nbf: 100,
            exp: None,
            jti: Serial { token: TokenId([7; 10]), number: 1 },
            name: "ci".to_owned(),
            roles: Vec::new(),
            groups: Vec::new(),
            scope: String::new(),
        };
        let ended = |claims: &Claims, seconds| claims.ended(UnixTime::from_seconds(seconds)).is_some();
        assert!(!ended(&claims, i64::MAX / 1000));
        claims.exp = Some(200);
        assert!(!ended(&claims, 199) && ended(&claims, 200));
        let json = serde_json::to_string(&Claims { exp: None, ..claims }).expect("JSON");
        assert!(!json.contains("exp"), "{json}");
    }
}
