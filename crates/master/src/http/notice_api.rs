//! Notices: whether they arrived, once more, and one to try it out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::id::NoticeId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, Change, NoticeQuery, NoticeView, Page, TestNotice};
use gatepass_contract::wire::{Code, path};

use super::App;
use super::call::Call;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use super::{annotation, caller, page};
use crate::domain::audit::{Action, Subject};
use crate::domain::principal::Principal;
use crate::store::Resent;

/// List notices, youngest first
#[utoipa::path(
    get,
    path = path::NOTICES,
    tag = ADMINISTRATION,
    security(("api_key" = ["notice.read"]), ("api_token" = ["notice.read"])),
    params(NoticeQuery),
    responses((status = 200, body = Page<NoticeView>), Problems)
)]
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Json<Page<NoticeView>>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::NoticeRead)).await?;
    let query: NoticeQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let after = page::after::<(UnixTime, NoticeId)>(query.after.as_deref())?;
    let views = app.store.list_notices(query, after, limit + 1).await?;
    Ok(Json(page::cut(views, limit, |view: &NoticeView| page::cursor(&(view.created, view.id)))))
}

/// Send a mail to try out whether notices arrive
///
/// It goes the way of every other notice: the reply says that it waits, the list of notices what became of it.
#[utoipa::path(
    post,
    path = path::NOTICE_TEST,
    tag = ADMINISTRATION,
    security(("api_key" = ["notice.manage"]), ("api_token" = ["notice.manage"])),
    request_body = TestNotice,
    responses((status = 202, body = NoticeView), Problems)
)]
pub(super) async fn test(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<NoticeView>), Failure> {
    let caller = caller::principal(&app, &call, Action::NoticeTest, Some(Capability::NoticeManage)).await?;
    let tried = try_out(&app, &call, &caller).await;
    tried.map_err(|failure| failure.denying(caller.actor(), Action::NoticeTest, Subject::None))
}

async fn try_out(
    app: &App,
    call: &Call,
    caller: &Principal,
) -> Result<(StatusCode, Json<NoticeView>), Failure> {
    let TestNotice { to } = call.json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::NoticeTest, None))?;
    let view = app.store.test_notice(cause, to).await?.ok_or_else(|| {
        Failure::open(Code::Unacceptable, "this master sends no mail: [notices.smtp] is not in master.toml")
    })?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// Send a notice again, whatever became of it
#[utoipa::path(
    post,
    path = path::NOTICE_RESEND,
    tag = ADMINISTRATION,
    security(("api_key" = ["notice.manage"]), ("api_token" = ["notice.manage"])),
    params(("id" = NoticeId, Path)),
    request_body = Change,
    responses((status = 202, body = NoticeView), Problems)
)]
pub(super) async fn resend(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<(StatusCode, Json<NoticeView>), Failure> {
    let caller = caller::principal(&app, &call, Action::NoticeResend, Some(Capability::NoticeManage)).await?;
    let id: NoticeId = id.parse().map_err(|_| nothing_there())?;
    let sent = send_again(&app, &call, &caller, id).await;
    sent.map_err(|failure| failure.denying(caller.actor(), Action::NoticeResend, Subject::Notice(id)))
}

async fn send_again(
    app: &App,
    call: &Call,
    caller: &Principal,
    id: NoticeId,
) -> Result<(StatusCode, Json<NoticeView>), Failure> {
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::NoticeResend, change.annotation))?;
    match app.store.resend_notice(cause, id).await? {
        Resent::Done(view) => Ok((StatusCode::ACCEPTED, Json(view))),
        Resent::UnderWay => {
            Err(Failure::open(Code::IllegalMove, "the notice is being delivered at this moment"))
        }
        Resent::Unknown => Err(nothing_there()),
    }
}

fn nothing_there() -> Failure {
    Failure::open(Code::NotFound, "there is no notice of that id")
}
