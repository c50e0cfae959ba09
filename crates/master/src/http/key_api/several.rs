//! What is done to several keys at once.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use gatepass_contract::wire::admin::DeleteApiKeys;
use gatepass_contract::wire::{Code, path};

use super::super::App;
use super::super::annotation;
use super::super::call::Call;
use super::super::caller;
use super::super::failure::Failure;
use super::super::openapi::{ADMINISTRATION, Problems};
use crate::domain::audit::{Action, Subject};
use crate::domain::principal::Principal;
use crate::store::{Deleted, InTheWay};

/// Delete several API keys that are over: all of them, or none
#[utoipa::path(
    post,
    path = path::API_KEYS_DELETE,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    request_body = DeleteApiKeys,
    responses((status = 204, description = "All are gone"), Problems)
)]
pub(in crate::http) async fn delete_several(
    State(app): State<App>,
    call: Call,
) -> Result<StatusCode, Failure> {
    let by = caller::principal(&app, &call, Action::KeyDelete, None).await?;
    let actor = by.actor();
    let deleted = delete_all(&app, &call, by).await;
    deleted.map_err(|failure| failure.denying(actor, Action::KeyDelete, Subject::None))
}

async fn delete_all(app: &App, call: &Call, by: Principal) -> Result<StatusCode, Failure> {
    let DeleteApiKeys { ids, annotation } = call.json()?;
    let distinct = ids.iter().collect::<HashSet<_>>().len();
    if !(1..=MOST_AT_ONCE).contains(&ids.len()) || distinct != ids.len() {
        return Err(Failure::open(Code::Unacceptable, format!("name 1 to {MOST_AT_ONCE} keys, each once")));
    }
    let cause = annotation::cause(app, call, by.actor(), (Action::KeyDelete, annotation))?;
    match app.store.delete_api_keys(cause, ids, by, app.policy.keys.clone()).await? {
        Deleted::All => Ok(StatusCode::NO_CONTENT),
        Deleted::None(in_the_way) => Err(nothing_deleted(&in_the_way)),
    }
}

const MOST_AT_ONCE: usize = 500;
/// More than anybody reads in one message.
const MOST_NAMED: usize = 20;

fn nothing_deleted(in_the_way: &[InTheWay]) -> Failure {
    let named = in_the_way.iter().take(MOST_NAMED).map(|key| format!("{}: {}", key.id, key.why));
    let mut reasons: Vec<_> = named.collect();
    if in_the_way.len() > MOST_NAMED {
        reasons.push(format!("and {} more", in_the_way.len() - MOST_NAMED));
    }
    let detail = format!("nothing was deleted; {}", reasons.join("; "));
    Failure::open(Deleted::code(in_the_way), detail).recorded()
}
