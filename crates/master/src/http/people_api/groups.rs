//! Groups.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::name::GroupName;
use gatepass_contract::wire::admin::{
    Capability, Change, CreateGroup, EditGroup, GroupView, Page, PageQuery,
};
use gatepass_contract::wire::path;

use super::{after, nothing_there, parsed, settled};
use crate::domain::audit::{Action, Subject};
use crate::domain::people::GroupRecord;
use crate::domain::principal::Principal;
use crate::http::App;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::idempotency::Repeatable;
use crate::http::openapi::{ADMINISTRATION, Problems};
use crate::http::version::{self, Versioned, versioned};
use crate::http::{annotation, caller, page};

const MANAGE: Option<Capability> = Some(Capability::UserManage);

/// Create a group: its members have its roles
#[utoipa::path(
    post,
    path = path::GROUPS,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    request_body = CreateGroup,
    responses((status = 201, body = GroupView), Problems)
)]
pub(in crate::http) async fn create_group(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Versioned<GroupView>), Failure> {
    let caller = caller::principal(&app, &call, Action::GroupCreate, MANAGE).await?;
    let made = create(&app, &call, &caller).await;
    made.map_err(|failure| failure.denying(caller.actor(), Action::GroupCreate, Subject::None))
}

async fn create(
    app: &App,
    call: &Call,
    caller: &Principal,
) -> Result<(StatusCode, Versioned<GroupView>), Failure> {
    let mut request: CreateGroup = call.json()?;
    let repeatable = Repeatable::of(app, call, &caller.user)?;
    let reason = (Action::GroupCreate, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let group = app.store.create_group(cause, caller.into(), (request, repeatable.claim())).await?;
    Ok((StatusCode::CREATED, shown(&settled(group)?)))
}

/// List groups
#[utoipa::path(
    get,
    path = path::GROUPS,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(PageQuery),
    responses((status = 200, body = Page<GroupView>), Problems)
)]
pub(in crate::http) async fn list_groups(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<GroupView>>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::UserRead)).await?;
    let query: PageQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let groups = app.store.list_groups(after(query.after.as_deref())?, limit + 1).await?;
    let views = groups.iter().map(GroupRecord::view).collect();
    Ok(Json(page::cut(views, limit, |group: &GroupView| group.name.to_string())))
}

/// Show a group
#[utoipa::path(
    get,
    path = path::GROUP,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(("name" = GroupName, Path)),
    responses((status = 200, body = GroupView), Problems)
)]
pub(in crate::http) async fn show_group(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<GroupView>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::UserRead)).await?;
    let group = app.store.group(parsed(&name)?).await?.ok_or_else(nothing_there)?;
    Ok(shown(&group))
}

/// Edit a group: its members have its roles from now on
#[utoipa::path(
    patch,
    path = path::GROUP,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = GroupName, Path)),
    request_body = EditGroup,
    responses((status = 200, body = GroupView), Problems)
)]
pub(in crate::http) async fn edit_group(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<GroupView>, Failure> {
    let caller = caller::principal(&app, &call, Action::GroupEdit, MANAGE).await?;
    let edited = edit(&app, &call, &caller, &name).await;
    edited.map_err(|failure| failure.denying(caller.actor(), Action::GroupEdit, subject(&name)))
}

async fn edit(
    app: &App,
    call: &Call,
    caller: &Principal,
    name: &str,
) -> Result<Versioned<GroupView>, Failure> {
    let target = (parsed(name)?, version::required(call)?);
    let mut request: EditGroup = call.json()?;
    let reason = (Action::GroupEdit, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let group = settled(app.store.edit_group(cause, caller.into(), target, request).await?)?;
    Ok(shown(&group))
}

/// Delete a group that nobody belongs to
#[utoipa::path(
    delete,
    path = path::GROUP,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = GroupName, Path)),
    request_body = Change,
    responses((status = 204, description = "It is gone"), Problems)
)]
pub(in crate::http) async fn delete_group(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<StatusCode, Failure> {
    let caller = caller::principal(&app, &call, Action::GroupDelete, MANAGE).await?;
    let deleted = delete(&app, &call, &caller, &name).await;
    deleted.map_err(|failure| failure.denying(caller.actor(), Action::GroupDelete, subject(&name)))
}

async fn delete(app: &App, call: &Call, caller: &Principal, name: &str) -> Result<StatusCode, Failure> {
    let target = (parsed(name)?, version::optional(call)?);
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::GroupDelete, change.annotation))?;
    settled(app.store.delete_group(cause, caller.into(), target).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(group: &GroupRecord) -> Versioned<GroupView> {
    versioned(group.version, group.view())
}

fn subject(name: &str) -> Subject {
    name.parse().map_or(Subject::None, Subject::Group)
}
