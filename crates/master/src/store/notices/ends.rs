//! Ends of keys and tokens: found by an index on when they are to be told of, a few hundred in each transaction.

use std::time::Duration;

use gatepass_contract::id::{KeyId, TokenId};
use gatepass_contract::time::{UnixTime, as_millis};
use gatepass_contract::wire::admin::KeyState;

use super::{KEY_DUE, TOKEN_DUE};
use crate::domain::notice::{About, EndNotice, Facts, NoticeEvent, due};
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Row, params};
use crate::store::{Store, StoreError, writer};

/// What one step of a scan came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// So many were due; none: the scan is over.
    pub due: usize,
    /// Of so many somebody may be told.
    pub told: usize,
}

/// In one transaction, so that others get their turn.
const AT_ONCE: u32 = 200;
/// Moved in one transaction; there is nothing to write but a number.
const MOVED_AT_ONCE: u32 = 5000;
/// Until what cannot end yet, because it is not in use, is looked at again.
const LATER: Duration = Duration::from_hours(24);

impl Store {
    /// Tells of some of the ends that are to be told of at `now`, `advance` before they come and when they have.
    pub async fn tell_of_ends(&self, advance: Duration, now: UnixTime) -> Result<Scanned, StoreError> {
        self.write(writer::ENDS, move |ledger| {
            let mut scanned = Scanned::default();
            for end in ledger.conn.query(KEYS, params![now, AT_ONCE], key)? {
                tell(ledger, &end, advance, now, &mut scanned)?;
            }
            for end in ledger.conn.query(TOKENS, params![now, AT_ONCE], token)? {
                tell(ledger, &end, advance, now, &mut scanned)?;
            }
            Ok(scanned)
        })
        .await
    }

    /// Moves what nobody was told of yet, from one advance to another. From none: every end of what is in use begins to
    /// be watched.
    pub(super) async fn move_ends(
        &self,
        (from, to): (Option<Duration>, Duration),
        now: UnixTime,
    ) -> Result<(), StoreError> {
        for (batch, moved) in [(KEY_BATCH, MOVE_KEYS), (TOKEN_BATCH, MOVE_TOKENS)] {
            let mut after = Vec::new();
            while let Some(last) = self.move_batch((batch, moved), after, (from, to), now).await? {
                after = last;
            }
        }
        Ok(())
    }

    async fn move_batch(
        &self,
        (batch, moved): (&'static str, &'static str),
        after: Vec<u8>,
        (from, to): (Option<Duration>, Duration),
        now: UnixTime,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.write(writer::ENDS, move |ledger| {
            let ids =
                ledger.conn.query(batch, params![after, MOVED_AT_ONCE], |row| Ok(row.blob(0)?.to_vec()))?;
            let Some(last) = ids.last() else { return Ok(None) };
            let from = from.map(as_millis);
            ledger.conn.execute(moved, params![as_millis(to), after, last, from, now])?;
            Ok(Some(last.clone()))
        })
        .await
    }
}

/// Something that ends, or will.
struct End {
    facts: Facts,
    /// Whether it is in use, might come to be, or never will be again.
    use_of_it: Use,
}

enum Use {
    Present,
    Possible,
    Over,
}

const KEYS: &str =
    "SELECT id, name, owner, expires, state FROM api_key WHERE notify_at IS NOT NULL AND notify_at <= ?1
    ORDER BY notify_at LIMIT ?2";

const TOKENS: &str =
    "SELECT id, name, account, expires, kind FROM token WHERE notify_at IS NOT NULL AND notify_at <= ?1
    ORDER BY notify_at LIMIT ?2";

fn key(row: &Row<'_>) -> sql::Result<End> {
    let use_of_it = match row.parsed(4)? {
        KeyState::Active | KeyState::Suspended => Use::Present,
        KeyState::Pending => Use::Possible,
        KeyState::Revoked | KeyState::Rejected | KeyState::Deleted => Use::Over,
    };
    Ok(End { facts: facts(row, About::ApiKey(KeyId(row.bytes(0)?)))?, use_of_it })
}

fn token(row: &Row<'_>) -> sql::Result<End> {
    // Nobody is told that they have been signed out.
    let use_of_it = if row.text(4)? == "session" { Use::Over } else { Use::Present };
    Ok(End { facts: facts(row, About::Token(TokenId(row.bytes(0)?)))?, use_of_it })
}

/// What they have in common; event and instant come later.
fn facts(row: &Row<'_>, about: About) -> sql::Result<Facts> {
    Ok(Facts {
        owner: Some(row.text(2)?.to_owned()),
        expires: row.opt_instant(3)?,
        ..Facts::new(NoticeEvent::Test, UnixTime(0), about, row.text(1)?)
    })
}

fn tell(
    ledger: &mut Ledger<'_>,
    end: &End,
    advance: Duration,
    now: UnixTime,
    scanned: &mut Scanned,
) -> sql::Result<()> {
    let notice = match end.use_of_it {
        Use::Present => due(end.facts.expires, advance, now),
        Use::Possible => EndNotice { told: None, next: Some(now + LATER) },
        Use::Over => EndNotice { told: None, next: None },
    };
    match end.facts.about {
        About::ApiKey(id) => ledger.conn.execute(KEY_DUE, params![notice.next, id])?,
        About::Token(id) => ledger.conn.execute(TOKEN_DUE, params![notice.next, id])?,
        About::Nothing => 0,
    };
    scanned.due += 1;
    if let Some(ending) = notice.told {
        scanned.told += 1;
        ledger.notify(&Facts { event: ending.of(end.facts.about), at: now, ..end.facts.clone() })?;
    }
    Ok(())
}

const KEY_BATCH: &str = "SELECT id FROM api_key WHERE id > ?1 ORDER BY id LIMIT ?2";
const TOKEN_BATCH: &str = "SELECT id FROM token WHERE id > ?1 ORDER BY id LIMIT ?2";

/// What ended before anybody was to be told stays untold.
const MOVE_KEYS: &str =
    "UPDATE api_key SET notify_at = expires - ?1 WHERE id > ?2 AND id <= ?3 AND expires IS NOT NULL
    AND ((CAST(?4 AS BIGINT) IS NULL AND notify_at IS NULL AND expires > ?5 AND state IN ('active', 'suspended'))
        OR notify_at = expires - CAST(?4 AS BIGINT))";

const MOVE_TOKENS: &str =
    "UPDATE token SET notify_at = expires - ?1 WHERE id > ?2 AND id <= ?3 AND expires IS NOT NULL
    AND ((CAST(?4 AS BIGINT) IS NULL AND notify_at IS NULL AND expires > ?5 AND kind <> 'session')
        OR notify_at = expires - CAST(?4 AS BIGINT))";
