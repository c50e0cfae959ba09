//! Who did what: the audit's records, page by page.

use axum::Json;
use axum::extract::State;
use gatepass_contract::audit::Record;
use gatepass_contract::wire::admin::{AuditQuery, Capability, Page};
use gatepass_contract::wire::path;

use super::App;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use super::page;
use crate::domain::audit::Action;

/// Read the audit, oldest records first
///
/// A page that is not full, or even empty, may have a `next`: the master looks at so many records for one page and no
/// more.
#[utoipa::path(
    get,
    path = path::AUDIT,
    tag = ADMINISTRATION,
    security(("api_key" = ["audit.read"]), ("api_token" = ["audit.read"])),
    params(AuditQuery),
    responses((status = 200, body = Page<Record>), Problems)
)]
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Json<Page<Record>>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::AuditRead)).await?;
    let query: AuditQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    if query.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(page::no_place());
    }
    if [&query.action, &query.subject].into_iter().flatten().any(|text| text.contains('\0')) {
        // Which no record holds, and not every database can be asked for.
        return Ok(Json(Page { items: Vec::new(), next: None }));
    }
    let listed = app.store.list_audit(query, limit).await?;
    Ok(Json(Page { items: listed.records, next: listed.next.map(|seq| seq.to_string()) }))
}
