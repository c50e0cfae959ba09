//! The two transactions that issue. Both decide anew what the handler decided before it signed, with the same functions.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{AgentState, ClockStanding};
use gatepass_contract::wire::agent::{ClockReport, Facts};
use serde_json::json;

use super::agents::{EnrolOrder, Enrolled, Holding, RenewOrder, Renewed};
use super::ledger::Ledger;
use super::sql::{Conn, Result, params};
use super::{agents, apikeys, rows};
use crate::domain::Refusal;
use crate::domain::agent::{
    AgentRecord, CredentialRecord, Enrolment, NewCertificate, Renewal, RenewalCall, enrolment, renewal,
};
use crate::domain::apikey::KeyHolder;
use crate::domain::audit::{Action, Cause, Subject};

pub(super) fn enrol(ledger: &mut Ledger<'_>, cause: &Cause, order: EnrolOrder) -> Result<Enrolled> {
    let Some(by) = apikeys::holder(ledger.conn, order.api_key)? else {
        return refuse_enrolment(ledger, cause, Subject::None, Refusal::UnknownKey);
    };
    let known = agents::holding(ledger.conn, order.certificate.key.thumbprint())?;
    let pair = known.as_ref().map(|held| (&held.agent, &held.credential));
    match (enrolment((&by, order.secret_number), pair, cause.from, cause.at), known) {
        (Enrolment::Refused(why), known) => {
            let subject = known.map_or(Subject::ApiKey(by.key.id), |held| Subject::Agent(held.agent.id));
            refuse_enrolment(ledger, cause, subject, why)
        }
        (Enrolment::Again, Some(held)) => enrolled_again(ledger, cause, &order, held),
        (Enrolment::New | Enrolment::Again, _) => enrol_new(ledger, cause, order, &by),
    }
}

fn refuse_enrolment(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    subject: Subject,
    why: Refusal,
) -> Result<Enrolled> {
    ledger.refused(cause, Action::AgentEnrol, subject, why)?;
    Ok(Enrolled::Refused(why))
}

fn enrolled_again(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    order: &EnrolOrder,
    mut held: Holding,
) -> Result<Enrolled> {
    heard(&mut held.agent, cause, (&order.facts, order.clock, order.clock_standing));
    store_agent(ledger.conn, &held.agent)?;
    let detail = json!({ "generation": held.credential.generation, "again": true });
    ledger.done(cause, Action::AgentEnrol, Subject::Agent(held.agent.id), detail)?;
    Ok(Enrolled::Again(Box::new(held)))
}

fn enrol_new(ledger: &mut Ledger<'_>, cause: &Cause, order: EnrolOrder, by: &KeyHolder) -> Result<Enrolled> {
    let host = order.facts.machine;
    let agent = AgentRecord {
        id: order.agent,
        name: order.name,
        state: AgentState::Active,
        groups: by.groups.clone(),
        generation: 1,
        confirmed: 0,
        not_after: order.certificate.validity.until(),
        enrolled: cause.at,
        enrolled_with: by.key.id,
        last_seen: cause.at,
        from: cause.from,
        facts: order.facts,
        clock: order.clock,
        clock_standing: order.clock_standing,
        hooks: Vec::new(),
    };
    store_agent(ledger.conn, &agent)?;
    let credential = issue(ledger.conn, &agent, order.certificate, order.rekey_at)?;
    let enrolled = Some((agent.id, host));
    let used = apikeys::Use { key: by.key.id, secret_number: order.secret_number, enrolled };
    apikeys::note(ledger, cause, used)?;
    let detail = json!({
        "apiKey": by.key.id,
        "name": agent.name,
        "generation": 1,
        "key": credential.key.thumbprint(),
        "notAfter": agent.not_after,
    });
    ledger.done(cause, Action::AgentEnrol, Subject::Agent(agent.id), detail)?;
    Ok(Enrolled::New(Box::new(Holding { agent, credential })))
}

pub(super) fn renew(ledger: &mut Ledger<'_>, cause: &Cause, order: RenewOrder) -> Result<Renewed> {
    let Some(Holding { mut agent, credential: proof }) = agents::holding(ledger.conn, order.proof)? else {
        return refuse_renewal(ledger, cause, Subject::None, Refusal::UnknownProof);
    };
    let known = if order.key == order.proof {
        Some(proof.clone())
    } else {
        agents::credential(ledger.conn, order.key)?
    };
    let call = RenewalCall { agent: &agent, proof: &proof, known: known.as_ref(), facts: &order.facts };
    let decided = renewal(call, cause.at, order.grace);
    if let Renewal::Refused(why) = decided {
        return refuse_renewal(ledger, cause, Subject::Agent(agent.id), why);
    }
    agent.confirmed = agent.confirmed.max(proof.generation);
    heard(&mut agent, cause, (&order.facts, order.clock, order.clock_standing));
    match (decided, known, order.certificate) {
        (Renewal::Again, Some(known), _) => renewed_again(ledger, cause, agent, known),
        (Renewal::Next { late }, _, Some(certificate)) => next(ledger, cause, agent, certificate, late),
        (Renewal::Next { .. } | Renewal::Again | Renewal::Refused(_), ..) => Ok(Renewed::Unprepared),
    }
}

fn refuse_renewal(ledger: &mut Ledger<'_>, cause: &Cause, subject: Subject, why: Refusal) -> Result<Renewed> {
    ledger.refused(cause, Action::AgentRenew, subject, why)?;
    Ok(Renewed::Refused(why))
}

fn renewed_again(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    agent: AgentRecord,
    credential: CredentialRecord,
) -> Result<Renewed> {
    store_agent(ledger.conn, &agent)?;
    let detail = json!({ "generation": credential.generation });
    ledger.done(cause, Action::AgentRefresh, Subject::Agent(agent.id), detail)?;
    Ok(Renewed::Again(Box::new(Holding { agent, credential })))
}

fn next(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    mut agent: AgentRecord,
    (certificate, rekey_at): (NewCertificate, UnixTime),
    late: Option<UnixTime>,
) -> Result<Renewed> {
    agent.generation += 1;
    agent.not_after = certificate.validity.until();
    store_agent(ledger.conn, &agent)?;
    let credential = issue(ledger.conn, &agent, certificate, rekey_at)?;
    sweep(ledger.conn, &agent, cause.at)?;
    let detail = json!({
        "generation": agent.generation,
        "key": credential.key.thumbprint(),
        "notAfter": agent.not_after,
        "expiredSince": late,
    });
    ledger.done(cause, Action::AgentRenew, Subject::Agent(agent.id), detail)?;
    Ok(Renewed::New(Box::new(Holding { agent, credential })))
}

fn heard(agent: &mut AgentRecord, cause: &Cause, said: (&Facts, ClockReport, ClockStanding)) {
    let (facts, clock, standing) = said;
    (agent.last_seen, agent.from) = (cause.at, cause.from);
    (agent.clock, agent.clock_standing) = (clock, standing);
    agent.facts = facts.clone();
}

/// All of it, new or changed.
fn store_agent(conn: Conn<'_>, agent: &AgentRecord) -> Result<()> {
    let upsert = format!("INSERT INTO agent ({}) {UPSERT_AGENT}", rows::AGENT);
    conn.execute(
        &upsert,
        params![
            agent.id,
            agent.name.as_str(),
            agent.state.as_str(),
            rows::to_json(&agent.groups)?,
            rows::integer(agent.generation)?,
            rows::integer(agent.confirmed)?,
            agent.not_after,
            agent.enrolled,
            agent.enrolled_with,
            agent.last_seen,
            agent.from.to_string(),
            rows::to_json(&agent.facts)?,
            rows::to_json(&agent.clock)?,
            agent.clock_standing.as_str(),
            rows::to_json(&agent.hooks)?,
        ],
    )
    .map(drop)
}

const UPSERT_AGENT: &str = "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
    ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, confirmed = excluded.confirmed,
    not_after = excluded.not_after, last_seen = excluded.last_seen, seen_from = excluded.seen_from,
    facts = excluded.facts, clock = excluded.clock, clock_standing = excluded.clock_standing";

/// Stores the agent's latest generation.
fn issue(
    conn: Conn<'_>,
    agent: &AgentRecord,
    certificate: NewCertificate,
    rekey_at: UnixTime,
) -> Result<CredentialRecord> {
    let (key, validity, chain) = (certificate.key, certificate.validity, certificate.chain);
    conn.execute(
        INSERT_CREDENTIAL,
        params![
            key.thumbprint(),
            agent.id,
            rows::integer(agent.generation)?,
            key.spki(),
            chain[0].as_ref(),
            certificate.issuer,
            validity.from(),
            validity.until(),
            rekey_at,
        ],
    )?;
    Ok(CredentialRecord { agent: agent.id, generation: agent.generation, key, chain, validity, rekey_at })
}

const INSERT_CREDENTIAL: &str =
    "INSERT INTO credential (thumbprint, agent, generation, spki, leaf, issuer, not_before, not_after, rekey_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Forgets generations that have ended and that nobody can still need: not the latest two, not the one in use. Those
/// between belong to answers that were lost, and whoever still waits for one is told to make a new key.
fn sweep(conn: Conn<'_>, agent: &AgentRecord, now: UnixTime) -> Result<()> {
    let delete = "DELETE FROM credential
        WHERE agent = ?1 AND generation < ?2 - 1 AND generation <> ?3 AND not_after <= ?4";
    let (latest, used) = (rows::integer(agent.generation)?, rows::integer(agent.confirmed)?);
    conn.execute(delete, params![agent.id, latest, used, now]).map(drop)
}
