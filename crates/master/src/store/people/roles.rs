//! Roles.

use gatepass_contract::name::RoleName;
use gatepass_contract::wire::admin::{CreateRole, EditRole};

use super::{ROLE, Settled, directory, giver_now, holders, named, recompute, role};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::difference;
use crate::domain::idempotency::{Claim, Seen};
use crate::domain::people::{Giver, RoleRecord};
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, idempotency, rows, writer};

impl Store {
    /// The role with that name.
    pub async fn role(&self, name: RoleName) -> Result<Option<RoleRecord>, StoreError> {
        self.read(move |conn| select(conn, &name)).await
    }

    /// Roles behind `after`, by name.
    pub async fn list_roles(
        &self,
        after: Option<RoleName>,
        limit: u32,
    ) -> Result<Vec<RoleRecord>, StoreError> {
        self.scan(move |conn| {
            let page = format!("SELECT {ROLE} FROM role WHERE name > ?1 ORDER BY name LIMIT ?2");
            let after = after.as_ref().map_or("", RoleName::as_str);
            conn.query(&page, params![after, limit], role)
        })
        .await
    }

    /// Makes a role.
    pub async fn create_role(
        &self,
        cause: Cause,
        giver: Giver,
        (request, claim): (CreateRole, Option<Claim>),
    ) -> Result<Settled<RoleRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| create(ledger, &cause, &giver, (&request, claim.as_ref())))
            .await
    }

    /// Edits a role.
    pub async fn edit_role(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (RoleName, Expected),
        request: EditRole,
    ) -> Result<Settled<RoleRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| edit(ledger, &cause, &giver, (&name, &expected), &request))
            .await
    }

    /// Deletes a role that no user and no group has. Keys and tokens that name it have one right less.
    pub async fn delete_role(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (RoleName, Expected),
    ) -> Result<Settled<()>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| delete(ledger, &cause, &giver, (&name, &expected))).await
    }
}

fn select(conn: Conn<'_>, name: &RoleName) -> sql::Result<Option<RoleRecord>> {
    conn.one(&format!("SELECT {ROLE} FROM role WHERE name = ?1"), params![name.as_str()], role)
}

fn create(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (request, claim): (&CreateRole, Option<&Claim>),
) -> sql::Result<Settled<RoleRecord>> {
    let conn = ledger.conn;
    match idempotency::seen(ledger, claim, cause.at)? {
        Seen::Never => {}
        Seen::Before(before) => {
            let name = named(&before, "role").and_then(|name| name.parse().ok());
            let role = name.map(|name| select(conn, &name)).transpose()?.flatten();
            return Ok(role.map_or(Settled::Unknown, Settled::Done));
        }
        Seen::Otherwise => return Ok(Settled::Otherwise),
    }
    let role = match RoleRecord::create(request, &giver_now(conn, giver)?, cause.at) {
        Ok(role) => role,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    if select(conn, &role.name)?.is_some() {
        return Ok(Settled::NameTaken);
    }
    let (capabilities, version) = (rows::to_json(&role.capabilities)?, rows::integer(role.version)?);
    let insert = format!("INSERT INTO role ({ROLE}) VALUES (?1, ?2, ?3, 0, ?4, ?5)");
    conn.execute(
        &insert,
        params![role.name.as_str(), role.description, capabilities, role.created, version],
    )?;
    let subject = Subject::Role(role.name.clone());
    idempotency::keep(ledger, claim, &subject.to_string(), cause.at)?;
    ledger.done(cause, Action::RoleCreate, subject, difference::made(&role.view()))?;
    Ok(Settled::Done(role))
}

fn edit(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&RoleName, &Expected),
    request: &EditRole,
) -> sql::Result<Settled<RoleRecord>> {
    let conn = ledger.conn;
    let Some(before) = select(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    let after = match before.edit(request, &giver_now(conn, giver)?) {
        Ok(after) => after,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    let update = "UPDATE role SET description = ?2, capabilities = ?3, version = ?4 WHERE name = ?1";
    let (capabilities, version) = (rows::to_json(&after.capabilities)?, rows::integer(after.version)?);
    conn.execute(update, params![name.as_str(), after.description, capabilities, version])?;
    recompute(conn, &directory(conn)?)?;
    let detail = difference::between(&before.view(), &after.view());
    ledger.done(cause, Action::RoleEdit, Subject::Role(name.clone()), detail)?;
    Ok(Settled::Done(after))
}

fn delete(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&RoleName, &Expected),
) -> sql::Result<Settled<()>> {
    let conn = ledger.conn;
    let Some(before) = select(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    if let Err(why) = before.may_change(&giver_now(conn, giver)?) {
        return Ok(Settled::Refused(why));
    }
    if let Some(holder) = holders(conn, name)? {
        return Ok(Settled::InUse(format!("{holder} has it")));
    }
    conn.execute("DELETE FROM role WHERE name = ?1", params![name.as_str()])?;
    ledger.done(cause, Action::RoleDelete, Subject::Role(name.clone()), difference::gone(&before.view()))?;
    Ok(Settled::Done(()))
}
