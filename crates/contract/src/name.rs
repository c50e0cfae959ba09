//! Names that people and certificates share: checked once, safe to print, log and sign ever after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text cannot be the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {want}")]
pub struct BadName {
    text: String,
    want: &'static str,
}

macro_rules! text_form {
    ($name:ident, $want:literal) => {
        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                if Self::allows(&text) {
                    Ok(Self(text))
                } else {
                    // What is refused is quoted back: without what could garble a log or a terminal, and in part.
                    let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
                    Err(BadName { text, want: $want })
                }
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

/// What an agent or a key is called: 1 to 64 characters (the bound of a common name, RFC 5280 appendix A.1), letters,
/// digits, space and `._-@:/+`, neither beginning nor ending with a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DisplayName(String);

impl DisplayName {
    fn allows(text: &str) -> bool {
        (1..=64).contains(&text.chars().count())
            && text.trim() == text
            && text.chars().all(|c| c.is_alphanumeric() || " ._-@:/+".contains(c))
    }
}

text_form!(DisplayName, "a name: 1 to 64 letters, digits, spaces or ._-@:/+");

/// A host name in lower case (RFC 1123, section 2.1): labels of letters, digits and inner hyphens, at most 253
/// characters in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    fn allows(text: &str) -> bool {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        text.len() <= 253 && text.split('.').all(label)
    }

    /// Whether `pattern` covers this name: the name itself, `*.example.com` (any depth below), or `*`.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        match pattern.strip_prefix('*') {
            Some("") => true,
            Some(tail) => tail.starts_with('.') && self.0.len() > tail.len() && self.0.ends_with(tail),
            None => self.0 == pattern,
        }
    }
}

text_form!(HostName, "a host name in lower case");

/// What a master is called by those who know only a gateway on the way to it: in every certificate that a master makes
/// for itself, and in no other.
pub const MASTER_BEHIND_GATEWAY: &str = "master.gatepass.internal";

/// Whether a name is for the masters themselves: no agent is ever given it, whatever is granted.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    const OWN: &str = "gatepass.internal";
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(OWN).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// A group or role: 1 to 64 of letters, digits and `._-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    fn allows(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && !is_a_step(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }
}

text_form!(GroupName, "a group name: 1 to 64 letters, digits or ._-");

/// A named set of capabilities: 1 to 64 of letters, digits, inner spaces and `._-`. Spaces, because the products that are
/// replaced have roles such as "API Token Manager".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(String);

impl RoleName {
    fn allows(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && text.trim() == text
            && !is_a_step(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._-".contains(&b))
    }
}

text_form!(RoleName, "a role name: 1 to 64 letters, digits, spaces or ._-");

/// Whom a person signs in as: 1 to 64 of letters, digits and `._-@\\`. Upper and lower case are two users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    fn allows(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && !is_a_step(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@\\".contains(&b))
    }
}

text_form!(UserName, "a user name: 1 to 64 letters, digits or ._-@\\");

/// Whether a URL takes it for a step to where one is or upwards (RFC 3986, section 5.2.4), however it is written: what is
/// called so could not be named in a path.
fn is_a_step(text: &str) -> bool {
    matches!(text, "." | "..")
}

/// A mail address as far as it matters before it is used: one `@`, a host name behind it, no spaces, quotes or control
/// characters (RFC 5321, section 4.1.2, without the quoted form).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(String);

impl MailAddress {
    fn allows(text: &str) -> bool {
        let local = |local: &str| {
            (1..=64).contains(&local.len())
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
                && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
        };
        text.len() <= 254
            && text.split_once('@').is_some_and(|(name, host)| {
                local(name) && host.to_ascii_lowercase().parse::<HostName>().is_ok()
            })
    }
}

text_form!(MailAddress, "a mail address like ops@example.com");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_cannot_carry_control_or_markup() {
        for good in ["db7", "Köln 3", "a@b:c/d+e"] {
            assert!(good.parse::<DisplayName>().is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", " db7", "db7 ", "a\r\nb", "<script>", "${x}", "a\u{202e}b", long.as_str()] {
            assert!(bad.parse::<DisplayName>().is_err(), "{bad:?}");
        }
        let shown = "a\u{1b}[31mb".parse::<DisplayName>().expect_err("a control character").to_string();
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn what_is_named_in_a_path_is_no_step_in_it() {
        for step in [".", ".."] {
            assert!(step.parse::<UserName>().is_err() && step.parse::<GroupName>().is_err(), "{step}");
            assert!(step.parse::<RoleName>().is_err(), "{step}");
        }
        for good in ["...", "a..b", "CORP\\ann", "ann@example.com"] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
    }

    #[test]
    fn names_of_the_masters_own_are_reserved() {
        for reserved in
            [MASTER_BEHIND_GATEWAY, "gatepass.internal", "a.b.Gatepass.INTERNAL", "gatepass.internal."]
        {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in ["notgatepass.internal", "gatepass.internal.example.com", "internal", ""] {
            assert!(!is_reserved(free), "{free}");
        }
    }

    #[test]
    fn host_names_and_patterns() {
        let name: HostName = "db7.eu.example.com".parse().expect("a host name");
        for (pattern, want) in [
            ("*", true),
            ("*.example.com", true),
            ("db7.eu.example.com", true),
            ("example.com", false),
            ("*.eu.example.org", false),
            ("*ample.com", false),
        ] {
            assert_eq!(name.matches(pattern), want, "{pattern}");
        }
        for bad in ["", ".", "a..b", "-a", "a-", "DB7", "a_b", "*.example.com", "a b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }
}
