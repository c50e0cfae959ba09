//! The audit, asked for page by page.

use serde::{Deserialize, Serialize};

use crate::id::RequestId;
use crate::time::UnixTime;

/// Which records are listed, oldest first. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct AuditQuery {
    /// `next` of the page before: the number of its last record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(maximum = 9_223_372_036_854_775_807_i64))]
    pub after: Option<u64>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// By that user, whatever with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<crate::name::UserName>,
    /// Of that request: its id stands in every refusal and in the header x-request-id of every answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Of that action, like `key.revoke`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// About that, like `apikey:AEAQCAIBAEAQCAIB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Not before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixTime>,
    /// Before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixTime>,
}
