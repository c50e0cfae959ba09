//! API keys in the database: rows to records and back.
//!
//! The column `expires` holds the last instant there is for a key that never ends, so that an index has all of them in
//! order. Invariant: `api_key_team` names the groups of a key that have not been deleted, and nothing else.

mod approvals;
mod create;
mod delete;
mod list;
mod once;
mod rotation;
mod summary;
#[cfg(test)]
pub(super) mod tests;
mod usage;
mod write;

use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::name::{GroupName, RoleName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, Expiry, KeyKind, LastUse, UserState};

use super::sql::{self, Conn, Row, params};
use super::{Store, StoreError, rows};
use crate::domain::apikey::{ApiKeyRecord, GivenRole, KeyHolder, NewApiKey, OwnerStanding, Rotation};

pub use approvals::ApprovalListing;
pub use create::CreateOrder;
pub use delete::{Deleted, InTheWay};
pub use list::{Listing, Place};
pub use once::{OnceKey, OnceOrder};
pub use summary::Summary;
pub use usage::Usage;
pub(super) use usage::{Noted, Use, note};
pub use write::{ChangeOrder, Shown, Written};

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved<T, E> {
    /// What it was done to, as it is now.
    Done(T),
    /// Its state does not allow it.
    Illegal(E),
    /// There is no such thing.
    Unknown,
}

impl Store {
    /// The key with that id, deleted or not.
    pub async fn api_key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.read(move |conn| select(conn, id)).await
    }

    /// The key with that id, and all that decides whom it lets in.
    pub async fn bearer_key(&self, id: KeyId) -> Result<Option<KeyHolder>, StoreError> {
        self.read(move |conn| holder(conn, id)).await
    }
}

const COLUMNS: &str =
    "k.id, k.secret, k.kind, k.name, k.description, k.owner, k.groups, k.capabilities, k.expires, k.networks, k.uses,
    k.state, k.created, k.used, k.last_used_at, k.last_used_from, k.last_used_agent, k.creator, k.roles, k.enabled,
    k.version, k.secret_number, k.next_secret, k.rotation, k.rotated_at, k.rotate_by";
/// The first column behind those.
const BEHIND: usize = 26;

fn read(row: &Row<'_>) -> sql::Result<ApiKeyRecord> {
    Ok(ApiKeyRecord {
        id: row.bytes(0).map(KeyId)?,
        secret: row.digest(1)?,
        secret_number: row.number(21)?,
        rotation: rotation(row)?,
        key: NewApiKey {
            kind: row.parsed(2)?,
            name: row.parsed(3)?,
            description: row.text(4)?.to_owned(),
            owner: row.parsed(5)?,
            creator: row.parsed(17)?,
            groups: row.json(6)?,
            capabilities: row.json(7)?,
            roles: row.json(18)?,
            expires: expiry(row.instant(8)?),
            networks: row.json(9)?,
            uses: row.opt_number(10)?,
        },
        enabled: row.flag(19)?,
        state: row.parsed(11)?,
        created: row.instant(12)?,
        used: row.number(13)?,
        last_used: last_use(row)?,
        version: row.number(20)?,
    })
}

fn last_use(row: &Row<'_>) -> sql::Result<Option<LastUse>> {
    let Some(at) = row.opt_instant(14)? else { return Ok(None) };
    Ok(Some(LastUse { at, from: row.parsed(15)?, agent: row.opt_bytes(16)?.map(AgentId) }))
}

fn rotation(row: &Row<'_>) -> sql::Result<Option<Rotation>> {
    let Some(state) = row.opt_parsed(23)? else { return Ok(None) };
    Ok(Some(Rotation { state, next: row.digest(22)?, started: row.instant(24)?, deadline: row.instant(25)? }))
}

const NEVER: UnixTime = UnixTime(i64::MAX);

fn expiry(end: UnixTime) -> Expiry {
    if end == NEVER { Expiry::Never } else { Expiry::At(end) }
}

const fn end(expires: Expiry) -> UnixTime {
    match expires {
        Expiry::At(at) => at,
        Expiry::Never => NEVER,
    }
}

fn select(conn: Conn<'_>, id: KeyId) -> sql::Result<Option<ApiKeyRecord>> {
    conn.one(&format!("SELECT {COLUMNS} FROM api_key k WHERE k.id = ?1"), params![id], read)
}

/// The key with whose it is. Roles and groups are asked for only where there are any: most keys cost one query.
pub(super) fn holder(conn: Conn<'_>, id: KeyId) -> sql::Result<Option<KeyHolder>> {
    let found = conn.one(
        &format!(
            "SELECT {COLUMNS}, a.state, a.capabilities FROM api_key k LEFT JOIN account a ON a.name = k.owner
            WHERE k.id = ?1"
        ),
        params![id],
        |row| Ok((read(row)?, standing(row)?)),
    )?;
    let Some((key, owner)) = found else { return Ok(None) };
    let of_roles = roles(conn, &key.key.roles)?.into_iter().flat_map(|role| role.capabilities).collect();
    let groups = match key.key.kind {
        KeyKind::Service => groups(conn, id)?,
        KeyKind::Personal => key.key.groups.clone(),
    };
    Ok(Some(KeyHolder { key, owner, of_roles, groups }))
}

/// Whoever is not there may nothing.
fn standing(row: &Row<'_>) -> sql::Result<OwnerStanding> {
    let state = row.opt_parsed(BEHIND)?.unwrap_or(UserState::Deleted);
    Ok(OwnerStanding { state, capabilities: row.opt_json(BEHIND + 1)?.unwrap_or_default() })
}

fn groups(conn: Conn<'_>, id: KeyId) -> sql::Result<Vec<GroupName>> {
    let all = "SELECT team FROM api_key_team WHERE api_key = ?1 ORDER BY team";
    conn.query(all, params![id], |row| row.parsed(0))
}

/// Those of the roles that exist.
fn roles(conn: Conn<'_>, names: &[RoleName]) -> sql::Result<Vec<GivenRole>> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let one = "SELECT capabilities FROM role WHERE name = ?1";
        let capabilities: Option<Vec<Capability>> =
            conn.one(one, params![name.as_str()], |row| row.json(0))?;
        found.extend(capabilities.map(|capabilities| GivenRole { name: name.clone(), capabilities }));
    }
    Ok(found)
}

fn owner(conn: Conn<'_>, name: &UserName) -> sql::Result<Option<OwnerStanding>> {
    let one = "SELECT state, capabilities FROM account WHERE name = ?1";
    conn.one(one, params![name.as_str()], |row| {
        Ok(OwnerStanding { state: row.parsed(0)?, capabilities: row.json(1)? })
    })
}

pub(super) fn insert(conn: Conn<'_>, record: &ApiKeyRecord) -> sql::Result<()> {
    let key = &record.key;
    conn.execute(
        INSERT,
        params![
            record.id,
            record.secret,
            key.kind.as_str(),
            key.name.as_str(),
            key.description,
            key.owner.as_str(),
            rows::to_json(&key.groups)?,
            rows::to_json(&key.capabilities)?,
            end(key.expires),
            rows::to_json(&key.networks)?,
            key.uses,
            record.state.as_str(),
            record.created,
            record.used,
            key.creator.as_str(),
            rows::to_json(&key.roles)?,
            record.enabled,
            rows::integer(record.version)?,
            record.secret_number,
        ],
    )?;
    for group in &key.groups {
        let insert = "INSERT INTO api_key_team (team, api_key) VALUES (?1, ?2)";
        conn.execute(insert, params![group.as_str(), record.id])?;
    }
    Ok(())
}

const INSERT: &str =
    "INSERT INTO api_key (id, secret, kind, name, description, owner, groups, capabilities, expires,
    networks, uses, state, created, used, creator, roles, enabled, version, secret_number)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";

/// Writes all that people can change. Uses are noted elsewhere, and not overwritten here.
fn update(conn: Conn<'_>, record: &ApiKeyRecord) -> sql::Result<()> {
    let (key, rotation) = (&record.key, record.rotation.as_ref());
    conn.execute(
        UPDATE,
        params![
            record.id,
            record.secret,
            key.name.as_str(),
            key.description,
            end(key.expires),
            rows::to_json(&key.networks)?,
            key.uses,
            record.state.as_str(),
            record.enabled,
            rows::integer(record.version)?,
            record.secret_number,
            rotation.map(|rotation| rotation.next),
            rotation.map(|rotation| rotation.state.as_str()),
            rotation.map(|rotation| rotation.started),
            rotation.map(|rotation| rotation.deadline),
        ],
    )
    .map(drop)
}

const UPDATE: &str = "UPDATE api_key SET secret = ?2, name = ?3, description = ?4, expires = ?5, networks = ?6, uses = ?7,
    state = ?8, enabled = ?9, version = ?10, secret_number = ?11, next_secret = ?12, rotation = ?13, rotated_at = ?14,
    rotate_by = ?15 WHERE id = ?1";

/// A deleted group is nobody's any more.
pub(super) fn forget_group(conn: Conn<'_>, group: &GroupName) -> sql::Result<()> {
    conn.execute("DELETE FROM api_key_team WHERE team = ?1", params![group.as_str()]).map(drop)
}
