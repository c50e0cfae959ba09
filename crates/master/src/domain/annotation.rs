//! Which changes need a reason, and what can be one.

use std::fmt;
use std::str::FromStr;

use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Annotation;
use serde::{Deserialize, Serialize};

use super::audit::Action;

/// The changes that are refused without a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnnotationPolicy(Vec<Changes>);

/// Some changes: `key.revoke`, all of a family as `key.*`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Changes(String);

/// A pattern that fits no change there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no change; there are those of the audit, like key.revoke, their families, like key.*, and *"
)]
pub struct NoSuchChange(String);

impl Changes {
    fn include(&self, action: Action) -> bool {
        let name = action.as_str();
        self.0.strip_suffix('*').map_or(self.0 == name, |family| name.starts_with(family))
    }
}

impl FromStr for Changes {
    type Err = NoSuchChange;
    fn from_str(text: &str) -> Result<Self, NoSuchChange> {
        let changes = Self(text.to_owned());
        let is_family = text == "*" || text.ends_with(".*") || !text.contains('*');
        let known = is_family && Action::ALL.iter().any(|&action| changes.include(action));
        if known { Ok(changes) } else { Err(NoSuchChange(text.to_owned())) }
    }
}

impl TryFrom<String> for Changes {
    type Error = NoSuchChange;
    fn try_from(text: String) -> Result<Self, NoSuchChange> {
        text.parse()
    }
}

impl From<Changes> for String {
    fn from(changes: Changes) -> Self {
        changes.0
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a change is not made with the reason given, or without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnnotation {
    /// Policy wants one.
    #[error("{} needs an annotation", .0.as_str())]
    Missing(Action),
    /// It says nothing.
    #[error("the annotation's text is blank")]
    Blank,
    /// It says too much.
    #[error("the annotation's {part} has more than {most} characters")]
    Long {
        /// Which part.
        part: &'static str,
        /// What it may have.
        most: usize,
    },
}

impl BadAnnotation {
    /// What the caller is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Missing(_) => Code::AnnotationRequired,
            Self::Blank | Self::Long { .. } => Code::Unacceptable,
        }
    }
}

impl AnnotationPolicy {
    /// That what was given as the reason will do.
    pub fn check(&self, action: Action, given: Option<&Annotation>) -> Result<(), BadAnnotation> {
        match given {
            Some(annotation) => within_bounds(annotation),
            None if self.0.iter().any(|changes| changes.include(action)) => {
                Err(BadAnnotation::Missing(action))
            }
            None => Ok(()),
        }
    }
}

fn within_bounds(annotation: &Annotation) -> Result<(), BadAnnotation> {
    let Annotation { category, text, ticket } = annotation;
    for (part, content, most) in [("category", category, 64), ("text", text, 1024), ("ticket", ticket, 64)] {
        if content.chars().count() > most {
            return Err(BadAnnotation::Long { part, most });
        }
    }
    if text.trim().is_empty() { Err(BadAnnotation::Blank) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(changes: &[&str]) -> AnnotationPolicy {
        AnnotationPolicy(changes.iter().map(|text| text.parse().expect("a change")).collect())
    }

    fn because(text: &str) -> Annotation {
        Annotation { text: text.to_owned(), ..Annotation::default() }
    }

    #[test]
    fn a_reason_is_wanted_where_policy_says_so() {
        for (required, action, wanted) in [
            (&[][..], Action::KeyRevoke, false),
            (&["key.revoke"], Action::KeyRevoke, true),
            (&["key.revoke"], Action::KeyEdit, false),
            (&["token.*", "key.*"], Action::KeyEdit, true),
            (&["token.*"], Action::KeyEdit, false),
            (&["*"], Action::GroupDelete, true),
        ] {
            let policy = policy(required);
            assert_eq!(policy.check(action, None).is_err(), wanted, "{required:?} {action:?}");
            assert_eq!(policy.check(action, Some(&because("rebuilt"))), Ok(()));
        }
        for unknown in ["", "key", "key.", "key.revok", "k*", "*.*", "keys.*", "key.*.*"] {
            assert!(unknown.parse::<Changes>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        let policy = AnnotationPolicy::default();
        let check = |annotation: &Annotation| policy.check(Action::KeyEdit, Some(annotation));
        assert_eq!(check(&because(" \t\n")), Err(BadAnnotation::Blank));
        assert_eq!(check(&because(&"ä".repeat(1024))), Ok(()));
        let long = BadAnnotation::Long { part: "text", most: 1024 };
        assert_eq!(check(&because(&"ä".repeat(1025))), Err(long));
        let ticket = Annotation { ticket: "x".repeat(65), ..because("why") };
        assert_eq!(check(&ticket), Err(BadAnnotation::Long { part: "ticket", most: 64 }));
    }
}
