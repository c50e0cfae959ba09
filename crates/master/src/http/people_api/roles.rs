//! Roles.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::name::RoleName;
use gatepass_contract::wire::admin::{Capability, Change, CreateRole, EditRole, Page, PageQuery, RoleView};
use gatepass_contract::wire::path;

use super::{after, nothing_there, parsed, settled};
use crate::domain::audit::{Action, Subject};
use crate::domain::people::RoleRecord;
use crate::domain::principal::Principal;
use crate::http::App;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::idempotency::Repeatable;
use crate::http::openapi::{ADMINISTRATION, Problems};
use crate::http::version::{self, Versioned, versioned};
use crate::http::{annotation, caller, page};

const MANAGE: Option<Capability> = Some(Capability::UserManage);

/// Create a role: a named set of capabilities
#[utoipa::path(
    post,
    path = path::ROLES,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    request_body = CreateRole,
    responses((status = 201, body = RoleView), Problems)
)]
pub(in crate::http) async fn create_role(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Versioned<RoleView>), Failure> {
    let caller = caller::principal(&app, &call, Action::RoleCreate, MANAGE).await?;
    let made = create(&app, &call, &caller).await;
    made.map_err(|failure| failure.denying(caller.actor(), Action::RoleCreate, Subject::None))
}

async fn create(
    app: &App,
    call: &Call,
    caller: &Principal,
) -> Result<(StatusCode, Versioned<RoleView>), Failure> {
    let mut request: CreateRole = call.json()?;
    let repeatable = Repeatable::of(app, call, &caller.user)?;
    let reason = (Action::RoleCreate, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let role = app.store.create_role(cause, caller.into(), (request, repeatable.claim())).await?;
    Ok((StatusCode::CREATED, shown(&settled(role)?)))
}

/// List roles
#[utoipa::path(
    get,
    path = path::ROLES,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(PageQuery),
    responses((status = 200, body = Page<RoleView>), Problems)
)]
pub(in crate::http) async fn list_roles(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<RoleView>>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::UserRead)).await?;
    let query: PageQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let roles = app.store.list_roles(after(query.after.as_deref())?, limit + 1).await?;
    let views = roles.iter().map(RoleRecord::view).collect();
    Ok(Json(page::cut(views, limit, |role: &RoleView| role.name.to_string())))
}

/// Show a role
#[utoipa::path(
    get,
    path = path::ROLE,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(("name" = RoleName, Path)),
    responses((status = 200, body = RoleView), Problems)
)]
pub(in crate::http) async fn show_role(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<RoleView>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::UserRead)).await?;
    let role = app.store.role(parsed(&name)?).await?.ok_or_else(nothing_there)?;
    Ok(shown(&role))
}

/// Edit a role: its holders may what it says from now on
#[utoipa::path(
    patch,
    path = path::ROLE,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = RoleName, Path)),
    request_body = EditRole,
    responses((status = 200, body = RoleView), Problems)
)]
pub(in crate::http) async fn edit_role(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<RoleView>, Failure> {
    let caller = caller::principal(&app, &call, Action::RoleEdit, MANAGE).await?;
    let edited = edit(&app, &call, &caller, &name).await;
    edited.map_err(|failure| failure.denying(caller.actor(), Action::RoleEdit, subject(&name)))
}

async fn edit(
    app: &App,
    call: &Call,
    caller: &Principal,
    name: &str,
) -> Result<Versioned<RoleView>, Failure> {
    let target = (parsed(name)?, version::required(call)?);
    let mut request: EditRole = call.json()?;
    let reason = (Action::RoleEdit, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let role = settled(app.store.edit_role(cause, caller.into(), target, request).await?)?;
    Ok(shown(&role))
}

/// Delete a role that no user and no group has
#[utoipa::path(
    delete,
    path = path::ROLE,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = RoleName, Path)),
    request_body = Change,
    responses((status = 204, description = "It is gone"), Problems)
)]
pub(in crate::http) async fn delete_role(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<StatusCode, Failure> {
    let caller = caller::principal(&app, &call, Action::RoleDelete, MANAGE).await?;
    let deleted = delete(&app, &call, &caller, &name).await;
    deleted.map_err(|failure| failure.denying(caller.actor(), Action::RoleDelete, subject(&name)))
}

async fn delete(app: &App, call: &Call, caller: &Principal, name: &str) -> Result<StatusCode, Failure> {
    let target = (parsed(name)?, version::optional(call)?);
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::RoleDelete, change.annotation))?;
    settled(app.store.delete_role(cause, caller.into(), target).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(role: &RoleRecord) -> Versioned<RoleView> {
    versioned(role.version, role.view())
}

fn subject(name: &str) -> Subject {
    name.parse().map_or(Subject::None, Subject::Role)
}
