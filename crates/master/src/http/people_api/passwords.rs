//! Passwords.

use axum::extract::{Path, State};
use gatepass_contract::name::UserName;
use gatepass_contract::wire::admin::{Capability, CredentialKind, SetPassword, UserView};
use gatepass_contract::wire::path;

use super::{nothing_there, parsed, settled};
use crate::domain::audit::{Action, Credential, Subject};
use crate::domain::people::{PasswordHash, Unacceptable, is_password};
use crate::domain::principal::Principal;
use crate::http::App;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::openapi::{ADMINISTRATION, Problems};
use crate::http::session_api::{crowded, recognised};
use crate::http::version::{self, Versioned, versioned};
use crate::http::{annotation, caller};
use crate::store::NewPassword;

/// Set a password: one's own, with the present one, or another user's
///
/// All other sessions of the user end.
#[utoipa::path(
    put,
    path = path::USER_PASSWORD,
    tag = ADMINISTRATION,
    security(("api_key" = ["user.manage"]), ("api_token" = ["user.manage"])),
    params(("name" = UserName, Path)),
    request_body = SetPassword,
    responses((status = 200, body = UserView), Problems)
)]
pub(in crate::http) async fn set_password(
    State(app): State<App>,
    Path(name): Path<String>,
    call: Call,
) -> Result<Versioned<UserView>, Failure> {
    let caller = caller::principal(&app, &call, Action::UserPassword, None).await?;
    let set = set(&app, &call, &caller, &name).await;
    set.map_err(|failure| {
        let subject = name.parse().map_or(Subject::None, Subject::User);
        failure.denying(caller.actor(), Action::UserPassword, subject)
    })
}

async fn set(app: &App, call: &Call, caller: &Principal, name: &str) -> Result<Versioned<UserView>, Failure> {
    if name != caller.user.as_str() {
        caller.may(Capability::UserManage)?;
    }
    let user: UserName = parsed(name)?;
    let expected = version::required(call)?;
    let request: SetPassword = call.json()?;
    let cause =
        annotation::cause(app, call, caller.actor(), (Action::UserPassword, request.annotation.clone()))?;
    let fits = is_password(&request.password, app.policy.shortest_password);
    fits.map_err(unacceptable)?;
    let known = if caller.is(&user) { known(app, call, &user, &request).await? } else { None };
    let session = match (caller.kind, caller.credential) {
        (CredentialKind::Session, Credential::Token(id)) => Some(id),
        _ => None,
    };
    let hash = app.passwords.hash(request.password).await.map_err(crowded)?;
    let new = NewPassword { user, hash, known, session, expected };
    let user = settled(app.store.set_password(cause, caller.into(), new).await?)?;
    Ok(versioned(user.version, user.view()))
}

/// The hash of the present password, if the caller has shown that they know it.
async fn known(
    app: &App,
    call: &Call,
    user: &UserName,
    request: &SetPassword,
) -> Result<Option<PasswordHash>, Failure> {
    let stored = app.store.password(user.clone()).await?.ok_or_else(nothing_there)?;
    match (&request.present, &stored.hash) {
        (_, None) => Ok(None),
        (None, Some(_)) => Err(unacceptable(Unacceptable::PresentPassword)),
        (Some(present), Some(_)) => {
            let right = recognised(app, call, (user, present.clone()), Some(stored)).await?;
            right.map(Some).ok_or_else(|| unacceptable(Unacceptable::PresentPassword))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn unacceptable(why: Unacceptable) -> Failure {
    Failure::open(why.code(), why.to_string())
}
