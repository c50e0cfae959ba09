//! Who uses a key: noted to the minute, cheap enough to be noted always.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{CallerView, EnrolledAgent};

use super::{rotation, select, write};
use crate::domain::apikey::KeyHolder;
use crate::domain::audit::Cause;
use crate::store::apikeys::Shown;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, Row, params};
use crate::store::{Store, StoreError, writer};

/// A caller that was not seen for longer is none any more.
pub(super) const MATTERS: Duration = Duration::from_hours(30 * 24);
/// Nobody reads more; it fits into a reply.
const MOST: u32 = 500;

/// Who used a key, and what it brought forth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The key.
    pub key: Shown,
    /// Since when uses are listed.
    pub since: UnixTime,
    /// Most recent first.
    pub callers: Vec<CallerView>,
    /// Those it enrolled that are active.
    pub agents: Vec<EnrolledAgent>,
    /// How many those are in all.
    pub agents_in_all: u64,
}

/// One use of a key.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Use {
    /// Of which.
    pub(in crate::store) key: KeyId,
    /// With its secret of that number.
    pub(in crate::store) secret_number: u32,
    /// The agent that was enrolled, and the fingerprint of its host.
    pub(in crate::store) enrolled: Option<(AgentId, Option<Sha256>)>,
}

/// Which uses this master has noted in the present minute. Bounded: when it is full, some are noted twice.
#[derive(Default)]
pub(in crate::store) struct Noted(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    begin: Option<UnixTime>,
    uses: HashSet<(KeyId, IpAddr, u32)>,
}

const MOST_NOTED: usize = 4096;

impl Noted {
    fn is_known(&self, minute: UnixTime, this: &(KeyId, IpAddr, u32)) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.begin == Some(minute) && noted.uses.contains(this)
    }

    fn keep(&self, minute: UnixTime, this: (KeyId, IpAddr, u32)) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.begin != Some(minute) || noted.uses.len() >= MOST_NOTED {
            *noted = Minute { begin: Some(minute), uses: HashSet::new() };
        }
        noted.uses.insert(this);
    }
}

impl Store {
    /// Notes that a key was used for something else than an enrolment. Most of the time there is nothing to write, and
    /// nobody waits for it when there is.
    pub fn note_use(&self, holder: &KeyHolder, secret_number: u32, cause: Cause) -> Result<(), StoreError> {
        let (minute, this) = (to_the_minute(cause.at), (holder.key.id, cause.from, secret_number));
        if self.noted.is_known(minute, &this) {
            return Ok(());
        }
        let used = Use { key: holder.key.id, secret_number, enrolled: None };
        let (job, _answer) =
            writer::Job::new(writer::KEY_USE, move |ledger: &mut Ledger<'_>| note(ledger, &cause, used));
        self.writer.submit(job)?;
        self.noted.keep(minute, this);
        Ok(())
    }

    /// Who used a key in the last 30 days.
    pub async fn api_key_usage(&self, id: KeyId, now: UnixTime) -> Result<Option<Usage>, StoreError> {
        self.scan(move |conn| usage(conn, id, now)).await
    }
}

/// Notes one use, and what a rotation makes of it.
pub(in crate::store) fn note(ledger: &mut Ledger<'_>, cause: &Cause, used: Use) -> sql::Result<()> {
    let (at, from) = (to_the_minute(cause.at), cause.from.to_canonical().to_string());
    let agent = used.enrolled.map(|(agent, _)| agent);
    ledger.conn.execute(NOTE_USE, params![used.key, u32::from(agent.is_some()), at, from, agent])?;
    let host = used.enrolled.and_then(|(_, host)| host);
    let caller = host.map_or_else(|| from.clone(), |host| host.to_string());
    ledger.conn.execute(NOTE_CALLER, params![used.key, caller, from, agent, used.secret_number, at])?;
    // Asked before the whole key is read: nearly always nothing is under way.
    if !ledger.conn.exists(ROTATING, params![used.key])? {
        return Ok(());
    }
    select(ledger.conn, used.key)?
        .map_or(Ok(()), |key| rotation::seen(ledger, cause, key, used.secret_number))
}

const ROTATING: &str = "SELECT 1 FROM api_key WHERE id = ?1 AND rotation IS NOT NULL";

const NOTE_USE: &str = "UPDATE api_key
    SET used = used + ?2, last_used_at = ?3, last_used_from = ?4, last_used_agent = ?5 WHERE id = ?1";

const NOTE_CALLER: &str =
    "INSERT INTO api_key_caller (api_key, caller, origin, agent, secret_number, first, last)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
    ON CONFLICT (api_key, caller) DO UPDATE SET origin = excluded.origin, last = excluded.last,
    agent = coalesce(excluded.agent, api_key_caller.agent),
    secret_number = CASE WHEN excluded.secret_number > api_key_caller.secret_number
        THEN excluded.secret_number ELSE api_key_caller.secret_number END";

const fn to_the_minute(at: UnixTime) -> UnixTime {
    UnixTime(at.0 - at.0.rem_euclid(60_000))
}

fn usage(conn: Conn<'_>, id: KeyId, now: UnixTime) -> sql::Result<Option<Usage>> {
    let Some(key) = write::shown(conn, id, now)? else { return Ok(None) };
    let (since, newest) = (now - MATTERS, key.key.newest_secret());
    Ok(Some(Usage {
        callers: conn.query(CALLERS, params![id, since, MOST], |row| caller(row, newest))?,
        agents: conn.query(AGENTS, params![id, MOST], agent)?,
        agents_in_all: conn.one(COUNT_AGENTS, params![id], |row| row.number(0))?.unwrap_or(0),
        key,
        since,
    }))
}

const CALLERS: &str = "SELECT origin, agent, first, last, secret_number FROM api_key_caller
    WHERE api_key = ?1 AND last >= ?2 ORDER BY last DESC, caller LIMIT ?3";

fn caller(row: &Row<'_>, newest: u32) -> sql::Result<CallerView> {
    Ok(CallerView {
        from: row.parsed(0)?,
        agent: row.opt_bytes(1)?.map(AgentId),
        first: row.instant(2)?,
        last: row.instant(3)?,
        newest_secret: row.number::<u32>(4)? == newest,
    })
}

const AGENTS: &str = "SELECT id, name, state, last_seen, not_after FROM agent
    WHERE enrolled_with = ?1 AND state = 'active' LIMIT ?2";
const COUNT_AGENTS: &str = "SELECT count(*) FROM agent WHERE enrolled_with = ?1 AND state = 'active'";

fn agent(row: &Row<'_>) -> sql::Result<EnrolledAgent> {
    Ok(EnrolledAgent {
        id: row.bytes(0).map(AgentId)?,
        name: row.parsed(1)?,
        state: row.parsed(2)?,
        last_seen: row.instant(3)?,
        not_after: row.instant(4)?,
    })
}
