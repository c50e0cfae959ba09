//! Agents and their credentials in the database.

use std::time::Duration;

use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::name::DisplayName;
use gatepass_contract::pki::Thumbprint;
use gatepass_contract::time::{UnixTime, as_millis};
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{AgentState, ClockStanding};
use gatepass_contract::wire::agent::{ClockReport, Facts, HookResult};
use serde_json::json;

use super::apikeys::Moved;
use super::issuing;
use super::ledger::Ledger;
use super::sql::{self, Conn, Row, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::Refusal;
use crate::domain::agent::{self, AgentEvent, AgentRecord, CredentialRecord, IllegalMove, NewCertificate};
use crate::domain::audit::{Action, Cause, Event, Subject};

/// An agent with one of its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Whose.
    pub agent: AgentRecord,
    /// Which.
    pub credential: CredentialRecord,
}

/// An enrolment with everything verified and signed; the transaction decides whether it takes place.
#[derive(Debug, Clone)]
pub struct EnrolOrder {
    /// The key it comes with, whose secret was checked.
    pub api_key: KeyId,
    /// The number of that secret.
    pub secret_number: u32,
    /// Who the agent will be, if it is a new one.
    pub agent: AgentId,
    /// What it is to be called.
    pub name: DisplayName,
    /// What it says about its host.
    pub facts: Facts,
    /// What it says about its clock.
    pub clock: ClockReport,
    /// What that amounts to.
    pub clock_standing: ClockStanding,
    /// Its certificate.
    pub certificate: NewCertificate,
    /// When it is to make a new key.
    pub rekey_at: UnixTime,
}

/// What came of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// A new agent.
    New(Box<Holding>),
    /// The answer was lost: what was stored then.
    Again(Box<Holding>),
    /// Nothing; it is in the audit.
    Refused(Refusal),
}

/// A call for credentials, verified; `certificate` where the handler expects a next generation.
#[derive(Debug, Clone)]
pub struct RenewOrder {
    /// Thumbprint of the key that made the proof.
    pub proof: Thumbprint,
    /// Thumbprint of the key in the request.
    pub key: Thumbprint,
    /// What the host says about itself.
    pub facts: Facts,
    /// What it says about its clock.
    pub clock: ClockReport,
    /// What that amounts to.
    pub clock_standing: ClockStanding,
    /// For how long an ended credential still renews.
    pub grace: Duration,
    /// For the key in the request, and when that is to be replaced.
    pub certificate: Option<(NewCertificate, UnixTime)>,
}

/// What came of a call for credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The next generation.
    New(Box<Holding>),
    /// A generation issued before.
    Again(Box<Holding>),
    /// Nothing; it is in the audit.
    Refused(Refusal),
    /// A next generation is due, against what the handler expected, and it brought no certificate: to be tried again.
    Unprepared,
}

/// What an agent reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// Who.
    pub agent: AgentId,
    /// The generation whose key made the proof.
    pub generation: u64,
    /// What it says about its clock.
    pub clock: ClockReport,
    /// What that amounts to.
    pub clock_standing: ClockStanding,
    /// How its hooks went.
    pub hooks: Vec<HookResult>,
}

/// How many agents there are, by state and by how their clocks stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Each combination that occurs, once.
    pub agents: Vec<(AgentState, ClockStanding, u64)>,
}

impl Store {
    /// The agent with that id.
    pub async fn agent(&self, id: AgentId) -> Result<Option<AgentRecord>, StoreError> {
        self.read(move |conn| select(conn, id)).await
    }

    /// Agents behind `after`, in the order of their ids.
    pub async fn list_agents(
        &self,
        after: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        self.scan(move |conn| {
            let page = format!("SELECT {} FROM agent WHERE id > ?1 ORDER BY id LIMIT ?2", rows::AGENT);
            let after: &[u8] = after.as_ref().map_or(&[], |id| &id.0);
            conn.query(&page, params![after, limit], rows::agent)
        })
        .await
    }

    /// The credential whose key has that thumbprint, and whose it is.
    pub async fn credential(&self, key: Thumbprint) -> Result<Option<Holding>, StoreError> {
        self.read(move |conn| holding(conn, key)).await
    }

    /// Enrols an agent, or finds the one that was enrolled with this very request before.
    pub async fn enrol(&self, cause: Cause, order: EnrolOrder) -> Result<Enrolled, StoreError> {
        self.write(writer::ENROL, move |ledger| issuing::enrol(ledger, &cause, order)).await
    }

    /// Issues the next generation, or finds the one that was issued for this key before.
    pub async fn renew(&self, cause: Cause, order: RenewOrder) -> Result<Renewed, StoreError> {
        self.write(writer::RENEW, move |ledger| issuing::renew(ledger, &cause, order)).await
    }

    /// Notes what an agent says of itself. A heartbeat changes nothing that anybody did: it is not audited.
    pub async fn report(&self, cause: Cause, report: Report) -> Result<(), StoreError> {
        self.write(writer::REPORT, move |ledger| note_report(ledger.conn, &cause, &report)).await
    }

    /// Notes that a valid proof by that generation was seen; what came before it is dead.
    pub async fn confirm(&self, agent: AgentId, generation: u64) -> Result<(), StoreError> {
        self.write(writer::CONFIRM, move |ledger| confirm(ledger.conn, agent, generation)).await
    }

    /// Ends an agent at its own wish.
    pub async fn deregister(
        &self,
        cause: Cause,
        agent: AgentId,
    ) -> Result<Moved<AgentRecord, IllegalMove>, StoreError> {
        self.write(writer::DEREGISTER, move |ledger| shift(ledger, &cause, agent, AgentEvent::Deregister))
            .await
    }

    /// Cuts an agent off for good.
    pub async fn revoke_agent(
        &self,
        cause: Cause,
        agent: AgentId,
    ) -> Result<Moved<AgentRecord, IllegalMove>, StoreError> {
        self.write(writer::REVOKE, move |ledger| shift(ledger, &cause, agent, AgentEvent::Revoke)).await
    }

    /// How many active agents are to make a new key when, in steps of `width`: what the plan is restored from.
    pub async fn rekey_plan(
        &self,
        now: UnixTime,
        width: Duration,
    ) -> Result<Vec<(UnixTime, u32)>, StoreError> {
        let width = as_millis(width).max(1);
        self.scan(move |conn| {
            conn.query(PLAN, params![width, now], |row| Ok((row.instant(0)?, row.number(1)?)))
        })
        .await
    }

    /// How many agents there are; read from an index alone.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.scan(|conn| {
            let count = |row: &Row<'_>| Ok((row.parsed(0)?, row.parsed(1)?, row.number(2)?));
            Ok(Counts { agents: conn.query(COUNTS, &[], count)? })
        })
        .await
    }

    /// When the first of the certificates that are still good ends, of those that matter: the active agents' latest.
    pub async fn first_expiry(&self, now: UnixTime) -> Result<Option<UnixTime>, StoreError> {
        self.scan(move |conn| {
            let first = conn.one(FIRST_EXPIRY, params![now], |row| row.opt_instant(0))?;
            Ok(first.flatten())
        })
        .await
    }
}

const FIRST_EXPIRY: &str = "SELECT min(not_after) FROM agent WHERE state = 'active' AND not_after > ?1";

const PLAN: &str = "SELECT c.rekey_at / ?1 * ?1 AS slot, count(*)
    FROM agent a JOIN credential c ON c.agent = a.id AND c.generation = a.generation
    WHERE a.state = 'active' AND c.rekey_at >= ?2 GROUP BY slot";

const COUNTS: &str = "SELECT state, clock_standing, count(*) FROM agent GROUP BY state, clock_standing";

pub(super) fn select(conn: Conn<'_>, id: AgentId) -> sql::Result<Option<AgentRecord>> {
    let one = format!("SELECT {} FROM agent WHERE id = ?1", rows::AGENT);
    conn.one(&one, params![id], rows::agent)
}

pub(super) fn credential(conn: Conn<'_>, key: Thumbprint) -> sql::Result<Option<CredentialRecord>> {
    let one = format!("SELECT {} WHERE c.thumbprint = ?1", rows::CREDENTIAL);
    conn.one(&one, params![key], rows::credential)
}

pub(super) fn holding(conn: Conn<'_>, key: Thumbprint) -> sql::Result<Option<Holding>> {
    let Some(credential) = credential(conn, key)? else { return Ok(None) };
    Ok(select(conn, credential.agent)?.map(|agent| Holding { agent, credential }))
}

pub(super) fn confirm(conn: Conn<'_>, agent: AgentId, generation: u64) -> sql::Result<()> {
    let update = "UPDATE agent SET confirmed = ?2 WHERE id = ?1 AND confirmed < ?2";
    conn.execute(update, params![agent, rows::integer(generation)?]).map(drop)
}

fn note_report(conn: Conn<'_>, cause: &Cause, report: &Report) -> sql::Result<()> {
    confirm(conn, report.agent, report.generation)?;
    conn.execute(
        REPORT,
        params![
            report.agent,
            cause.at,
            cause.from.to_string(),
            rows::to_json(&report.clock)?,
            report.clock_standing.as_str(),
            rows::to_json(&report.hooks)?,
        ],
    )
    .map(drop)
}

const REPORT: &str =
    "UPDATE agent SET last_seen = ?2, seen_from = ?3, clock = ?4, clock_standing = ?5, hooks = ?6
    WHERE id = ?1 AND state = 'active'";

fn shift(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    id: AgentId,
    event: AgentEvent,
) -> sql::Result<Moved<AgentRecord, IllegalMove>> {
    let Some(mut record) = select(ledger.conn, id)? else { return Ok(Moved::Unknown) };
    let (action, subject) = (action(event), Subject::Agent(id));
    match agent::apply(record.state, event) {
        Ok(state) => {
            let detail = json!({ "from": record.state, "to": state });
            record.state = state;
            let update = "UPDATE agent SET state = ?2 WHERE id = ?1";
            ledger.conn.execute(update, params![id, state.as_str()])?;
            ledger.done(cause, action, subject, detail)?;
            Ok(Moved::Done(record))
        }
        Err(illegal) => {
            let (refused, detail) = (Some(Code::IllegalMove), json!({ "why": illegal.to_string() }));
            ledger.record(cause, &Event { action, subject, refused, detail })?;
            Ok(Moved::Illegal(illegal))
        }
    }
}

const fn action(event: AgentEvent) -> Action {
    match event {
        AgentEvent::Deregister => Action::AgentDeregister,
        AgentEvent::Revoke => Action::AgentRevoke,
    }
}
