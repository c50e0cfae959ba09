//! What waits for an approver, and what waited.

use axum::Json;
use axum::extract::State;
use gatepass_contract::id::ApprovalId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalQuery, ApprovalView, Capability, Page};
use gatepass_contract::wire::path;

use super::App;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use super::page;
use crate::domain::audit::Action;
use crate::store::ApprovalListing;

/// List requests for approval, oldest first
///
/// Whoever has neither `key.approve` nor `key.read` sees what they asked for themselves.
#[utoipa::path(
    get,
    path = path::APPROVALS,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(ApprovalQuery),
    responses((status = 200, body = Page<ApprovalView>), Problems)
)]
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Json<Page<ApprovalView>>, Failure> {
    let by = caller::principal(&app, &call, Action::Read, None).await?;
    let query: ApprovalQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let all = by.has(Capability::KeyApprove) || by.has(Capability::KeyRead);
    let listing = ApprovalListing {
        requester: (!all).then_some(by.user),
        state: query.state,
        after: page::after::<(UnixTime, ApprovalId)>(query.after.as_deref())?,
        limit: limit + 1,
    };
    let listed = app.store.list_approvals(listing).await?;
    Ok(Json(page::cut(listed, limit, |approval| page::cursor(&(approval.at, approval.id)))))
}
