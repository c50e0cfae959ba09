//! The REST interface: what agents and administrators may ask, and how every answer leaves.

mod admin_api;
mod agent_api;
mod app;
mod call;
mod caller;
mod failure;
mod observe;
mod openapi;
mod outermost;

use axum::Router;
use axum::middleware::from_fn_with_state;
use gatepass_contract::wire::Code;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use app::{App, Parts, Policy};
pub use call::BodyLimits;
pub use openapi::document;

use failure::Failure;

/// Everything the master answers.
pub fn router(app: App) -> Router {
    let (router, _) = interface().split_for_parts();
    router
        .fallback(async || Failure::open(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
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
        .routes(routes!(agent_api::credentials))
        .routes(routes!(agent_api::report))
        .routes(routes!(agent_api::whoami, agent_api::deregister))
        .routes(routes!(admin_api::show_agent))
        .routes(routes!(admin_api::revoke_agent))
        .routes(routes!(admin_api::create_key, admin_api::list_keys))
        .routes(routes!(admin_api::show_key))
        .routes(routes!(admin_api::suspend_key))
        .routes(routes!(admin_api::resume_key))
        .routes(routes!(admin_api::revoke_key))
        .routes(routes!(observe::livez))
        .routes(routes!(observe::readyz))
        .routes(routes!(observe::metrics))
}
