//! Identifiers: random when made, opaque ever after.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXUPPER};
use serde::{Deserialize, Serialize};

/// Not an identifier of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}")]
pub struct NotAnId {
    text: String,
    kind: &'static str,
}

macro_rules! text_form {
    ($id:ident, $bytes:literal, $encoding:expr, $kind:literal) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&$encoding.encode(&self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }

        impl FromStr for $id {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let bytes =
                    $encoding.decode(text.as_bytes()).ok().and_then(|b| <[u8; $bytes]>::try_from(b).ok());
                bytes.map(Self).ok_or_else(|| NotAnId { text: text.to_owned(), kind: $kind })
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $id {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }
    };
}

/// One enrolled host: 16 bytes, written as 32 upper-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(pub [u8; 16]);

text_form!(AgentId, 16, HEXUPPER, "an agent id (32 upper-case hex digits)");

/// The public half of an API key: 10 bytes, written as 16 characters of base32 (RFC 4648).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(pub [u8; 10]);

text_form!(KeyId, 10, BASE32_NOPAD, "a key id (16 characters A-Z, 2-7)");

/// An API token: 10 bytes, base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(pub [u8; 10]);

text_form!(TokenId, 10, BASE32_NOPAD, "a token id (16 characters A-Z, 2-7)");

/// Something that waits for an approver: 10 bytes, base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId(pub [u8; 10]);

text_form!(ApprovalId, 10, BASE32_NOPAD, "the id of a request for approval (16 characters A-Z, 2-7)");

/// A notice on its way to somebody: 10 bytes, base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoticeId(pub [u8; 10]);

text_form!(NoticeId, 10, BASE32_NOPAD, "a notice id (16 characters A-Z, 2-7)");

/// Which request an answer, a log line and an audit record belong to: 10 bytes, base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(pub [u8; 10]);

text_form!(RequestId, 10, BASE32_NOPAD, "a request id (16 characters A-Z, 2-7)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_print_and_parse_and_refuse_other_lengths() {
        let agent = AgentId([0xAB; 16]);
        assert_eq!(agent.to_string(), "ABABABABABABABABABABABABABABABAB");
        assert_eq!(agent.to_string().parse(), Ok(agent));
        assert!("abababababababababababababababab".parse::<AgentId>().is_err());
        let key = KeyId([7; 10]);
        assert_eq!(key.to_string().len(), 16);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("A".parse::<KeyId>().is_err());
    }
}
