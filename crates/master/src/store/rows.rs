//! Rows to values and back. What does not parse was not written by this program: it is refused, never guessed at.

use std::error::Error;
use std::str::FromStr;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, KeyId, RequestId};
use gatepass_contract::pki::{KeyKind, PublicKey, Thumbprint};
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::wire::admin::{Expiry, LastUse};
use rusqlite::types::Type;
use rusqlite::{Error as SqlError, Result, Row};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::agent::{AgentRecord, CredentialRecord};
use crate::domain::apikey::{ApiKeyRecord, NewApiKey};
use crate::domain::signing::{AnchorRecord, Sealed, SigningKeyRecord};

fn bad(column: usize, kind: Type, error: impl Into<Box<dyn Error + Send + Sync>>) -> SqlError {
    SqlError::FromSqlConversionFailure(column, kind, error.into())
}

/// A word or address from its text.
pub(super) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|error| bad(column, Type::Text, error))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| bad(column, Type::Text, error))
}

/// As text in JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| SqlError::ToSqlConversionFailure(error.into()))
}

fn instant(row: &Row<'_>, column: usize) -> Result<UnixTime> {
    row.get(column).map(UnixTime)
}

/// A counter; the database has signed integers only.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| bad(column, Type::Integer, error))
}

/// A counter for the database.
pub(super) fn integer(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| SqlError::ToSqlConversionFailure(error.into()))
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Sha256> {
    row.get(column).map(Sha256)
}

pub(super) fn request_id(row: &Row<'_>, column: usize) -> Result<RequestId> {
    row.get(column).map(RequestId)
}

pub(super) fn agent_id(row: &Row<'_>, column: usize) -> Result<AgentId> {
    row.get(column).map(AgentId)
}

fn certificate(row: &Row<'_>, column: usize) -> Result<CertificateDer<'static>> {
    row.get::<_, Vec<u8>>(column).map(CertificateDer::from)
}

/// The instant of an expiry; `None` stands for never.
pub(super) const fn end(expires: Expiry) -> Option<i64> {
    match expires {
        Expiry::At(at) => Some(at.0),
        Expiry::Never => None,
    }
}

pub(super) const API_KEY: &str =
    "id, secret, kind, name, description, owner, groups, capabilities, expires, networks, uses,
    state, created, used, last_used_at, last_used_from, last_used_agent";

pub(super) fn api_key(row: &Row<'_>) -> Result<ApiKeyRecord> {
    let expires: Option<i64> = row.get(8)?;
    Ok(ApiKeyRecord {
        id: row.get(0).map(KeyId)?,
        secret: digest(row, 1)?,
        key: NewApiKey {
            kind: parsed(row, 2)?,
            name: parsed(row, 3)?,
            description: row.get(4)?,
            owner: parsed(row, 5)?,
            groups: json(row, 6)?,
            capabilities: json(row, 7)?,
            expires: expires.map_or(Expiry::Never, |at| Expiry::At(UnixTime(at))),
            networks: json(row, 9)?,
            uses: row.get(10)?,
        },
        state: parsed(row, 11)?,
        created: instant(row, 12)?,
        used: row.get(13)?,
        last_used: last_use(row)?,
    })
}

fn last_use(row: &Row<'_>) -> Result<Option<LastUse>> {
    let Some(at) = row.get(14)? else { return Ok(None) };
    let agent: Option<[u8; 16]> = row.get(16)?;
    Ok(Some(LastUse { at: UnixTime(at), from: parsed(row, 15)?, agent: agent.map(AgentId) }))
}

pub(super) const AGENT: &str =
    "id, name, state, groups, generation, confirmed, not_after, enrolled, enrolled_with, last_seen,
    seen_from, facts, clock, clock_standing, hooks";

pub(super) fn agent(row: &Row<'_>) -> Result<AgentRecord> {
    Ok(AgentRecord {
        id: agent_id(row, 0)?,
        name: parsed(row, 1)?,
        state: parsed(row, 2)?,
        groups: json(row, 3)?,
        generation: unsigned(row, 4)?,
        confirmed: unsigned(row, 5)?,
        not_after: instant(row, 6)?,
        enrolled: instant(row, 7)?,
        enrolled_with: row.get(8).map(KeyId)?,
        last_seen: instant(row, 9)?,
        from: parsed(row, 10)?,
        facts: json(row, 11)?,
        clock: json(row, 12)?,
        clock_standing: parsed(row, 13)?,
        hooks: json(row, 14)?,
    })
}

pub(super) const CREDENTIAL: &str =
    "c.agent, c.generation, c.spki, c.leaf, k.public, c.not_before, c.not_after, c.rekey_at
    FROM credential c JOIN signing_key k ON k.id = c.issuer";

pub(super) fn credential(row: &Row<'_>) -> Result<CredentialRecord> {
    let spki = row.get_ref(2)?.as_blob()?;
    let validity = Validity::new(instant(row, 5)?, instant(row, 6)?);
    Ok(CredentialRecord {
        agent: agent_id(row, 0)?,
        generation: unsigned(row, 1)?,
        key: PublicKey::from_spki(spki).map_err(|error| bad(2, Type::Blob, error))?,
        chain: [certificate(row, 3)?, certificate(row, 4)?],
        validity: validity.ok_or_else(|| bad(6, Type::Integer, "it ends before it begins"))?,
        rekey_at: instant(row, 7)?,
    })
}

pub(super) const SIGNING_KEY: &str = "id, purpose, slot, kind, public, sealed, created";

pub(super) fn signing_key(row: &Row<'_>) -> Result<SigningKeyRecord> {
    Ok(SigningKeyRecord {
        id: row.get(0).map(Thumbprint)?,
        purpose: parsed(row, 1)?,
        slot: parsed(row, 2)?,
        kind: json::<KeyKind>(row, 3)?,
        public: row.get(4)?,
        sealed: row.get(5).map(Sealed::from_bytes)?,
        created: instant(row, 6)?,
    })
}

pub(super) fn anchor(row: &Row<'_>) -> Result<AnchorRecord> {
    Ok(AnchorRecord {
        id: row.get(0).map(Thumbprint)?,
        certificate: certificate(row, 1)?,
        created: instant(row, 2)?,
    })
}
