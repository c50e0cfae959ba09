//! What is done to one key.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::wire::admin::{
    Annotation, ApiKeyView, Capability, Change, CreatedApiKey, Decision, EditApiKey, RenewApiKey,
    RotateApiKey,
};
use gatepass_contract::wire::path;

use super::super::App;
use super::super::admin_api::parsed;
use super::super::annotation;
use super::super::call::Call;
use super::super::caller;
use super::super::failure::Failure;
use super::super::idempotency::{self, Repeatable};
use super::super::openapi::{ADMINISTRATION, Problems};
use super::super::version::{self, Versioned, versioned};
use super::{refused, view, with_secret};
use crate::domain::apikey::{Act, KeyEvent};
use crate::domain::audit::{Action, Subject};
use crate::domain::principal::Principal;
use crate::domain::version::Expected;
use crate::random;
use crate::store::{ChangeOrder, Written};

/// What a request asks to be done to a key.
struct Wanted {
    act: Act,
    annotation: Option<Annotation>,
    expected: Expected,
}

/// A change that needs no more than a reason.
fn plain(call: &Call, act: Act) -> Result<Wanted, Failure> {
    let annotation = call.optional_json::<Change>()?.annotation;
    Ok(Wanted { act, annotation, expected: version::optional(call)? })
}

/// Edit an API key: its name, description, networks and uses, and whether it is switched on
#[utoipa::path(
    patch,
    path = path::API_KEY,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = EditApiKey,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn edit(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    let wanted = |call: &Call| {
        let mut edit: EditApiKey = call.json()?;
        let (annotation, expected) = (edit.annotation.take(), version::required(call)?);
        Ok(Wanted { act: Act::Edit(edit), annotation, expected })
    };
    changed(&app, &call, (&id, KeyEvent::Edit), wanted).await
}

/// Change an API key's end; it may need the consent of somebody else
#[utoipa::path(
    post,
    path = path::API_KEY_RENEW,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = RenewApiKey,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn renew(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    let wanted = |call: &Call| {
        let RenewApiKey { expires, annotation } = call.optional_json()?;
        Ok(Wanted { act: Act::Renew(expires), annotation, expected: version::optional(call)? })
    };
    changed(&app, &call, (&id, KeyEvent::Renew), wanted).await
}

/// Refuse an API key until it is resumed
#[utoipa::path(
    post,
    path = path::API_KEY_SUSPEND,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = Change,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn suspend(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    changed(&app, &call, (&id, KeyEvent::Suspend), |call| plain(call, Act::Suspend)).await
}

/// Take a suspended API key into use again
#[utoipa::path(
    post,
    path = path::API_KEY_RESUME,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = Change,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    changed(&app, &call, (&id, KeyEvent::Resume), |call| plain(call, Act::Resume)).await
}

/// Refuse an API key for good
#[utoipa::path(
    post,
    path = path::API_KEY_REVOKE,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = Change,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    changed(&app, &call, (&id, KeyEvent::Revoke), |call| plain(call, Act::Revoke)).await
}

/// Agree to what waits for an API key
#[utoipa::path(
    post,
    path = path::API_KEY_APPROVE,
    tag = ADMINISTRATION,
    security(("api_key" = ["key.approve"]), ("api_token" = ["key.approve"])),
    params(("id" = KeyId, Path)),
    request_body = Decision,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn approve(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    changed(&app, &call, (&id, KeyEvent::Approve), |call| decided(call, Act::Approve)).await
}

/// Refuse what waits for an API key
#[utoipa::path(
    post,
    path = path::API_KEY_REJECT,
    tag = ADMINISTRATION,
    security(("api_key" = ["key.approve"]), ("api_token" = ["key.approve"])),
    params(("id" = KeyId, Path)),
    request_body = Decision,
    responses((status = 200, body = ApiKeyView), Problems)
)]
pub(in crate::http) async fn reject(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<ApiKeyView>, Failure> {
    changed(&app, &call, (&id, KeyEvent::Reject), |call| decided(call, Act::Reject)).await
}

fn decided(call: &Call, act: impl FnOnce(String) -> Act) -> Result<Wanted, Failure> {
    let Decision { reason, annotation } = call.optional_json()?;
    Ok(Wanted { act: act(reason), annotation, expected: version::optional(call)? })
}

/// Delete an API key that is over: revoked, rejected or expired
#[utoipa::path(
    delete,
    path = path::API_KEY,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = Change,
    responses((status = 204, description = "It is gone"), Problems)
)]
pub(in crate::http) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<StatusCode, Failure> {
    changed(&app, &call, (&id, KeyEvent::Delete), |call| plain(call, Act::Delete)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One change of one key.
async fn changed(
    app: &App,
    call: &Call,
    (id, event): (&str, KeyEvent),
    wanted: impl FnOnce(&Call) -> Result<Wanted, Failure>,
) -> Result<Versioned<ApiKeyView>, Failure> {
    let by = principal(app, call, event).await?;
    let actor = by.actor();
    let changed = async {
        let (id, wanted) = (parsed(id)?, wanted(call)?);
        match change(app, call, (id, by), wanted, None).await? {
            Written::Done(shown) | Written::Again(shown, _) => {
                Ok(versioned(shown.key.version, view(app, call, &shown)))
            }
            Written::Otherwise => Err(idempotency::mismatch()),
            Written::Refused(why) => Err(refused(&why)),
        }
    };
    changed.await.map_err(|failure: Failure| failure.denying(actor, event.action(), Subject::None))
}

/// Nobody decides without the right to; for the rest it depends on whose the key is.
async fn principal(app: &App, call: &Call, event: KeyEvent) -> Result<Principal, Failure> {
    let decides = matches!(event, KeyEvent::Approve | KeyEvent::Reject);
    caller::principal(app, call, event.action(), decides.then_some(Capability::KeyApprove)).await
}

async fn change(
    app: &App,
    call: &Call,
    (id, by): (KeyId, Principal),
    wanted: Wanted,
    repeatable: Option<&Repeatable<'_>>,
) -> Result<Written, Failure> {
    let Wanted { act, annotation, expected } = wanted;
    let cause = annotation::cause(app, call, by.actor(), (act.event().action(), annotation))?;
    let order = ChangeOrder {
        id,
        act,
        by,
        expected,
        rules: app.policy.keys.clone(),
        request: ApprovalId(random::bytes()),
        claim: repeatable.and_then(Repeatable::claim),
    };
    Ok(app.store.change_api_key(cause, order).await?)
}

/// Give an API key a second secret; the reply is the only one that ever shows it
///
/// Both are good until everybody who used the former one has used the new one, or until the deadline.
#[utoipa::path(
    post,
    path = path::API_KEY_ROTATE,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    params(("id" = KeyId, Path)),
    request_body = RotateApiKey,
    responses((status = 200, body = CreatedApiKey), Problems)
)]
pub(in crate::http) async fn rotate(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Versioned<CreatedApiKey>, Failure> {
    let by = principal(&app, &call, KeyEvent::Rotate).await?;
    let actor = by.actor();
    let rotated = async {
        let id = parsed(&id)?;
        let RotateApiKey { overlap, annotation } = call.optional_json()?;
        let repeatable = Repeatable::of(&app, &call, &by.user)?;
        let key = ApiKey::new(id, repeatable.secret(), app.pin());
        let act = Act::Rotate { next: key.secret().digest(), overlap: overlap.map(Into::into) };
        let wanted = Wanted { act, annotation, expected: version::optional(&call)? };
        let written = change(&app, &call, (id, by), wanted, Some(&repeatable)).await?;
        with_secret(&app, &call, (&repeatable, key), written)
    };
    rotated.await.map_err(|failure: Failure| failure.denying(actor, Action::KeyRotate, Subject::None))
}
