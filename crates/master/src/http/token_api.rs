//! API tokens.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::id::TokenId;
use gatepass_contract::wire::admin::{
    Capability, Change, CreateToken, EditToken, Page, TokenQuery, TokenView, UnlockedToken,
};
use gatepass_contract::wire::path;

use super::App;
use super::call::Call;
use super::failure::Failure;
use super::idempotency::Repeatable;
use super::openapi::{ADMINISTRATION, Problems};
use super::people_api::{nothing_there, parsed, settled};
use super::session_api::jwt;
use super::version::{self, Versioned, versioned};
use super::{annotation, caller, page};
use crate::domain::Refusal;
use crate::domain::audit::{Action, Subject};
use crate::domain::principal::Principal;
use crate::domain::token::{TokenHolder, TokenRecord, Unacceptable};
use crate::random;
use crate::store::{NewToken, Target, TokenFilter};

/// Create an API token; the reply is the only one that ever shows this JWT
///
/// For oneself with `token.create`, for other users with `token.manage`.
#[utoipa::path(
    post,
    path = path::TOKENS,
    tag = ADMINISTRATION,
    security(("api_key" = ["token.create"]), ("api_token" = ["token.create"])),
    request_body = CreateToken,
    responses((status = 201, body = UnlockedToken), Problems)
)]
pub(super) async fn create_token(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Versioned<UnlockedToken>), Failure> {
    let caller = caller::principal(&app, &call, Action::TokenCreate, None).await?;
    let made = create(&app, &call, &caller).await;
    made.map_err(|failure| failure.denying(caller.actor(), Action::TokenCreate, Subject::None))
}

async fn create(
    app: &App,
    call: &Call,
    caller: &Principal,
) -> Result<(StatusCode, Versioned<UnlockedToken>), Failure> {
    if !caller.has(Capability::TokenManage) {
        caller.may(Capability::TokenCreate)?;
    }
    let mut request: CreateToken = call.json()?;
    let user = request.user.clone().unwrap_or_else(|| caller.user.clone());
    if !caller.reaches(&user, Capability::TokenManage) {
        return Err(Failure::open(Unacceptable::Others.code(), Unacceptable::Others.to_string()));
    }
    let repeatable = Repeatable::of(app, call, &caller.user)?;
    let reason = (Action::TokenCreate, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let new = NewToken { request, id: random::api_token_id(), user, claim: repeatable.claim() };
    let created = app.store.create_token(cause, caller.into(), (new, app.policy.token_expiry)).await?;
    Ok((StatusCode::CREATED, unlocked(app, call, &settled(created)?)?))
}

/// List API tokens: everybody's with `token.read`, one's own without
#[utoipa::path(
    get,
    path = path::TOKENS,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(TokenQuery),
    responses((status = 200, body = Page<TokenView>), Problems)
)]
pub(super) async fn list_tokens(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<TokenView>>, Failure> {
    let caller = caller::principal(&app, &call, Action::Read, None).await?;
    let query: TokenQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let after = page::after::<TokenId>(query.after.as_deref())?;
    let user =
        if sees_all(&caller) { query.user } else { Some(query.user.unwrap_or_else(|| caller.user.clone())) };
    if user.as_ref().is_some_and(|user| !sees_all(&caller) && !caller.is(user)) {
        return Ok(Json(Page { items: Vec::new(), next: None }));
    }
    let filter = TokenFilter { user, name: query.name };
    let tokens = app.store.list_tokens(after, limit + 1, filter).await?;
    let views = tokens.iter().map(|token| view(&app, &call, token)).collect();
    Ok(Json(page::cut(views, limit, |token: &TokenView| page::cursor(&token.id))))
}

/// Show an API token; never its JWT
#[utoipa::path(
    get,
    path = path::TOKEN,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = TokenId, Path)),
    responses((status = 200, body = TokenView), Problems)
)]
pub(super) async fn show_token(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<TokenView>, Failure> {
    let caller = caller::principal(&app, &call, Action::Read, None).await?;
    let token = visible(&app, &caller, &id).await;
    let token = token.map_err(|failure| failure.denying(caller.actor(), Action::Read, Subject::None))?;
    Ok(versioned(token.version, view(&app, &call, &token)))
}

/// Edit an API token: one's own, or with `token.manage` everybody's
#[utoipa::path(
    patch,
    path = path::TOKEN,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = TokenId, Path)),
    request_body = EditToken,
    responses((status = 200, body = TokenView), Problems)
)]
pub(super) async fn edit_token(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<TokenView>, Failure> {
    let caller = caller::principal(&app, &call, Action::TokenEdit, None).await?;
    let edited = edit(&app, &call, &caller, &id).await;
    edited.map_err(|failure| failure.denying(caller.actor(), Action::TokenEdit, subject(&id)))
}

async fn edit(app: &App, call: &Call, caller: &Principal, id: &str) -> Result<Versioned<TokenView>, Failure> {
    let target = target(app, caller, id, Capability::TokenManage).await?;
    let target = Target { expected: version::required(call)?, ..target };
    let mut request: EditToken = call.json()?;
    if request.user.as_ref().is_some_and(|user| !caller.reaches(user, Capability::TokenManage)) {
        return Err(Failure::open(Unacceptable::Others.code(), Unacceptable::Others.to_string()));
    }
    let reason = (Action::TokenEdit, request.annotation.take());
    let cause = annotation::cause(app, call, caller.actor(), reason)?;
    let order = (request, app.policy.token_expiry);
    let token = settled(app.store.edit_token(cause, caller.into(), target, order).await?)?;
    Ok(versioned(token.version, view(app, call, &token)))
}

/// Make a new JWT for an API token and show it, once; the former one stops working
///
/// One's own with `token.create`, everybody's with `token.unlock`; never one that may do more than the caller.
#[utoipa::path(
    post,
    path = path::TOKEN_UNLOCK,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = TokenId, Path)),
    request_body = Change,
    responses((status = 200, body = UnlockedToken), Problems)
)]
pub(super) async fn unlock_token(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<UnlockedToken>, Failure> {
    let caller = caller::principal(&app, &call, Action::TokenUnlock, None).await?;
    let shown = unlock(&app, &call, &caller, &id).await;
    shown.map_err(|failure| failure.denying(caller.actor(), Action::TokenUnlock, subject(&id)))
}

async fn unlock(
    app: &App,
    call: &Call,
    caller: &Principal,
    id: &str,
) -> Result<Versioned<UnlockedToken>, Failure> {
    let target = target(app, caller, id, Capability::TokenUnlock).await?;
    if !caller.has(Capability::TokenUnlock) {
        caller.may(Capability::TokenCreate)?;
    }
    let target = Target { expected: version::optional(call)?, ..target };
    let repeatable = Repeatable::of(app, call, &caller.user)?;
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::TokenUnlock, change.annotation))?;
    let holder = app.store.unlock_token(cause, caller.into(), target, repeatable.claim()).await?;
    unlocked(app, call, &settled(holder)?)
}

/// End an API token now and keep its history: one's own, or with `token.manage` everybody's
#[utoipa::path(
    post,
    path = path::TOKEN_EXPIRE,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = TokenId, Path)),
    request_body = Change,
    responses((status = 200, body = TokenView), Problems)
)]
pub(super) async fn expire_token(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<TokenView>, Failure> {
    let caller = caller::principal(&app, &call, Action::TokenExpire, None).await?;
    let ended = expire(&app, &call, &caller, &id).await;
    ended.map_err(|failure| failure.denying(caller.actor(), Action::TokenExpire, subject(&id)))
}

async fn expire(
    app: &App,
    call: &Call,
    caller: &Principal,
    id: &str,
) -> Result<Versioned<TokenView>, Failure> {
    let target = target(app, caller, id, Capability::TokenManage).await?;
    let target = Target { expected: version::optional(call)?, ..target };
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::TokenExpire, change.annotation))?;
    let token = settled(app.store.expire_token(cause, target).await?)?;
    Ok(versioned(token.version, view(app, call, &token)))
}

/// Delete an API token for good: one's own, or with `token.manage` everybody's
#[utoipa::path(
    delete,
    path = path::TOKEN,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = TokenId, Path)),
    request_body = Change,
    responses((status = 204, description = "It is gone"), Problems)
)]
pub(super) async fn delete_token(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<StatusCode, Failure> {
    let caller = caller::principal(&app, &call, Action::TokenDelete, None).await?;
    let deleted = delete(&app, &call, &caller, &id).await;
    deleted.map_err(|failure| failure.denying(caller.actor(), Action::TokenDelete, subject(&id)))
}

async fn delete(app: &App, call: &Call, caller: &Principal, id: &str) -> Result<StatusCode, Failure> {
    let target = target(app, caller, id, Capability::TokenManage).await?;
    let target = Target { expected: version::optional(call)?, ..target };
    let change: Change = call.optional_json()?;
    let cause = annotation::cause(app, call, caller.actor(), (Action::TokenDelete, change.annotation))?;
    settled(app.store.delete_token(cause, target).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who may do something to everybody's tokens may see them, too.
fn sees_all(caller: &Principal) -> bool {
    [Capability::TokenRead, Capability::TokenManage, Capability::TokenUnlock]
        .iter()
        .any(|&may| caller.has(may))
}

/// What one may not see is not there.
async fn visible(app: &App, caller: &Principal, id: &str) -> Result<TokenRecord, Failure> {
    let token =
        app.store.token(parsed(id)?).await?.filter(|token| caller.is(&token.user) || sees_all(caller));
    token.ok_or_else(nothing_there)
}

/// The token, if it is the caller's own or they have the right for everybody's.
async fn target(app: &App, caller: &Principal, id: &str, others: Capability) -> Result<Target, Failure> {
    let token = visible(app, caller, id).await?;
    if !caller.reaches(&token.user, others) {
        return Err(Refusal::Lacks(others).into());
    }
    Ok(Target::of(&token))
}

fn unlocked(app: &App, call: &Call, holder: &TokenHolder) -> Result<Versioned<UnlockedToken>, Failure> {
    let (token, jwt) = (view(app, call, &holder.token), jwt(app, holder)?);
    Ok(versioned(token.version, UnlockedToken { token, jwt }))
}

fn view(app: &App, call: &Call, token: &TokenRecord) -> TokenView {
    token.view(call.arrival.at, app.policy.advance_notice)
}

fn subject(id: &str) -> Subject {
    id.parse().map_or(Subject::None, Subject::Token)
}
