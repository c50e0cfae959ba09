//! The outbox: notices are written in the transaction of the change they tell of, one row for each receiver.
//!
//! Invariants: a change that is committed has its notices, one that is not has none; who delivers a notice holds its lease,
//! and only the holder says what became of it.

mod ends;
mod list;
mod outbox;
#[cfg(test)]
mod tests;

use gatepass_contract::id::NoticeId;
use gatepass_contract::name::MailAddress;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, NoticeState, UserState};

use super::ledger::Ledger;
use super::sql::{self, Conn, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::notice::{About, Destination, Facts, Reader, Routing, first_told};
use crate::random;

pub use ends::Scanned;
pub use list::Resent;
pub use outbox::{Claimed, Fate, Holder};

impl Ledger<'_> {
    /// Tells of a change to everybody whom it concerns.
    pub(super) fn notify(&mut self, facts: &Facts) -> sql::Result<()> {
        let Some(routing) = routing(self.conn)? else { return Ok(()) };
        let conn = self.conn;
        let destinations = routing.destinations(facts.event, |reader| addresses(conn, reader, facts))?;
        for to in &destinations {
            insert(self.conn, to, facts)?;
        }
        Ok(())
    }

    /// Tells of an end in time: to be called whenever one is set or changed for something that is in use.
    pub(super) fn watch_end(&mut self, about: About, expires: Option<UnixTime>) -> sql::Result<()> {
        // Without a routing no master has run yet: the first one that does looks after every end there is.
        let advance = routing(self.conn)?.map(|routing| routing.advance.duration());
        let at = advance.and_then(|advance| first_told(expires, advance));
        match about {
            About::ApiKey(id) => self.conn.execute(KEY_DUE, params![at, id])?,
            About::Token(id) => self.conn.execute(TOKEN_DUE, params![at, id])?,
            About::Nothing => 0,
        };
        Ok(())
    }
}

const KEY_DUE: &str = "UPDATE api_key SET notify_at = ?1 WHERE id = ?2";
const TOKEN_DUE: &str = "UPDATE token SET notify_at = ?1 WHERE id = ?2";

/// Where the masters of a database keep whom to tell.
const ROUTING: &str = "notices";

fn routing(conn: Conn<'_>) -> sql::Result<Option<Routing>> {
    conn.one("SELECT value FROM setting WHERE name = ?1", params![ROUTING], |row| row.json(0))
}

/// The people's addresses; who has none, or is not active, is not told.
fn addresses(conn: Conn<'_>, reader: Reader, facts: &Facts) -> sql::Result<Vec<MailAddress>> {
    let (owner, requester) = (facts.owner.as_deref(), facts.requester.as_deref());
    match reader {
        Reader::Owner => address(conn, owner),
        Reader::Requester => address(conn, requester),
        Reader::Approvers => {
            let words = format!("%\"{}\"%", Capability::KeyApprove);
            let (owner, requester) = (owner.unwrap_or_default(), requester.unwrap_or_default());
            conn.query(APPROVERS, params![UserState::Active.as_str(), words, owner, requester], |row| {
                row.parsed(0)
            })
        }
        Reader::Provider => Ok(Vec::new()),
    }
}

const APPROVERS: &str =
    "SELECT email FROM account WHERE state = ?1 AND email IS NOT NULL AND lower(capabilities) LIKE lower(?2)
    AND name <> ?3 AND name <> ?4 ORDER BY name";

fn address(conn: Conn<'_>, user: Option<&str>) -> sql::Result<Vec<MailAddress>> {
    let Some(user) = user else { return Ok(Vec::new()) };
    let select = "SELECT email FROM account WHERE name = ?1 AND state = ?2 AND email IS NOT NULL";
    conn.query(select, params![user, UserState::Active.as_str()], |row| row.parsed(0))
}

/// One row of the outbox, due at once.
fn insert(conn: Conn<'_>, to: &Destination, facts: &Facts) -> sql::Result<NoticeId> {
    let id = random::notice_id();
    conn.execute(
        INSERT,
        params![
            id,
            facts.event.as_str(),
            facts.event.severity().as_str(),
            facts.about.to_string(),
            to.channel().as_str(),
            to.as_str(),
            rows::to_json(facts)?,
            NoticeState::Waiting.as_str(),
            facts.at,
        ],
    )?;
    Ok(id)
}

const INSERT: &str =
    "INSERT INTO notice (id, event, severity, about, channel, recipient, facts, state, attempts, created, due)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9)";

impl Store {
    /// Whom to tell from now on, for all masters of this database. Ends that nobody was told of yet move with `advance`.
    pub async fn route_notices(&self, routing: Routing, now: UnixTime) -> Result<(), StoreError> {
        let former = self.read(self::routing).await?;
        if former.as_ref() == Some(&routing) {
            return Ok(());
        }
        let moved = former.as_ref().map(|former| former.advance) != Some(routing.advance);
        let from = former.map(|former| former.advance.duration());
        if moved {
            self.move_ends((from, routing.advance.duration()), now).await?;
        }
        self.write(writer::NOTICES, move |ledger| {
            let value = rows::to_json(&routing)?;
            ledger.conn.execute(ROUTE, params![ROUTING, value]).map(drop)
        })
        .await
    }
}

const ROUTE: &str = "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
