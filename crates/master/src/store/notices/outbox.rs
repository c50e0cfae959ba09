//! What is due, who delivers it, and what became of it.

use gatepass_contract::id::NoticeId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{NoticeChannel, NoticeState};

use crate::domain::notice::{Destination, Next, Outgoing};
use crate::store::sql::{self, Conn, Row, params};
use crate::store::{Store, StoreError, writer};

/// A process that delivers; a new one each time a master starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub [u8; 16]);

/// A notice whose lease is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What is to be delivered.
    pub outgoing: Outgoing,
    /// How often that was tried before.
    pub attempts: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Sent,
    /// It did not.
    Failed {
        /// Why.
        why: String,
        /// What follows.
        next: Next,
    },
}

impl Store {
    /// Takes up to `most` notices that are due at `now`; they are `holder`'s until `until`.
    pub async fn claim_notices(
        &self,
        holder: Holder,
        (now, until): (UnixTime, UnixTime),
        most: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        // Most of the time there is nothing, and nothing need be written.
        if !self.read(move |conn| conn.exists(FREE, params![now, until + until.since(now), 1_u32])).await? {
            return Ok(Vec::new());
        }
        self.write(writer::NOTICE_CLAIM, move |ledger| claim(ledger.conn, holder, (now, until), most)).await
    }

    /// Keeps those of them that `holder` has until `until`.
    pub async fn keep_notices(
        &self,
        holder: Holder,
        ids: Vec<NoticeId>,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(writer::NOTICE_CLAIM, move |ledger| {
            for id in ids {
                ledger.conn.execute(KEEP, params![until, id, holder.0])?;
            }
            Ok(())
        })
        .await
    }

    /// Says what became of a notice. Nothing happens where somebody else has taken it since.
    pub async fn settle_notice(
        &self,
        holder: Holder,
        id: NoticeId,
        fate: Fate,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(writer::NOTICE_SETTLE, move |ledger| settle(ledger.conn, (holder, id), &fate, now)).await
    }

    /// Drops what arrived or was given up and is from before `before`; how many.
    pub async fn sweep_notices(&self, before: UnixTime) -> Result<u64, StoreError> {
        self.write(writer::NOTICES, move |ledger| ledger.conn.execute(SWEEP, params![before])).await
    }
}

/// Due, and in nobody's hands: a lease that is longer than any is from before the clock was set back.
const FREE: &str =
    "SELECT id, channel, recipient, facts, attempts FROM notice
    WHERE due IS NOT NULL AND due <= ?1 AND (leased IS NULL OR leased <= ?1 OR leased > ?2) ORDER BY due LIMIT ?3";

fn claim(
    conn: Conn<'_>,
    holder: Holder,
    (now, until): (UnixTime, UnixTime),
    most: u32,
) -> sql::Result<Vec<Claimed>> {
    let claimed = conn.query(FREE, params![now, until + until.since(now), most], claimed)?;
    for Claimed { outgoing, .. } in &claimed {
        let lease = "UPDATE notice SET lease = ?1, leased = ?2 WHERE id = ?3";
        conn.execute(lease, params![holder.0, until, outgoing.id])?;
    }
    Ok(claimed)
}

fn claimed(row: &Row<'_>) -> sql::Result<Claimed> {
    let to = match row.parsed(1)? {
        NoticeChannel::Mail => Destination::Mail(row.parsed(2)?),
        NoticeChannel::Webhook => Destination::Webhook(row.text(2)?.to_owned()),
    };
    let outgoing = Outgoing { id: NoticeId(row.bytes(0)?), to, facts: row.json(3)? };
    Ok(Claimed { outgoing, attempts: row.number(4)? })
}

const KEEP: &str = "UPDATE notice SET leased = ?1 WHERE id = ?2 AND lease = ?3";

fn settle(conn: Conn<'_>, (holder, id): (Holder, NoticeId), fate: &Fate, now: UnixTime) -> sql::Result<()> {
    let (state, due, sent, error) = match fate {
        Fate::Sent => (NoticeState::Sent, None, Some(now), None),
        Fate::Failed { why, next: Next::Retry { at } } => (NoticeState::Waiting, Some(*at), None, Some(why)),
        Fate::Failed { why, next: Next::GiveUp } => (NoticeState::Failed, None, None, Some(why)),
    };
    conn.execute(SETTLE, params![state.as_str(), due, sent, error, id, holder.0]).map(drop)
}

const SETTLE: &str =
    "UPDATE notice SET state = ?1, due = ?2, sent = ?3, error = ?4, attempts = attempts + 1, lease = NULL, leased = NULL
    WHERE id = ?5 AND lease = ?6";

/// A part at a time: what is left goes with the next sweep.
const SWEEP: &str = "DELETE FROM notice WHERE id IN
    (SELECT id FROM notice WHERE created < ?1 AND due IS NULL ORDER BY created LIMIT 5000)";
