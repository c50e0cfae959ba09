//! API keys: made, seen, and everything that is done to one.
//!
//! What one owns one may see and look after; what takes more is decided with the change, in the store.

pub(super) mod changes;
pub(super) mod several;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::secret::{ApiKey, ShownOnce};
use gatepass_contract::wire::admin::{
    ApiKeyView, Capability, CreateApiKey, CreatedApiKey, KeyQuery, KeySummary, KeyUsage, Page,
};
use gatepass_contract::wire::{Code, path};

use super::App;
use super::admin_api::{nothing_there, parsed};
use super::annotation;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::idempotency::{self, Repeatable};
use super::openapi::{ADMINISTRATION, Problems};
use super::page;
use super::version::{Versioned, versioned};
use crate::domain::Refusal;
use crate::domain::apikey::Objection;
use crate::domain::audit::{Action, Subject};
use crate::domain::principal::Principal;
use crate::random;
use crate::store::{CreateOrder, Listing, Place, Shown, Written};

/// Create an API key; the reply is the only one that ever shows its secret
///
/// Where policy wants the consent of somebody else, the key is `pending` and admits nobody until then.
#[utoipa::path(
    post,
    path = path::API_KEYS,
    tag = ADMINISTRATION,
    security(("api_key" = ["key.create"]), ("api_token" = ["key.create"])),
    request_body = CreateApiKey,
    responses((status = 201, body = CreatedApiKey), Problems)
)]
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Versioned<CreatedApiKey>), Failure> {
    let by = caller::principal(&app, &call, Action::KeyCreate, None).await?;
    let actor = by.actor();
    let created = make(&app, &call, by).await;
    let created = created.map_err(|failure| failure.denying(actor, Action::KeyCreate, Subject::None))?;
    Ok((StatusCode::CREATED, created))
}

async fn make(app: &App, call: &Call, by: Principal) -> Result<Versioned<CreatedApiKey>, Failure> {
    if !by.has(Capability::KeyCreate) && !by.has(Capability::KeyCreateService) {
        return Err(Refusal::Lacks(Capability::KeyCreate).into());
    }
    let mut request: CreateApiKey = call.json()?;
    let cause = annotation::cause(app, call, by.actor(), (Action::KeyCreate, request.annotation.take()))?;
    let repeatable = Repeatable::of(app, call, &by.user)?;
    let key = ApiKey::new(random::key_id(), repeatable.secret(), app.pin());
    let order = CreateOrder {
        request,
        by,
        id: key.id(),
        secret: key.secret().digest(),
        approval: ApprovalId(random::bytes()),
        rules: app.policy.keys.clone(),
        claim: repeatable.claim(),
    };
    with_secret(app, call, (&repeatable, key), app.store.create_api_key(cause, order).await?)
}

/// The answer that shows a secret: the one just made, or the one made when this was asked for the first time.
fn with_secret(
    app: &App,
    call: &Call,
    (repeatable, key): (&Repeatable<'_>, ApiKey),
    written: Written,
) -> Result<Versioned<CreatedApiKey>, Failure> {
    let (shown, key) = match written {
        Written::Done(shown) => (shown, key),
        Written::Again(shown, before) => {
            let key = ApiKey::new(shown.key.id, repeatable.secret_again(&before), app.pin());
            (shown, key)
        }
        Written::Otherwise => return Err(idempotency::mismatch()),
        Written::Refused(why) => return Err(refused(&why)),
    };
    let secret = ShownOnce::new(key.reveal());
    Ok(versioned(shown.key.version, CreatedApiKey { key: view(app, call, &shown), secret }))
}

fn refused(why: &Objection) -> Failure {
    Failure::open(why.code(), why.to_string()).recorded()
}

/// One key, with what waits for it.
fn view(app: &App, call: &Call, shown: &Shown) -> ApiKeyView {
    let mut view = shown.key.view(call.arrival.at, app.policy.advance_notice);
    let pending = shown.pending.as_ref();
    view.pending = pending.map(|pending| pending.view(view.name.clone(), view.state));
    if let Some(rotation) = &mut view.rotation {
        rotation.waiting = shown.waiting;
    }
    view
}

/// List API keys: all one may see
///
/// Whoever lacks `key.read` sees their own. A page that is not full, or even empty, may have a `next`: the master looks
/// at so many keys for one page and no more.
#[utoipa::path(
    get,
    path = path::API_KEYS,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(KeyQuery),
    responses((status = 200, body = Page<ApiKeyView>), Problems)
)]
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Json<Page<ApiKeyView>>, Failure> {
    let by = caller::principal(&app, &call, Action::Read, None).await?;
    let mut query: KeyQuery = call.query()?;
    let (limit, after) = (page::limit(query.limit)?, page::after::<Place>(query.after.take().as_deref())?);
    let other = || {
        Failure::open(Code::BadRequest, "the query is not as expected: after is of a list in another order")
    };
    let (now, advance) = (call.arrival.at, app.policy.advance_notice);
    let listing = Listing::new(query, (now, advance), limit).after(after).ok_or_else(other)?;
    let theirs = if by.has(Capability::KeyRead) { Some(listing) } else { listing.of(&by.user) };
    let Some(listing) = theirs else { return Ok(Json(Page { items: Vec::new(), next: None })) };
    let (keys, next) = app.store.list_api_keys(listing).await?;
    let items = keys.iter().map(|key| key.view(now, advance)).collect();
    Ok(Json(Page { items, next: next.as_ref().map(page::cursor) }))
}

/// How the API keys stand that one may see, in numbers
#[utoipa::path(
    get,
    path = path::API_KEY_SUMMARY,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    responses((status = 200, body = KeySummary), Problems)
)]
pub(super) async fn summary(State(app): State<App>, call: Call) -> Result<Json<KeySummary>, Failure> {
    let by = caller::principal(&app, &call, Action::Read, None).await?;
    let owner = (!by.has(Capability::KeyRead)).then_some(by.user);
    let (now, advance) = (call.arrival.at, app.policy.advance_notice);
    let summary = app.store.summarise_api_keys(owner, now, advance).await?;
    let next = summary.next.iter().map(|key| key.view(now, advance)).collect();
    Ok(Json(KeySummary { next, ..summary.counts }))
}

/// Show an API key
#[utoipa::path(
    get,
    path = path::API_KEY,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    let by = caller::principal(&app, &call, Action::Read, None).await?;
    let shown = app.store.shown_api_key(parsed(&id)?, call.arrival.at).await?;
    let shown = shown.filter(|shown| may_see(&by, shown)).ok_or_else(nothing_there)?;
    Ok(versioned(shown.key.version, view(&app, &call, &shown)))
}

fn may_see(by: &Principal, shown: &Shown) -> bool {
    by.reaches(&shown.key.key.owner, Capability::KeyRead)
}

/// Who used an API key in the last 30 days, and what would stop working without it
#[utoipa::path(
    get,
    path = path::API_KEY_USAGE,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    responses((status = 200, body = KeyUsage), Problems)
)]
pub(super) async fn usage(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<KeyUsage>, Failure> {
    let by = caller::principal(&app, &call, Action::Read, None).await?;
    let usage = app.store.api_key_usage(parsed(&id)?, call.arrival.at).await?;
    let usage = usage.filter(|usage| may_see(&by, &usage.key)).ok_or_else(nothing_there)?;
    Ok(Json(KeyUsage {
        key: view(&app, &call, &usage.key),
        since: usage.since,
        callers: usage.callers,
        agents: usage.agents,
        agents_in_all: usage.agents_in_all,
    }))
}
