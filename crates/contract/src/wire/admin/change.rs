//! What accompanies a change: why it is made, and who must agree to it.

use serde::{Deserialize, Serialize};

use super::{Expiry, KeyState};
use crate::id::{ApprovalId, KeyId};
use crate::name::{DisplayName, UserName};
use crate::time::UnixTime;
use crate::wire::words::words;

/// Why a change is made, in the words of whoever makes it; it stands in the audit. Policy can demand one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Annotation {
    /// Which sort of change it is; at most 64 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 64, example = "incident"))]
    pub category: String,
    /// The reason; at most 1024 characters, not blank.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024, example = "the build host was rebuilt"))]
    pub text: String,
    /// Where more is written; at most 64 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 64, example = "CHG-4711"))]
    pub ticket: String,
}

/// The body of a change that needs no more than a reason; may be left out altogether.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `POST …/approve` and `POST …/reject`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// What the requester is told; a rejection needs one. At most 1024 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 1024, example = "use the key of your team"))]
    pub reason: String,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

words! {
    /// What waits for an approver.
    ApprovalKind, "kind of request" {
        /// A new API key, which admits nobody until then.
        Creation = "creation",
        /// Another end for an API key, which stays as it is until then.
        Renewal = "renewal",
        /// A second secret for an API key, which admits nobody until then.
        Rotation = "rotation",
    }
}

words! {
    /// What became of a request.
    ApprovalState, "state of a request" {
        /// Nobody has decided.
        Pending = "pending",
        /// It was carried out.
        Approved = "approved",
        /// It was not, and will not be.
        Rejected = "rejected",
        /// What it was about is over.
        Withdrawn = "withdrawn",
    }
}

/// Something that waits for an approver, or waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalView {
    /// Which.
    pub id: ApprovalId,
    /// What it asks for.
    pub kind: ApprovalKind,
    /// For which API key.
    pub key: KeyId,
    /// What that is called.
    pub key_name: DisplayName,
    /// How that stands.
    pub key_state: KeyState,
    /// Who asked: everybody but them and the key's owner may decide, if they have `key.approve`.
    pub by: UserName,
    /// When.
    pub at: UnixTime,
    /// The end that a renewal asks for.
    pub expires: Option<Expiry>,
    /// What became of it.
    pub state: ApprovalState,
    /// Who decided.
    pub decided_by: Option<UserName>,
    /// When.
    pub decided_at: Option<UnixTime>,
    /// What the requester was told.
    pub reason: String,
}

/// Which requests are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct ApprovalQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// In that state only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<ApprovalState>,
}
