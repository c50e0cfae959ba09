//! Notices on their way: the leading master delivers what is due, and looks for ends that are to be told of.
//!
//! Invariant: what is under way is leased, and its lease is kept until its fate is written down. A master that dies loses
//! its leases after [`LEASE`]: then it is delivered again, under the same message id.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::id::NoticeId;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::clock::{self, Stopwatch};
use crate::domain::notice::{Next, RetrySchedule};
use crate::notify::Courier;
use crate::random;
use crate::store::{Claimed, Fate, Holder, Lead, Store, StoreError};

/// What is to be done when.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// How often is looked for ends.
    pub scan_every: Duration,
    /// How long before an end it is told of.
    pub advance: Duration,
    /// When what was not delivered is tried again.
    pub retries: RetrySchedule,
    /// How long is kept what was delivered or given up.
    pub keep: Duration,
}

/// Delivers and scans.
pub struct Notices {
    store: Store,
    courier: Arc<Courier>,
    lead: Lead,
    rhythm: Rhythm,
    holder: Holder,
    deliveries: JoinSet<()>,
    under_way: HashMap<task::Id, NoticeId>,
    /// Since the leases were kept last.
    kept: Stopwatch,
    /// Since the last scan began; `None`: the first one is due.
    scanned: Option<Stopwatch>,
    /// Whether the scan that began last has more to do.
    scanning: bool,
    /// Whether the last thing asked of the database failed: said once, not every second.
    troubled: bool,
}

/// Between two looks for what is due.
const TICK: Duration = Duration::from_secs(1);
/// After that another master, or this one after a restart, takes over.
const LEASE: Duration = Duration::from_secs(20);
/// Leases are kept well before they end.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Deliveries at once: servers that do not answer hold up others only when there are so many.
const AT_ONCE: usize = 32;
/// For what is under way when the master is told to end.
const LAST: Duration = Duration::from_secs(5);

impl Notices {
    /// Ready to begin.
    #[must_use]
    pub fn new(store: Store, courier: Courier, lead: Lead, rhythm: Rhythm) -> Self {
        Self {
            store,
            courier: Arc::new(courier),
            lead,
            rhythm,
            holder: Holder(random::bytes()),
            deliveries: JoinSet::new(),
            under_way: HashMap::new(),
            kept: Stopwatch::start(),
            scanned: None,
            scanning: false,
            troubled: false,
        }
    }

    /// Until `stop`; then finishes what is under way, if it is quick.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let nap = self.step().await;
            tokio::select! {
                () = &mut stop => break,
                Some(done) = self.deliveries.join_next_with_id() => self.landed(done),
                () = clock::sleep(nap) => {}
            }
        }
        let rest = async { while self.deliveries.join_next().await.is_some() {} };
        if timeout(LAST, rest).await.is_err() {
            warn!("notices were under way when the master ended: they will be delivered again");
        }
    }

    /// One look at everything that may be due; how long until the next.
    async fn step(&mut self) -> Duration {
        let result = self.look().await;
        if let Err(error) = &result
            && !self.troubled
        {
            error!(%error, "notices cannot be looked after; trying again every second");
        }
        self.troubled = result.is_err();
        if self.scanning && !self.troubled { Duration::ZERO } else { TICK }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        if !self.under_way.is_empty() && self.kept.elapsed() >= KEEP_EVERY {
            let ids = self.under_way.values().copied().collect();
            self.store.keep_notices(self.holder, ids, clock::now() + LEASE).await?;
            self.kept = Stopwatch::start();
        }
        if !self.lead.is_ours() {
            // Who leads next has to look at once.
            (self.scanned, self.scanning) = (None, false);
            return Ok(());
        }
        self.scan().await?;
        self.claim().await
    }

    async fn scan(&mut self) -> Result<(), StoreError> {
        if self.scanned.is_none_or(|since| since.elapsed() >= self.rhythm.scan_every) {
            self.store.sweep_notices(clock::now() - self.rhythm.keep).await?;
            (self.scanned, self.scanning) = (Some(Stopwatch::start()), true);
        }
        if self.scanning {
            let scanned = self.store.tell_of_ends(self.rhythm.advance, clock::now()).await?;
            if scanned.told > 0 {
                info!(told = scanned.told, "keys or tokens end soon or have ended");
            }
            self.scanning = scanned.due > 0;
        }
        Ok(())
    }

    async fn claim(&mut self) -> Result<(), StoreError> {
        let room = AT_ONCE - self.under_way.len();
        // Half of it at least: each claim is a transaction.
        if room < AT_ONCE / 2 {
            return Ok(());
        }
        let (now, room) = (clock::now(), u32::try_from(room).unwrap_or_default());
        let claimed = self.store.claim_notices(self.holder, (now, now + LEASE), room).await?;
        for claimed in claimed {
            // A clock that was set forward ends leases that are kept: what is under way stays so.
            let id = claimed.outgoing.id;
            if !self.under_way.values().any(|&other| other == id) {
                let task = self.deliveries.spawn(self.delivery().carry_out(claimed)).id();
                self.under_way.insert(task, id);
            }
        }
        Ok(())
    }

    fn delivery(&self) -> Delivery {
        Delivery {
            store: self.store.clone(),
            courier: Arc::clone(&self.courier),
            retries: self.rhythm.retries,
            holder: self.holder,
        }
    }

    fn landed(&mut self, done: Result<(task::Id, ()), JoinError>) {
        let task = match done {
            Ok((task, ())) => task,
            Err(error) => {
                error!(%error, "a delivery broke off");
                error.id()
            }
        };
        self.under_way.remove(&task);
    }
}

/// What one delivery needs.
struct Delivery {
    store: Store,
    courier: Arc<Courier>,
    retries: RetrySchedule,
    holder: Holder,
}

/// Pauses between attempts to write down what became of a notice.
const PERSISTENCE: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

impl Delivery {
    async fn carry_out(self, claimed: Claimed) {
        let id = claimed.outgoing.id;
        let fate = self.attempt(&claimed).await;
        // What was taken and is not written down will be sent again.
        for pause in PERSISTENCE {
            match self.store.settle_notice(self.holder, id, fate.clone(), clock::now()).await {
                Ok(()) => return,
                Err(error) => warn!(%id, %error, "what became of a notice cannot be written down"),
            }
            clock::sleep(pause).await;
        }
    }

    async fn attempt(&self, claimed: &Claimed) -> Fate {
        let Claimed { outgoing, attempts } = claimed;
        let (id, event) = (outgoing.id, outgoing.facts.event);
        let Err(undelivered) = self.courier.deliver(outgoing, clock::now()).await else {
            info!(%id, %event, "notice delivered");
            return Fate::Sent;
        };
        let next = if undelivered.permanent {
            Next::GiveUp
        } else {
            self.retries.after_failure(attempts + 1, clock::now())
        };
        match next {
            Next::Retry { at } => {
                warn!(%id, %event, why = undelivered.why, next = %at, "notice not delivered");
            }
            Next::GiveUp => error!(%id, %event, why = undelivered.why, "notice given up"),
        }
        Fate::Failed { why: undelivered.why, next }
    }
}
