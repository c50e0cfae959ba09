//! Former secrets of rotated API keys end at their deadline. They are refused without this; here it is written down.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock;
use crate::domain::audit::Cause;
use crate::random;
use crate::store::{Lead, Store};

/// Between two looks.
const EVERY: Duration = Duration::from_mins(1);

/// Retires former secrets whose time is over, for as long as the master runs, where this master leads.
pub async fn rotation(store: Store, lead: Lead) {
    loop {
        if lead.is_ours() {
            let cause = Cause::of_the_master(random::request_id(), clock::now());
            match store.retire_overdue(cause).await {
                Ok(0) => {}
                Ok(retired) => info!(retired, "former secrets of API keys ended at their deadline"),
                Err(error) => warn!(%error, "former secrets of API keys could not be retired"),
            }
        }
        clock::sleep(EVERY).await;
    }
}
