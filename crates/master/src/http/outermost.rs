//! Where every request comes in and every answer goes out: named, measured, and if it is a problem, logged, recorded
//! and written out. In one place, so that no answer can miss any of it.

use std::any::Any;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use gatepass_contract::wire::{Code, PROBLEM_JSON, REQUEST_ID};
use tracing::{debug, error, info, warn};

use super::App;
use super::call::{Arrival, origin};
use super::failure::{Failure, Trail};
use crate::clock::{self, Stopwatch};
use crate::random;
use crate::server::Peer;

/// The outermost layer.
pub(super) async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let since = Stopwatch::start();
    let Some(peer) = request.extensions().get::<Peer>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // reached over no connection: a bug, and no client
    };
    let from = origin(peer.address.ip(), request.headers(), &app.policy.trusted_proxies);
    let arrival = Arrival { id: random::request_id(), at: clock::now(), from };
    request.extensions_mut().insert(arrival);
    let (method, path) = (request.method().clone(), request.uri().clone());
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        app.record(&arrival, &failure).await;
        write_out(&mut response, &failure, &arrival);
        note(&failure, &arrival);
        app.metrics.refused(failure.code);
    }
    let id = HeaderValue::try_from(arrival.id.to_string()).expect("base32 is fit for a header");
    response.headers_mut().insert(REQUEST_ID, id);
    app.metrics.answered(since.elapsed());
    let status = response.status().as_u16();
    debug!(request = %arrival.id, %method, path = path.path(), status, from = %arrival.from, "answered");
    response
}

/// What a panic in a handler becomes; its message went to the log when it happened.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    Failure::internal("a handler panicked; the message is in the log").into_response()
}

/// The headers that are there, such as `Allow`, stay.
fn write_out(response: &mut Response, failure: &Failure, arrival: &Arrival) {
    let problem = failure.problem(arrival.id);
    let body = serde_json::to_vec(&problem).expect("a problem is plain JSON");
    *response.status_mut() = StatusCode::from_u16(problem.status).expect("codes have valid statuses");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if problem.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = failure.retry_after {
        // Whole seconds (RFC 9110, section 10.2.3), rounded up: not a moment too soon.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // What is left of a body that was not read cannot be told from the next request.
    if matches!(failure.code, Code::BodyTooLarge | Code::Timeout) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    *response.body_mut() = Body::from(body);
}

fn note(failure: &Failure, arrival: &Arrival) {
    let (request, from, code, reason) = (arrival.id, arrival.from, failure.code, failure.reason.as_ref());
    if matches!(code, Code::Internal | Code::Unavailable) {
        error!(%request, %from, %code, reason, "the master failed");
    } else if code == Code::Overloaded {
        warn!(%request, %from, %code, reason, "turned away");
    } else if failure.trail == Trail::None {
        debug!(%request, %from, %code, reason, "refused");
    } else {
        info!(%request, %from, %code, reason, "refused");
    }
}
