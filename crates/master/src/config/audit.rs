//! `[audit]`

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gatepass_contract::span::{NotASpan, Span};
use serde::{Deserialize, Serialize};

use crate::domain::annotation::AnnotationPolicy;

/// `[audit]`: how long its records are kept, and what must be explained in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// How old a record becomes.
    pub retention: Retention,
    /// Changes that are refused without an annotation, like `key.revoke`, `token.*` or `*`.
    pub annotation_required: AnnotationPolicy,
}

/// For how long something is kept: `never` dropped, or a span of at least a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Retention {
    /// It is kept for good.
    #[default]
    Never,
    /// It is dropped when it is older.
    After(Span),
}

const DAY: Duration = Duration::from_hours(24);

impl Retention {
    /// The age at which it is dropped, if it ever is.
    #[must_use]
    pub const fn age(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::After(span) => Some(span.duration()),
        }
    }
}

impl FromStr for Retention {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let span: Span = text.parse().map_err(|error: NotASpan| format!("{error}; or write never"))?;
        let long = span.duration() >= DAY;
        long.then_some(Self::After(span)).ok_or_else(|| "the audit is kept for a day at least".to_owned())
    }
}

impl TryFrom<String> for Retention {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Retention> for String {
    fn from(retention: Retention) -> Self {
        retention.to_string()
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::After(span) => span.fmt(f),
        }
    }
}
