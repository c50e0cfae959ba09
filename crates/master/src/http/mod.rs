//! The REST interface: what agents and administrators may ask, and how every answer leaves.

mod admin_api;
mod agent_api;
mod annotation;
mod app;
mod approval_api;
mod attempts;
mod audit_api;
mod call;
mod caller;
mod enrolment_api;
mod failure;
mod idempotency;
mod key_api;
mod notice_api;
mod observe;
mod openapi;
mod outermost;
mod page;
mod people_api;
mod session_api;
mod token_api;
mod version;

use axum::Router;
use axum::middleware::from_fn_with_state;
use gatepass_contract::wire::Code;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use app::{App, Parts, Policy};
pub use call::BodyLimits;
pub use openapi::document;

use call::Call;
use failure::Failure;

/// Everything the master answers.
pub fn router(app: App) -> Router {
    let (router, _) = interface().split_for_parts();
    router
        // Read, though nobody wants it: what was left of it would be taken for the next request.
        .fallback(async |_: Call| Failure::open(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async |_: Call| {
            Failure::open(Code::MethodNotAllowed, "this path does not take this method")
        })
        .layer(CatchPanicLayer::custom(outermost::panicked))
        .layer(from_fn_with_state(app.clone(), outermost::answer))
        .with_state(app)
}

/// The documented calls; the router and the document are made from the same list.
fn interface() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(agent_api::time))
        .routes(routes!(agent_api::trust))
        .routes(routes!(agent_api::jwks))
        .routes(routes!(agent_api::enrol, admin_api::list_agents))
        .routes(routes!(enrolment_api::key_for_password))
        .routes(routes!(agent_api::credentials))
        .routes(routes!(agent_api::report))
        .routes(routes!(agent_api::whoami, agent_api::deregister))
        .routes(routes!(admin_api::show_agent))
        .routes(routes!(admin_api::revoke_agent))
        .routes(routes!(key_api::create, key_api::list))
        .routes(routes!(key_api::summary))
        .routes(routes!(enrolment_api::own_key))
        .routes(routes!(key_api::several::delete_several))
        .routes(routes!(key_api::show, key_api::changes::edit, key_api::changes::delete))
        .routes(routes!(key_api::usage))
        .routes(routes!(key_api::changes::renew))
        .routes(routes!(key_api::changes::rotate))
        .routes(routes!(key_api::changes::suspend))
        .routes(routes!(key_api::changes::resume))
        .routes(routes!(key_api::changes::revoke))
        .routes(routes!(key_api::changes::approve))
        .routes(routes!(key_api::changes::reject))
        .routes(routes!(approval_api::list))
        .routes(routes!(audit_api::list))
        .routes(routes!(people_api::users::create_user, people_api::users::list_users))
        .routes(routes!(
            people_api::users::show_user,
            people_api::users::edit_user,
            people_api::users::delete_user
        ))
        .routes(routes!(people_api::passwords::set_password))
        .routes(routes!(people_api::groups::create_group, people_api::groups::list_groups))
        .routes(routes!(
            people_api::groups::show_group,
            people_api::groups::edit_group,
            people_api::groups::delete_group
        ))
        .routes(routes!(people_api::roles::create_role, people_api::roles::list_roles))
        .routes(routes!(
            people_api::roles::show_role,
            people_api::roles::edit_role,
            people_api::roles::delete_role
        ))
        .routes(routes!(session_api::sign_in))
        .routes(routes!(session_api::sign_out))
        .routes(routes!(session_api::whoami))
        .routes(routes!(session_api::capabilities))
        .routes(routes!(token_api::create_token, token_api::list_tokens))
        .routes(routes!(token_api::show_token, token_api::edit_token, token_api::delete_token))
        .routes(routes!(token_api::unlock_token))
        .routes(routes!(token_api::expire_token))
        .routes(routes!(notice_api::list))
        .routes(routes!(notice_api::test))
        .routes(routes!(notice_api::resend))
        .routes(routes!(observe::livez))
        .routes(routes!(observe::readyz))
        .routes(routes!(observe::metrics))
}
