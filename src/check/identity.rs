//! The identity that is held: whether it belongs together, to this machine, and for how long.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;

use super::finding::{Finding, Findings};
use super::id::Id;
use crate::bundle::{Bundle, Parts};
use crate::state::State;
use crate::status::Watched;
use crate::store::{Store, StoreError};
use crate::trouble::whole;

/// What the store holds.
pub(super) fn held(store: &Store, findings: &mut Findings) -> Option<Bundle> {
    let root = store.root().display();
    match store.current().map(|current| current.map(|(_, parts)| parts)) {
        Ok(None) => {
            findings.add(Finding::warning(Id::IdentityNone, format!("{root} holds no identity yet")));
            None
        }
        Ok(Some(parts)) => recalled(parts, findings),
        Err(error @ StoreError::Exposed { .. }) => {
            findings.add(Finding::broken(Id::StateExposed, whole(&error)));
            None
        }
        Err(error) => {
            let hint = Some(format!("look at the owner and mode of {root}"));
            findings.add(Finding::broken(Id::StoreUnreadable, whole(&error)).with_hint(hint));
            None
        }
    }
}

fn recalled(parts: Parts, findings: &mut Findings) -> Option<Bundle> {
    match Bundle::recall(parts) {
        Ok(bundle) => {
            let (agent, generation) = (bundle.agent(), bundle.generation());
            let message =
                format!("agent {agent}, generation {generation}: key, chain and token belong together");
            findings.add(Finding::fine(Id::IdentityFits, message));
            Some(bundle)
        }
        Err(error) => {
            findings.add(Finding::broken(Id::IdentityUnfit, whole(&error)));
            None
        }
    }
}

/// A copy of a host has its state, and another machine id.
pub(super) fn machine(state: &State, machine: Option<Sha256>) -> Option<Finding> {
    let (then, now) = (state.machine?, machine?);
    Some(if then == now {
        Finding::fine(Id::MachineSame, "this is the machine that the identity was issued to")
    } else {
        Finding::warning(
            Id::MachineChanged,
            "the identity was issued to another machine: this host is a copy of it, or its machine id was replaced",
        )
    })
}

/// What somebody else made and nobody here renews: worth a warning early.
pub(super) fn adopted(watched: &Watched, now: UnixTime) -> Finding {
    let dir = watched.dir.display();
    let Some(until) = watched.until else {
        let why = watched.problem.as_deref().unwrap_or("nothing is there");
        return Finding::broken(Id::AdoptedUnreadable, format!("{dir}: {why}"));
    };
    let left = until.since(now);
    let message = format!("the certificates in {dir} end at {until}, in {}", Span::from(left));
    if left.is_zero() {
        Finding::broken(
            Id::AdoptedWatched,
            format!("the certificates in {dir} ended {} ago", Span::from(now.since(until))),
        )
    } else if left < EARLY {
        Finding::warning(Id::AdoptedWatched, message)
    } else {
        Finding::fine(Id::AdoptedWatched, message)
    }
}

/// As the daemon begins to warn.
const EARLY: Duration = Duration::from_hours(30 * 24);

/// Time to death: when this agent would stop working if the master were down from now on; and whether it is on its way
/// there, because what should have been renewed was not.
pub(super) fn lifetime(held: &Bundle, now: UnixTime, findings: &mut Findings) {
    for (id, what, until) in [
        (Id::IdentityCertificate, "certificate", held.certificate().until()),
        (Id::IdentityToken, "token", held.token().until()),
    ] {
        findings.add(if now < until {
            Finding::fine(
                id,
                format!("the {what} would last for {} without the master", Span::from(until.since(now))),
            )
        } else {
            Finding::broken(id, format!("the {what} ended {} ago", Span::from(now.since(until))))
                .with_hint(Some("is the daemon running?".to_owned()))
        });
    }
    findings.add(renewal(held, now));
}

fn renewal(held: &Bundle, now: UnixTime) -> Finding {
    let (due, until) = (held.parts().meta.renew_at, held.token().until());
    let late = now.since(due);
    if now < due {
        Finding::fine(Id::RenewalDue, format!("the next renewal is due in {}", Span::from(due.since(now))))
    } else if late * 2 < until.since(due) {
        Finding::fine(Id::RenewalDue, "the next renewal is due now")
    } else {
        Finding::warning(Id::RenewalOverdue, format!("the renewal was due {} ago", Span::from(late)))
    }
}
