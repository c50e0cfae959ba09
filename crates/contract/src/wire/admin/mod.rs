//! What an administrator's tool and the master say to each other.

mod agent;
mod apikey;
mod audit;
mod capability;
mod change;
mod key_list;
mod notice;
mod people;
mod token;

use serde::{Deserialize, Serialize};

pub use crate::wire::words::UnknownWord;
pub use agent::{AgentState, AgentView, ClockStanding};
pub use apikey::{
    ApiKeyView, CreateApiKey, CreatedApiKey, DeleteApiKeys, EditApiKey, Expiry, KeyKind, KeyState, LastUse,
    RenewApiKey, RotateApiKey, RotationState, RotationView, Standing,
};
pub use audit::AuditQuery;
pub use capability::{Alias, Capability, CapabilityView, Product};
pub use change::{Annotation, ApprovalKind, ApprovalQuery, ApprovalState, ApprovalView, Change, Decision};
pub use key_list::{CallerView, EnrolledAgent, KeyOrder, KeyQuery, KeySummary, KeyUsage};
pub use notice::{NoticeChannel, NoticeQuery, NoticeState, NoticeView, Severity, TestNotice};
pub use people::{
    CallerSelf, CreateGroup, CreateRole, CreateUser, CredentialKind, EditGroup, EditRole, EditUser,
    GroupView, RoleView, SetPassword, SignIn, SignedIn, UserState, UserView,
};
pub use token::{CreateToken, EditToken, TokenQuery, TokenView, UnlockedToken};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
}
