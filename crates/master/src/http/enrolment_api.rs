//! What a host may ask before it is an agent, beside enrolling: a key for a password, and how its key stands.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gatepass_contract::secret::{ApiKey, ShownOnce};
use gatepass_contract::wire::admin::Expiry;
use gatepass_contract::wire::agent::{EnrolmentKey, EnrolmentKeyRequest, OwnKey};
use gatepass_contract::wire::{Code, path};

use super::App;
use super::call::Call;
use super::caller::{self, Shown};
use super::failure::Failure;
use super::openapi::{AGENTS, Problems};
use super::session_api::recognised;
use crate::domain::Refusal;
use crate::domain::audit::{Action, Actor, Credential, Subject};
use crate::random;
use crate::store::{OnceKey, OnceOrder};

/// Trade a password for an API key that enrols one host within ten minutes
///
/// For somebody who has `agent.enrol` and no API key. Wrong passwords are counted as for signing in.
#[utoipa::path(
    post,
    path = path::ENROLMENT_KEY,
    tag = AGENTS,
    request_body = EnrolmentKeyRequest,
    responses((status = 201, body = EnrolmentKey), Problems)
)]
pub(super) async fn key_for_password(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<EnrolmentKey>), Failure> {
    let EnrolmentKeyRequest { user, password, name } = call.json()?;
    let stored = app.store.password(user.clone()).await?;
    // A name that nobody has may be a password typed into the wrong field: it is written nowhere.
    let subject = stored.as_ref().map_or(Subject::None, |_| Subject::User(user.clone()));
    let refused = |why| {
        let failure = Failure::private(Code::Unauthenticated, why);
        failure.denying(Actor::Anonymous, Action::KeyCreate, subject.clone())
    };
    let right = recognised(&app, &call, (&user, password), stored).await?;
    let password = right.ok_or_else(|| refused("no such user, no password, or another one"))?;
    let key = ApiKey::new(random::key_id(), random::secret(), app.pin());
    let cause = call.arrival.cause(Actor::User(user.clone(), Credential::Password));
    let (id, secret) = (key.id(), key.secret().digest());
    let order = OnceOrder { user, password, host: name, id, secret, rules: app.policy.keys.clone() };
    match app.store.create_once_key(cause, order).await? {
        OnceKey::Made(made) => shown(&key, made.key.expires),
        OnceKey::Stranger => Err(refused("the user or the password was changed meanwhile")),
        OnceKey::Refused(why) => Err(Failure::open(why.code(), why.to_string()).recorded()),
    }
}

fn shown(key: &ApiKey, expires: Expiry) -> Result<(StatusCode, Json<EnrolmentKey>), Failure> {
    let Expiry::At(expires) = expires else {
        return Err(Failure::internal("a key for once that never ends"));
    };
    let secret = ShownOnce::new(key.reveal());
    Ok((StatusCode::CREATED, Json(EnrolmentKey { id: key.id(), secret, expires })))
}

/// How the API key stands that the caller shows, and whether an enrolment with it would be let in
///
/// Costs no use and is no use: nothing about the key changes. What an enrolment would be refused for is in the audit
/// under this request.
#[utoipa::path(
    get,
    path = path::OWN_API_KEY,
    tag = AGENTS,
    security(("api_key" = [])),
    responses((status = 200, body = OwnKey), Problems)
)]
pub(super) async fn own_key(State(app): State<App>, call: Call) -> Result<Json<OwnKey>, Failure> {
    let Shown { holder, refusal } = caller::shown_key(&app, &call, Action::Read).await?;
    let failure = refusal.map(|why: Refusal| {
        let subject = Subject::ApiKey(holder.key.id);
        Failure::from(why).denying(caller::actor(&holder), Action::Read, subject)
    });
    if let Some(failure) = &failure {
        app.record(&call.arrival, failure).await;
    }
    let (now, from) = (call.arrival.at, call.arrival.from);
    let capabilities = holder.capabilities();
    let key = holder.key.view(now, app.policy.advance_notice);
    Ok(Json(OwnKey {
        id: key.id,
        name: key.name,
        kind: key.kind,
        owner: key.owner,
        state: key.state,
        standing: key.standing,
        enabled: key.enabled,
        expires: key.expires,
        uses_left: key.uses.map(|uses| uses.saturating_sub(key.used)),
        networks: key.networks,
        capabilities,
        from,
        refusal: failure.map(|failure| failure.problem(call.arrival.id)),
    }))
}
