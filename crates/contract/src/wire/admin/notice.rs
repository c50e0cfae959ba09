//! Notices: who is told what, and whether it arrived.

use serde::{Deserialize, Serialize};

use crate::id::NoticeId;
use crate::name::MailAddress;
use crate::time::UnixTime;
use crate::wire::words::words;

words! {
    /// How a notice travels.
    NoticeChannel, "channel" {
        /// By mail.
        Mail = "mail",
        /// To a configured address, signed.
        Webhook = "webhook",
    }
}

words! {
    /// What became of a notice.
    NoticeState, "state of a notice" {
        /// It will be tried, or tried again.
        Waiting = "waiting",
        /// It was taken by the other side.
        Sent = "sent",
        /// It was given up.
        Failed = "failed",
    }
}

words! {
    /// How much a notice matters.
    Severity, "severity" {
        /// Good to know.
        Info = "info",
        /// Something should be done.
        Warning = "warning",
        /// Something has stopped working.
        Critical = "critical",
    }
}

/// A notice to one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NoticeView {
    /// Which.
    pub id: NoticeId,
    /// What happened, like `key.revoked`.
    pub event: String,
    /// How much it matters.
    pub severity: Severity,
    /// To what it happened, as in the audit: `apikey:…`, `token:…`.
    pub about: String,
    /// How it travels.
    pub channel: NoticeChannel,
    /// A mail address, or the name of a webhook.
    pub to: String,
    /// What became of it.
    pub state: NoticeState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it happened.
    pub created: UnixTime,
    /// When it is tried next.
    pub due: Option<UnixTime>,
    /// When it arrived.
    pub sent: Option<UnixTime>,
    /// Why it has not.
    pub error: Option<String>,
}

/// Which notices are listed, youngest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct NoticeQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// In that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<NoticeState>,
    /// About that, like `apikey:AEAQCAIBAEAQCAIB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// `POST /notices/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestNotice {
    /// Where it is to go.
    pub to: MailAddress,
}
