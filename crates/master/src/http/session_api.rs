//! Signing in and out, and what callers may know about themselves.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gatepass_contract::name::UserName;
use gatepass_contract::secret::{Password, ShownOnce};
use gatepass_contract::usertoken;
use gatepass_contract::wire::admin::{
    CallerSelf, CapabilityView, CredentialKind, Expiry, SignIn, SignedIn, UserState,
};
use gatepass_contract::wire::{Code, path};
use zeroize::Zeroizing;

use super::App;
use super::attempts::{Source, Verdict};
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{ADMINISTRATION, Problems};
use crate::domain::audit::{Action, Actor, Credential, Subject};
use crate::domain::people::PasswordHash;
use crate::domain::token::{Issuance, TokenHolder, TokenRecord};
use crate::password::Crowded;
use crate::random;
use crate::store::{NewSession, PasswordOf};

/// Sign in: a name and a password for a token of some hours
#[utoipa::path(
    post,
    path = path::SESSIONS,
    tag = ADMINISTRATION,
    request_body = SignIn,
    responses((status = 201, body = SignedIn), Problems)
)]
pub(super) async fn sign_in(
    State(app): State<App>,
    call: Call,
) -> Result<(StatusCode, Json<SignedIn>), Failure> {
    let SignIn { user, password } = call.json()?;
    let stored = app.store.password(user.clone()).await?;
    // A name that nobody has may be a password typed into the wrong field: it is written nowhere.
    let subject = stored.as_ref().map_or(Subject::None, |_| Subject::User(user.clone()));
    let refused = |why| {
        Failure::private(Code::Unauthenticated, why).denying(
            Actor::Anonymous,
            Action::SignIn,
            subject.clone(),
        )
    };
    let right = recognised(&app, &call, (&user, password), stored).await?;
    let hash = right.ok_or_else(|| refused("no such user, no password, or another one"))?;
    let token = TokenRecord::session(random::api_token_id(), &user, call.arrival.at, app.policy.session);
    let cause = call.arrival.cause(Actor::User(user.clone(), Credential::Password));
    let session = app.store.begin_session(cause, NewSession { token, password: hash }).await?;
    let holder = session.ok_or_else(|| refused("the user or the password was changed meanwhile"))?;
    signed_in(&app, &call, holder)
}

fn signed_in(app: &App, call: &Call, holder: TokenHolder) -> Result<(StatusCode, Json<SignedIn>), Failure> {
    let token = jwt(app, &holder)?;
    let expires = match holder.token.expires {
        Expiry::At(at) => at,
        Expiry::Never => return Err(Failure::internal("a session that does not end")),
    };
    let claims = claims(app, &holder);
    let caller = holder.admit(&claims, call.arrival.from, call.arrival.at)?.view();
    Ok((StatusCode::CREATED, Json(SignedIn { token, expires, caller })))
}

/// The hash that the password has, if it is that of an active user. Counted before any work is done for it; what was
/// right is not counted in the end.
pub(super) async fn recognised(
    app: &App,
    call: &Call,
    (user, password): (&UserName, Password),
    stored: Option<PasswordOf>,
) -> Result<Option<PasswordHash>, Failure> {
    let sources = [Source::address(call.arrival.from), Source::User(user.clone())];
    let subject = stored.as_ref().map_or(Subject::None, |_| Subject::User(user.clone()));
    if let Verdict::Beyond { retry_after, first } = app.attempts.count(&sources, call.arrival.at) {
        return Err(caller::limited((retry_after, first), (Actor::Anonymous, Action::SignIn, subject)));
    }
    let active = stored.filter(|stored| stored.state == UserState::Active);
    let hash = active.and_then(|stored| stored.hash);
    let right = app.passwords.matches(password, hash.clone()).await.map_err(crowded)?;
    if right {
        app.attempts.forgive(&sources);
    }
    Ok(hash.filter(|_| right))
}

pub(super) fn crowded(crowd: Crowded) -> Failure {
    Failure::open(Code::Overloaded, crowd.to_string()).after(std::time::Duration::from_secs(1))
}

/// The JWT of a token, as often as it is asked for.
pub(super) fn jwt(app: &App, holder: &TokenHolder) -> Result<ShownOnce, Failure> {
    let signed = app.token_key.sign(usertoken::TYP, &claims(app, holder)).map_err(Failure::internal)?;
    Ok(ShownOnce::new(Zeroizing::new(signed)))
}

fn claims(app: &App, holder: &TokenHolder) -> usertoken::Claims {
    let profile = &app.policy.profile;
    holder.claims(Issuance {
        issuer: &profile.issuer,
        audience: &profile.audience,
        backdate: profile.backdate,
    })
}

/// Sign out: the session's token ends
#[utoipa::path(
    delete,
    path = path::OWN_SESSION,
    tag = ADMINISTRATION,
    security(("api_token" = [])),
    responses((status = 204, description = "It has ended"), Problems)
)]
pub(super) async fn sign_out(State(app): State<App>, call: Call) -> Result<StatusCode, Failure> {
    let caller = caller::principal(&app, &call, Action::SignOut, None).await?;
    if let (CredentialKind::Session, Credential::Token(id)) = (caller.kind, caller.credential) {
        app.store.end_session(call.arrival.cause(caller.actor()), id).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let why = "this is no session: only what began with a password ends so";
    let failure = Failure::open(Code::Unacceptable, why);
    Err(failure.denying(caller.actor(), Action::SignOut, Subject::None))
}

/// Who the caller is, and what they may do at this moment
#[utoipa::path(
    get,
    path = path::CALLER,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    responses((status = 200, body = CallerSelf), Problems)
)]
pub(super) async fn whoami(State(app): State<App>, call: Call) -> Result<Json<CallerSelf>, Failure> {
    Ok(Json(caller::principal(&app, &call, Action::Read, None).await?.view()))
}

/// Every capability there is, and what it is called elsewhere
#[utoipa::path(
    get,
    path = path::CAPABILITIES,
    tag = ADMINISTRATION,
    security(("api_key" = []), ("api_token" = [])),
    responses((status = 200, body = Vec<CapabilityView>), Problems)
)]
pub(super) async fn capabilities(
    State(app): State<App>,
    call: Call,
) -> Result<Json<Vec<CapabilityView>>, Failure> {
    caller::principal(&app, &call, Action::Read, None).await?;
    Ok(Json(CapabilityView::all()))
}
