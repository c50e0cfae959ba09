//! Old audit records go, as configured.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock;
use crate::domain::audit::Cause;
use crate::random;
use crate::store::{Lead, PRUNED_AT_ONCE, Store, StoreError};

/// Between two looks, where this master leads.
const EVERY: Duration = Duration::from_hours(1);
/// Until it is known again who leads.
const STANDING_BY: Duration = Duration::from_mins(1);

/// Drops audit records that are older than `age`, for as long as the master runs.
pub async fn retention(store: Store, lead: Lead, age: Option<Duration>) {
    let Some(age) = age else { return };
    loop {
        let nap = if lead.is_ours() {
            match prune(&store, age).await {
                Ok(0) => {}
                Ok(dropped) => info!(dropped, "old audit records were dropped"),
                Err(error) => warn!(%error, "old audit records could not be dropped"),
            }
            EVERY
        } else {
            STANDING_BY
        };
        clock::sleep(nap).await;
    }
}

async fn prune(store: &Store, age: Duration) -> Result<u64, StoreError> {
    let mut dropped = 0;
    loop {
        let now = clock::now();
        let cause = Cause::of_the_master(random::request_id(), now);
        let some = store.prune_audit(cause, now - age).await?;
        dropped += u64::from(some);
        if some < PRUNED_AT_ONCE {
            return Ok(dropped);
        }
    }
}
