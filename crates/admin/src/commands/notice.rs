//! Notices.

use gatepass_contract::id::NoticeId;
use gatepass_contract::wire::admin::{NoticeQuery, NoticeView, TestNotice};

use super::session::Session;
use crate::cli::{ListNotices, NoticeCommand};
use crate::error::CtlError;
use crate::find::{find, notice_id};
use crate::master::{Extent, Master};
use crate::table;

pub(super) async fn run(command: NoticeCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        NoticeCommand::List(arguments) => list(arguments, session).await,
        NoticeCommand::Test { to } => {
            let notice = session.master.test_notice(&TestNotice { to }).await?;
            session.outcome(&notice, said)
        }
        NoticeCommand::Resend { wanted, reason } => {
            let id = id_of(&wanted.id, &session.master).await?;
            let notice = session.master.resend_notice(id, &reason.into()).await?;
            session.outcome(&notice, said)
        }
    }
}

async fn list(arguments: ListNotices, session: &Session) -> Result<(), CtlError> {
    let query = NoticeQuery { after: None, limit: None, state: arguments.state, about: arguments.about };
    session.list(&session.master.notices(query, arguments.list.into()).await?, table::notices).await
}

/// Delivery is not waited for: the list says how it goes.
fn said(notice: &NoticeView) -> String {
    format!(
        "notice {} to {} is {}; `gatepassctl notice list` says how it goes",
        notice.id, notice.to, notice.state
    )
}

async fn id_of(wanted: &str, master: &Master) -> Result<NoticeId, CtlError> {
    match notice_id(wanted) {
        Some(id) => Ok(id),
        None => Ok(find(wanted, master.notices(NoticeQuery::default(), Extent::All).await?.items)?.id),
    }
}
