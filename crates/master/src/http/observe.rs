//! For whoever watches the master: is it there, can it work, what has it done.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use gatepass_contract::pki;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{AgentState, ClockStanding};

use super::App;
use super::call::Call;
use super::failure::Failure;
use super::openapi::{OBSERVE, Problems};
use crate::domain::signing::KeyPurpose;
use crate::metrics::{self, Snapshot};
use crate::store::Counts;

/// Whether the process answers at all
#[utoipa::path(get, path = "/livez", tag = OBSERVE, responses((status = 200, description = "It does"), Problems))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the database can be read and written at this moment
#[utoipa::path(get, path = "/readyz", tag = OBSERVE, responses((status = 200, description = "It can"), Problems))]
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Failure> {
    app.store.ready().await?;
    Ok("ok\n")
}

/// Counters and gauges for Prometheus; answered to configured networks only
#[utoipa::path(
    get,
    path = "/metrics",
    tag = OBSERVE,
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"), Problems)
)]
pub(super) async fn metrics(State(app): State<App>, call: Call) -> Result<impl IntoResponse, Failure> {
    // Who may not see them need not know that there are any.
    if !app.may_read_metrics(call.arrival.from) {
        return Err(Failure::open(Code::NotFound, "there is nothing at this path"));
    }
    let counts = app.store.counts().await?;
    let page = app.metrics.render(&Snapshot {
        waiting: app.gate.depth(),
        connections: app.load.connections(),
        clocks: clocks(&counts),
        first_expiry: app.store.first_expiry(call.arrival.at).await?,
        own_expiries: own_expiries(&app),
    });
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page))
}

/// Every standing, also those that no agent has: a series that vanishes cannot be watched.
fn clocks(counts: &Counts) -> Vec<(ClockStanding, u64)> {
    let active = |standing| {
        let those = |(state, clock, _): &&(AgentState, ClockStanding, u64)| {
            *state == AgentState::Active && *clock == standing
        };
        counts.agents.iter().filter(those).map(|(_, _, count)| count).sum()
    };
    ClockStanding::ALL.iter().map(|&standing| (standing, active(standing))).collect()
}

/// Token keys are not among them: they end when they are replaced, not by themselves.
fn own_expiries(app: &App) -> Vec<(&'static str, UnixTime)> {
    let root = app.anchors.certificates.certificates().last().and_then(|root| pki::validity(root).ok());
    let issuing = (KeyPurpose::IssuingCa.as_str(), app.issuer.validity().until());
    root.map(|validity| (KeyPurpose::RootCa.as_str(), validity.until()))
        .into_iter()
        .chain([issuing])
        .collect()
}
