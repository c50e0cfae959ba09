//! `[keys]`: how long API keys and their secrets live.

use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

use super::days;
use crate::domain::apikey::{ExpiryPolicy, KeyRules};
use crate::domain::approval::ApprovalPolicy;

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Where whoever creates or renews one names no end.
    pub default_expiry: Span,
    /// Whether a key may be made that never expires.
    pub allow_never: bool,
    /// The most an end may lie ahead; absent: as far as one likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<Span>,
    /// How long before its end a key counts as expiring.
    pub advance_notice: Span,
    /// For how long both secrets of a rotated key are good where whoever rotates it names no time.
    pub overlap: Span,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            default_expiry: days(365),
            allow_never: false,
            longest: None,
            advance_notice: days(5),
            overlap: days(30),
        }
    }
}

impl Keys {
    pub(super) fn rules(&self, approval: &ApprovalPolicy) -> KeyRules {
        KeyRules {
            expiry: ExpiryPolicy {
                default: self.default_expiry.duration(),
                never: self.allow_never,
                longest: self.longest.map(Span::duration),
            },
            approval: approval.clone(),
            overlap: self.overlap.duration(),
        }
    }

    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let beyond = self.longest.is_some_and(|longest| longest < self.default_expiry);
        beyond.then_some("`keys.default_expiry` is larger than `keys.longest`")
    }
}
