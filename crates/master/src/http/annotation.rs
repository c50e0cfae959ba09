//! Why a change is made: as policy wants it, it becomes part of the change's cause.

use gatepass_contract::wire::admin::Annotation;

use super::App;
use super::call::Call;
use super::failure::Failure;
use crate::domain::audit::{Action, Actor, Cause};

/// The cause of a change by `actor`, with the reason that came with it.
pub(super) fn cause(
    app: &App,
    call: &Call,
    actor: Actor,
    (action, reason): (Action, Option<Annotation>),
) -> Result<Cause, Failure> {
    let checked = app.policy.annotations.check(action, reason.as_ref());
    checked.map_err(|why| Failure::open(why.code(), why.to_string()))?;
    Ok(Cause { annotation: reason, ..call.arrival.cause(actor) })
}
