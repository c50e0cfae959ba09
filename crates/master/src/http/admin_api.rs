//! What administrators ask: API keys and agents.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::secret::{ApiKey, ShownOnce};
use gatepass_contract::wire::admin::{
    AgentView, ApiKeyView, Capability, CreateApiKey, CreatedApiKey, Page, PageQuery,
};
use gatepass_contract::wire::{Code, path};
use std::fmt::Display;
use std::str::FromStr;

use super::App;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use crate::domain::apikey::{ApiKeyRecord, Creator, KeyEvent, NewApiKey};
use crate::domain::audit::{Action, Actor, Subject};
use crate::random;
use crate::store::{Created, Moved};

/// Create an API key; the reply is the only one that ever shows its secret
#[utoipa::path(
    post,
    path = path::API_KEYS,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    request_body = CreateApiKey,
    responses((status = 201, body = CreatedApiKey), Problems)
)]
pub(super) async fn create_key(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<CreatedApiKey>), Failure> {
    let creator = caller::key_holder(&app, &call, Action::KeyCreate, Capability::KeyCreate).await?;
    let actor = Actor::ApiKey(creator.id);
    let created = create(&app, &call, &creator).await;
    created.map_err(|failure| failure.denying(actor, Action::KeyCreate, Subject::None))
}

async fn create(
    app: &App,
    call: &Call,
    creator: &ApiKeyRecord,
) -> Result<(StatusCode, Json<CreatedApiKey>), Failure> {
    let rights = Creator { owner: &creator.key.owner, capabilities: &creator.key.capabilities };
    let now = call.arrival.at;
    let wanted = NewApiKey::new(call.json::<CreateApiKey>()?, rights, app.policy.key_expiry, now)
        .map_err(|why| Failure::open(why.code(), why.to_string()))?;
    let secret = ApiKey::new(random::key_id(), random::secret(), app.pin());
    let record = wanted.into_record(secret.id(), secret.secret().digest(), now);
    let key = record.view(now, app.policy.advance_notice);
    match app.store.create_api_key(call.arrival.cause(Actor::ApiKey(creator.id)), record).await? {
        Created::New => {}
        Created::NameTaken => {
            return Err(
                Failure::open(Code::NameTaken, format!("there is a key named `{}`", key.name)).recorded()
            );
        }
    }
    Ok((StatusCode::CREATED, Json(CreatedApiKey { key, secret: ShownOnce::new(secret.reveal()) })))
}

/// List API keys
#[utoipa::path(
    get,
    path = path::API_KEYS,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(PageQuery),
    responses((status = 200, body = Page<ApiKeyView>), Problems)
)]
pub(super) async fn list_keys(State(app): State<App>, call: Call) -> Result<Json<Page<ApiKeyView>>, Failure> {
    reader(&app, &call, Capability::KeyRead).await?;
    let (after, limit) = page::<KeyId>(&call)?;
    let records = app.store.list_api_keys(after, limit + 1).await?;
    let views = records.iter().map(|key| key.view(call.arrival.at, app.policy.advance_notice)).collect();
    Ok(Json(cut(views, limit, |key: &ApiKeyView| key.id)))
}

/// Show an API key
#[utoipa::path(
    get,
    path = path::API_KEY,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(super) async fn show_key(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<ApiKeyView>, Failure> {
    reader(&app, &call, Capability::KeyRead).await?;
    let key = app.store.api_key(parsed(&id)?).await?.ok_or_else(nothing_there)?;
    Ok(Json(key.view(call.arrival.at, app.policy.advance_notice)))
}

/// Refuse an API key until it is resumed
#[utoipa::path(
    post,
    path = path::API_KEY_SUSPEND,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(super) async fn suspend_key(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<ApiKeyView>, Failure> {
    move_key(&app, &call, &id, KeyEvent::Suspend, Action::KeySuspend).await
}

/// Take a suspended API key into use again
#[utoipa::path(
    post,
    path = path::API_KEY_RESUME,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(super) async fn resume_key(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<ApiKeyView>, Failure> {
    move_key(&app, &call, &id, KeyEvent::Resume, Action::KeyResume).await
}

/// Refuse an API key for good
#[utoipa::path(
    post,
    path = path::API_KEY_REVOKE,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(super) async fn revoke_key(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<ApiKeyView>, Failure> {
    move_key(&app, &call, &id, KeyEvent::Revoke, Action::KeyRevoke).await
}

async fn move_key(
    app: &App,
    call: &Call,
    id: &str,
    event: KeyEvent,
    action: Action,
) -> Result<Json<ApiKeyView>, Failure> {
    let holder = caller::key_holder(app, call, action, Capability::KeyManage).await?;
    let actor = Actor::ApiKey(holder.id);
    let unknown = |nothing: Failure| nothing.denying(actor, action, Subject::None);
    let id = parsed(id).map_err(unknown)?;
    match app.store.move_api_key(call.arrival.cause(actor), id, event).await? {
        Moved::Done(key) => Ok(Json(key.view(call.arrival.at, app.policy.advance_notice))),
        Moved::Illegal(why) => Err(Failure::open(Code::IllegalMove, why.to_string()).recorded()),
        Moved::Unknown => Err(unknown(nothing_there())),
    }
}

/// List agents
#[utoipa::path(
    get,
    path = path::AGENTS,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(PageQuery),
    responses((status = 200, body = Page<AgentView>), Problems)
)]
pub(super) async fn list_agents(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<AgentView>>, Failure> {
    reader(&app, &call, Capability::AgentRead).await?;
    let (after, limit) = page::<AgentId>(&call)?;
    let records = app.store.list_agents(after, limit + 1).await?;
    let views = records.iter().map(crate::domain::agent::AgentRecord::view).collect();
    Ok(Json(cut(views, limit, |agent: &AgentView| agent.id)))
}

/// Show an agent
#[utoipa::path(
    get,
    path = path::AGENT,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = AgentId, Path)),
    responses((status = 200, body = AgentView), Problems)
)]
pub(super) async fn show_agent(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<AgentView>, Failure> {
    reader(&app, &call, Capability::AgentRead).await?;
    let agent = app.store.agent(parsed(&id)?).await?.ok_or_else(nothing_there)?;
    Ok(Json(agent.view()))
}

/// Cut an agent off for good
#[utoipa::path(
    post,
    path = path::AGENT_REVOKE,
    tag = ADMINISTRATION,
    security(("api_key" = [])),
    params(("id" = AgentId, Path)),
    responses((status = 200, body = AgentView), Problems)
)]
pub(super) async fn revoke_agent(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<AgentView>, Failure> {
    let holder = caller::key_holder(&app, &call, Action::AgentRevoke, Capability::AgentRevoke).await?;
    let actor = Actor::ApiKey(holder.id);
    let unknown = |nothing: Failure| nothing.denying(actor, Action::AgentRevoke, Subject::None);
    let id = parsed(&id).map_err(unknown)?;
    match app.store.revoke_agent(call.arrival.cause(actor), id).await? {
        Moved::Done(agent) => Ok(Json(agent.view())),
        Moved::Illegal(why) => Err(Failure::open(Code::IllegalMove, why.to_string()).recorded()),
        Moved::Unknown => Err(unknown(nothing_there())),
    }
}

async fn reader(app: &App, call: &Call, need: Capability) -> Result<(), Failure> {
    caller::key_holder(app, call, Action::Read, need).await.map(drop)
}

/// What has not even the form of an id names nothing.
fn parsed<T: FromStr>(id: &str) -> Result<T, Failure> {
    id.parse().map_err(|_| nothing_there())
}

fn nothing_there() -> Failure {
    Failure::open(Code::NotFound, "there is nothing with this id")
}

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

fn page<T: FromStr<Err: Display>>(call: &Call) -> Result<(Option<T>, u32), Failure> {
    let refused =
        |why: &dyn Display| Failure::open(Code::BadRequest, format!("the query is not as expected: {why}"));
    let Query(query) = Query::<PageQuery>::try_from_uri(call.uri()).map_err(|error| refused(&error))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(refused(&format_args!("limit is 1 to {LARGEST_PAGE}")));
    }
    let after = query.after.map(|id| id.parse()).transpose().map_err(|error: T::Err| refused(&error))?;
    Ok((after, limit))
}

/// One more than fits was read, to know whether there is a next page.
fn cut<T, Id: Display>(mut items: Vec<T>, limit: u32, id: impl Fn(&T) -> Id) -> Page<T> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| id(last).to_string());
    Page { items, next }
}
