//! Users.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::name::UserName;
use gatepass_contract::wire::admin::{Capability, Change, CreateUser, EditUser, Page, PageQuery, UserView};
use gatepass_contract::wire::path;

use super::{after, nothing_there, parsed, settled};
use crate::domain::audit::{Action, Subject};
use crate::domain::people::{UserRecord, is_password};
use crate::domain::principal::Principal;
use crate::http::App;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::idempotency::Repeatable;
use crate::http::openapi::{ADMINISTRATION, Problems};
use crate::http::session_api::crowded;
use crate::http::version::{self, Versioned, versioned};
use crate::http::{annotation, caller, page};
use crate::store::NewUser;

const MANAGE: Option<Capability> = Some(Capability::UserManage);

/// Create a user
#[utoipa::path(
    post,
    path = path::USERS,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    request_body = CreateUser,
    responses((status = 201, body = UserView), Problems)
)]
pub(in crate::http) async fn create_user(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Versioned<UserView>), Failure> {
    let caller = caller::principal(&app, &call, Action::UserCreate, MANAGE).await?;
    let made = create(&app, &call, &caller).await;
    made.map_err(|failure| failure.denying(caller.actor(), Action::UserCreate, Subject::None))
}

async fn create(
    app: &App,
    call: &Call,
    caller: &Principal,
) -> Result<(StatusCode, Versioned<UserView>), Failure> {
    let mut request: CreateUser = call.json()?;
    let repeatable = Repeatable::of(app, call, &caller.user)?;
    let reason = (Action::UserCreate, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let password = match request.password.clone() {
        None => None,
        Some(password) => {
            let fits = is_password(&password, app.policy.shortest_password);
            fits.map_err(|why| Failure::open(why.code(), why.to_string()))?;
            Some(app.passwords.hash(password).await.map_err(crowded)?)
        }
    };
    let new = NewUser { request, password, claim: repeatable.claim() };
    let user = settled(app.store.create_user(cause, caller.into(), new).await?)?;
    Ok((StatusCode::CREATED, shown(&user)))
}

/// List users
#[utoipa::path(
    get,
    path = path::USERS,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(PageQuery),
    responses((status = 200, body = Page<UserView>), Problems)
)]
pub(in crate::http) async fn list_users(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<UserView>>, Failure> {
    caller::principal(&app, &call, Action::Read, Some(Capability::UserRead)).await?;
    let query: PageQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let users = app.store.list_users(after(query.after.as_deref())?, limit + 1).await?;
    let views = users.iter().map(UserRecord::view).collect();
    Ok(Json(page::cut(views, limit, |user: &UserView| user.name.to_string())))
}

/// Show a user; everybody may see themselves
#[utoipa::path(
    get,
    path = path::USER,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.read"]), ("api_token" = ["user.read"])),
    params(("name" = UserName, Path)),
    responses((status = 200, body = UserView), Problems)
)]
pub(in crate::http) async fn show_user(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<UserView>, Failure> {
    let caller = caller::principal(&app, &call, Action::Read, None).await?;
    if name != caller.user.as_str() {
        let allowed = caller.may(Capability::UserRead);
        allowed.map_err(|why| Failure::from(why).denying(caller.actor(), Action::Read, Subject::None))?;
    }
    let user = app.store.user(parsed(&name)?).await?.ok_or_else(nothing_there)?;
    Ok(shown(&user))
}

/// Edit a user: what they are called, whether they are enabled, what they may
#[utoipa::path(
    patch,
    path = path::USER,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = UserName, Path)),
    request_body = EditUser,
    responses((status = 200, body = UserView), Problems)
)]
pub(in crate::http) async fn edit_user(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<UserView>, Failure> {
    let caller = caller::principal(&app, &call, Action::UserEdit, MANAGE).await?;
    let edited = edit(&app, &call, &caller, &name).await;
    edited.map_err(|failure| failure.denying(caller.actor(), Action::UserEdit, subject(&name)))
}

async fn edit(
    app: &App,
    call: &Call,
    caller: &Principal,
    name: &str,
) -> Result<Versioned<UserView>, Failure> {
    let target = (parsed(name)?, version::required(call)?);
    let mut request: EditUser = call.json()?;
    let reason = (Action::UserEdit, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let user = settled(app.store.edit_user(cause, caller.into(), target, request).await?)?;
    Ok(shown(&user))
}

/// Delete a user; nobody else will ever bear the name
#[utoipa::path(
    delete,
    path = path::USER,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = UserName, Path)),
    request_body = Change,
    responses((status = 204, description = "They are gone"), Problems)
)]
pub(in crate::http) async fn delete_user(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<StatusCode, Failure> {
    let caller = caller::principal(&app, &call, Action::UserDelete, MANAGE).await?;
    let deleted = delete(&app, &call, &caller, &name).await;
    deleted.map_err(|failure| failure.denying(caller.actor(), Action::UserDelete, subject(&name)))
}

async fn delete(app: &App, call: &Call, caller: &Principal, name: &str) -> Result<StatusCode, Failure> {
    let target = (parsed(name)?, version::optional(call)?);
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::UserDelete, change.annotation))?;
    settled(app.store.delete_user(cause, caller.into(), target).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(user: &UserRecord) -> Versioned<UserView> {
    versioned(user.version, user.view())
}

fn subject(name: &str) -> Subject {
    name.parse().map_or(Subject::None, Subject::User)
}
