//! Rows to values and back.

use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::pki::{KeyKind, PublicKey, Thumbprint};
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::wire::admin::Expiry;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use super::sql::{Result, Row, SqlError};
use crate::domain::agent::{AgentRecord, CredentialRecord};
use crate::domain::signing::{AnchorRecord, Sealed, SigningKeyRecord};

/// As text in JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| SqlError::Value(error.into()))
}

/// A counter for the database, which has signed integers only.
pub(super) fn integer(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| SqlError::Value(error.into()))
}

/// The instant of an expiry; `None` stands for never.
pub(super) const fn end(expires: Expiry) -> Option<UnixTime> {
    match expires {
        Expiry::At(at) => Some(at),
        Expiry::Never => None,
    }
}

fn certificate(row: &Row<'_>, column: usize) -> Result<CertificateDer<'static>> {
    row.blob(column).map(|der| CertificateDer::from(der.to_vec()))
}

pub(super) const AGENT: &str =
    "id, name, state, groups, generation, confirmed, not_after, enrolled, enrolled_with, last_seen,
    seen_from, facts, clock, clock_standing, hooks";

pub(super) fn agent(row: &Row<'_>) -> Result<AgentRecord> {
    Ok(AgentRecord {
        id: row.bytes(0).map(AgentId)?,
        name: row.parsed(1)?,
        state: row.parsed(2)?,
        groups: row.json(3)?,
        generation: row.number(4)?,
        confirmed: row.number(5)?,
        not_after: row.instant(6)?,
        enrolled: row.instant(7)?,
        enrolled_with: row.bytes(8).map(KeyId)?,
        last_seen: row.instant(9)?,
        from: row.parsed(10)?,
        facts: row.json(11)?,
        clock: row.json(12)?,
        clock_standing: row.parsed(13)?,
        hooks: row.json(14)?,
    })
}

pub(super) const CREDENTIAL: &str =
    "c.agent, c.generation, c.spki, c.leaf, k.public, c.not_before, c.not_after, c.rekey_at
    FROM credential c JOIN signing_key k ON k.id = c.issuer";

pub(super) fn credential(row: &Row<'_>) -> Result<CredentialRecord> {
    let validity = Validity::new(row.instant(5)?, row.instant(6)?);
    Ok(CredentialRecord {
        agent: row.bytes(0).map(AgentId)?,
        generation: row.number(1)?,
        key: Row::checked(2, PublicKey::from_spki(row.blob(2)?))?,
        chain: [certificate(row, 3)?, certificate(row, 4)?],
        validity: Row::checked(6, validity.ok_or("it ends before it begins"))?,
        rekey_at: row.instant(7)?,
    })
}

pub(super) const SIGNING_KEY: &str = "id, purpose, slot, kind, public, sealed, created";

pub(super) fn signing_key(row: &Row<'_>) -> Result<SigningKeyRecord> {
    Ok(SigningKeyRecord {
        id: row.bytes(0).map(Thumbprint)?,
        purpose: row.parsed(1)?,
        slot: row.parsed(2)?,
        kind: row.json::<KeyKind>(3)?,
        public: row.blob(4)?.to_vec(),
        sealed: Sealed::from_bytes(row.blob(5)?.to_vec()),
        created: row.instant(6)?,
    })
}

pub(super) fn anchor(row: &Row<'_>) -> Result<AnchorRecord> {
    Ok(AnchorRecord {
        id: row.bytes(0).map(Thumbprint)?,
        certificate: certificate(row, 1)?,
        created: row.instant(2)?,
    })
}
