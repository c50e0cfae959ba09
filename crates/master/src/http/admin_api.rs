//! What administrators ask about agents.

use std::str::FromStr;

use axum::Json;
use axum::extract::{Path, State};
use gatepass_contract::id::AgentId;
use gatepass_contract::wire::admin::{AgentView, Capability, Page, PageQuery};
use gatepass_contract::wire::{Code, path};

use super::App;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use super::page;
use crate::domain::agent::AgentRecord;
use crate::domain::audit::{Action, Subject};
use crate::store::Moved;

/// List agents
#[utoipa::path(
    get,
    path = path::AGENTS,
    tag = ADMINISTRATION,
    security(("api_key" = ["agent.read"]), ("api_token" = ["agent.read"])),
    params(PageQuery),
    responses((status = 200, body = Page<AgentView>), Problems)
)]
pub(super) async fn list_agents(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Page<AgentView>>, Failure> {
    reader(&app, &call, Capability::AgentRead).await?;
    let query: PageQuery = call.query()?;
    let limit = page::limit(query.limit)?;
    let refused =
        |_| Failure::open(Code::BadRequest, "the query is not as expected: after is no `next` of a page");
    let after = query.after.map(|id| id.parse()).transpose().map_err(refused)?;
    let records = app.store.list_agents(after, limit + 1).await?;
    let views = records.iter().map(AgentRecord::view).collect();
    Ok(Json(page::cut(views, limit, |agent: &AgentView| agent.id.to_string())))
}

/// Show an agent
#[utoipa::path(
    get,
    path = path::AGENT,
    tag = ADMINISTRATION,
    security(("api_key" = ["agent.read"]), ("api_token" = ["agent.read"])),
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
    security(("api_key" = ["agent.revoke"]), ("api_token" = ["agent.revoke"])),
    params(("id" = AgentId, Path)),
    responses((status = 200, body = AgentView), Problems)
)]
pub(super) async fn revoke_agent(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<AgentView>, Failure> {
    let need = Some(Capability::AgentRevoke);
    let actor = caller::principal(&app, &call, Action::AgentRevoke, need).await?.actor();
    let unknown = |nothing: Failure| nothing.denying(actor.clone(), Action::AgentRevoke, Subject::None);
    let id = parsed(&id).map_err(unknown)?;
    match app.store.revoke_agent(call.arrival.cause(actor.clone()), id).await? {
        Moved::Done(agent) => Ok(Json(agent.view())),
        Moved::Illegal(why) => Err(Failure::open(Code::IllegalMove, why.to_string()).recorded()),
        Moved::Unknown => Err(unknown(nothing_there())),
    }
}

async fn reader(app: &App, call: &Call, need: Capability) -> Result<(), Failure> {
    caller::principal(app, call, Action::Read, Some(need)).await.map(drop)
}

/// What has not even the form of an id names nothing.
pub(super) fn parsed<T: FromStr>(id: &str) -> Result<T, Failure> {
    id.parse().map_err(|_| nothing_there())
}

pub(super) fn nothing_there() -> Failure {
    Failure::open(Code::NotFound, "there is nothing with this id")
}
