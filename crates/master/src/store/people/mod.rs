//! Users, groups and roles in the database.
//!
//! Invariant: what an account holds in the end (`held_roles`, `capabilities`) is brought up to date in the transaction of
//! every change it depends on, so that whoever reads the account reads the truth.

mod groups;
mod passwords;
mod roles;
#[cfg(test)]
pub(super) mod tests;
mod users;

use gatepass_contract::name::{RoleName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, UserState};

use super::ledger::Ledger;
use super::sql::{self, Conn, Row, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::idempotency::Repeated;
use crate::domain::people::{self, BUILTIN, Directory, Giver, GroupRecord, RoleRecord, UserRecord};

pub(super) use passwords::of as password_of;
pub use passwords::{NewPassword, PasswordOf};
pub use users::NewUser;

/// What came of a change to people, groups, roles or tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled<T, E = people::Unacceptable> {
    /// It was made, now or when the same request came before.
    Done(T),
    /// A rule forbids it.
    Refused(E),
    /// Another one has the name.
    NameTaken,
    /// Something else still has it; what.
    InUse(String),
    /// There is no such thing.
    Unknown,
    /// It was changed meanwhile and has this version now.
    Outdated(u64),
    /// The idempotency key came with another request.
    Otherwise,
}

impl Store {
    /// All groups and roles.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        self.read(directory).await
    }

    /// Brings the built-in roles up to those of this program, and what everybody holds with them. Done at every start.
    pub async fn settle(&self, now: UnixTime) -> Result<(), StoreError> {
        self.write(writer::SETTLE, move |ledger| settle(ledger.conn, now)).await
    }
}

/// See [`Store::settle`].
pub(super) fn settle(conn: Conn<'_>, now: UnixTime) -> sql::Result<()> {
    for builtin in BUILTIN {
        let capabilities = rows::to_json(&builtin.capabilities)?;
        conn.execute(SETTLE_ROLE, params![builtin.name, builtin.description, capabilities, now])?;
    }
    recompute(conn, &directory(conn)?)
}

const SETTLE_ROLE: &str = "INSERT INTO role (name, description, capabilities, builtin, created, version)
    VALUES (?1, ?2, ?3, 1, ?4, 1)
    ON CONFLICT (name) DO UPDATE SET description = excluded.description, capabilities = excluded.capabilities,
        builtin = 1, version = role.version + 1
    WHERE role.description <> excluded.description OR role.capabilities <> excluded.capabilities
        OR role.builtin <> 1";

/// The first user, who holds the first API key.
pub(super) fn found(conn: Conn<'_>, now: UnixTime) -> sql::Result<()> {
    let first = UserRecord {
        name: people::administrator(),
        full_name: String::new(),
        email: None,
        state: UserState::Active,
        has_password: false,
        roles: vec![people::administrators()],
        groups: Vec::new(),
        held_roles: vec![people::administrators()],
        capabilities: Capability::ALL.to_vec(),
        created: now,
        last_sign_in: None,
        version: 1,
    };
    users::insert(conn, &first, None)?;
    settle(conn, now)
}

/// All groups and roles, as this transaction sees them.
pub(super) fn directory(conn: Conn<'_>) -> sql::Result<Directory> {
    let groups = format!("SELECT {GROUP} FROM team ORDER BY name");
    Ok(Directory { groups: conn.query(&groups, &[], group)?, roles: all_roles(conn)? })
}

/// All roles.
pub(super) fn all_roles(conn: Conn<'_>) -> sql::Result<Vec<RoleRecord>> {
    conn.query(&format!("SELECT {ROLE} FROM role ORDER BY name"), &[], role)
}

/// The user with that name, deleted or not.
pub(super) fn select_user(conn: Conn<'_>, name: &UserName) -> sql::Result<Option<UserRecord>> {
    let one = format!("SELECT {ACCOUNT} FROM account WHERE name = ?1");
    conn.one(&one, params![name.as_str()], user)
}

/// What `giver` may at this moment: their user may have lost something since they were let in.
pub(super) fn giver_now(conn: Conn<'_>, giver: &Giver) -> sql::Result<Giver> {
    let user = select_user(conn, &giver.user)?.filter(|user| user.state == UserState::Active);
    Ok(giver.clone().cut_to(&user.map(|user| user.capabilities).unwrap_or_default()))
}

/// Brings everybody's rights up to what groups and roles mean now.
fn recompute(conn: Conn<'_>, directory: &Directory) -> sql::Result<()> {
    let all = format!("SELECT {ACCOUNT} FROM account");
    for user in conn.query(&all, &[], user)? {
        let rights = directory.rights(&user.roles, &user.groups);
        if (&rights.roles, &rights.capabilities) != (&user.held_roles, &user.capabilities) {
            let (held, capabilities) = (rows::to_json(&rights.roles)?, rows::to_json(&rights.capabilities)?);
            let update = "UPDATE account SET held_roles = ?2, capabilities = ?3 WHERE name = ?1";
            conn.execute(update, params![user.name.as_str(), held, capabilities])?;
        }
    }
    Ok(())
}

/// Those who may do everything, and may do it now.
fn administrators(conn: Conn<'_>) -> sql::Result<Vec<UserRecord>> {
    let some =
        format!("SELECT {ACCOUNT} FROM account WHERE state = 'active' AND held_roles LIKE '%administrator%'");
    let some = conn.query(&some, &[], user)?;
    Ok(some.into_iter().filter(UserRecord::is_administrator).collect())
}

/// What stands behind `kind:` in a subject that was kept for a repeated request.
pub(super) fn named<'a>(before: &'a Repeated, kind: &str) -> Option<&'a str> {
    before.subject.strip_prefix(kind)?.strip_prefix(':')
}

/// Users and groups that have a role, in words; `None` for nobody.
fn holders(conn: Conn<'_>, role: &RoleName) -> sql::Result<Option<String>> {
    let users = format!("SELECT {ACCOUNT} FROM account WHERE roles <> '[]'");
    let has = |user: &UserRecord| user.roles.contains(role);
    if let Some(user) = conn.query(&users, &[], user)?.into_iter().find(has) {
        return Ok(Some(format!("the user {}", user.name)));
    }
    let groups = conn.query(&format!("SELECT {GROUP} FROM team"), &[], group)?;
    let holder = groups.into_iter().find(|group| group.roles.contains(role));
    Ok(holder.map(|group| format!("the group {}", group.name)))
}

const ACCOUNT: &str =
    "name, full_name, email, state, password, roles, teams, held_roles, capabilities, created,
    last_sign_in, version";

fn user(row: &Row<'_>) -> sql::Result<UserRecord> {
    Ok(UserRecord {
        name: row.parsed(0)?,
        full_name: row.text(1)?.to_owned(),
        email: row.opt_parsed(2)?,
        state: row.parsed(3)?,
        has_password: row.opt_text(4)?.is_some(),
        roles: row.json(5)?,
        groups: row.json(6)?,
        held_roles: row.json(7)?,
        capabilities: row.json(8)?,
        created: row.instant(9)?,
        last_sign_in: row.opt_instant(10)?,
        version: row.number(11)?,
    })
}

const GROUP: &str = "name, description, roles, created, version";

fn group(row: &Row<'_>) -> sql::Result<GroupRecord> {
    Ok(GroupRecord {
        name: row.parsed(0)?,
        description: row.text(1)?.to_owned(),
        roles: row.json(2)?,
        created: row.instant(3)?,
        version: row.number(4)?,
    })
}

const ROLE: &str = "name, description, capabilities, builtin, created, version";

fn role(row: &Row<'_>) -> sql::Result<RoleRecord> {
    Ok(RoleRecord {
        name: row.parsed(0)?,
        description: row.text(1)?.to_owned(),
        capabilities: row.json(2)?,
        builtin: row.flag(3)?,
        created: row.instant(4)?,
        version: row.number(5)?,
    })
}

/// Ends every session of a user, but the one that is to stay.
fn end_sessions(
    ledger: &Ledger<'_>,
    user: &UserName,
    but: Option<gatepass_contract::id::TokenId>,
) -> sql::Result<()> {
    let but: &[u8] = but.as_ref().map_or(&[], |id| &id.0);
    let end = "DELETE FROM token WHERE account = ?1 AND kind = 'session' AND id <> ?2";
    ledger.conn.execute(end, params![user.as_str(), but]).map(drop)
}
