//! Groups.

use gatepass_contract::name::GroupName;
use gatepass_contract::wire::admin::{CreateGroup, EditGroup};

use super::{ACCOUNT, GROUP, Settled, administrators, directory, giver_now, group, named, recompute, user};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::difference;
use crate::domain::idempotency::{Claim, Seen};
use crate::domain::people::{self, Directory, Giver, GroupRecord, UserRecord};
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, apikeys, idempotency, rows, writer};

impl Store {
    /// The group with that name.
    pub async fn group(&self, name: GroupName) -> Result<Option<GroupRecord>, StoreError> {
        self.read(move |conn| select(conn, &name)).await
    }

    /// Groups behind `after`, by name.
    pub async fn list_groups(
        &self,
        after: Option<GroupName>,
        limit: u32,
    ) -> Result<Vec<GroupRecord>, StoreError> {
        self.scan(move |conn| {
            let page = format!("SELECT {GROUP} FROM team WHERE name > ?1 ORDER BY name LIMIT ?2");
            let after = after.as_ref().map_or("", GroupName::as_str);
            conn.query(&page, params![after, limit], group)
        })
        .await
    }

    /// Makes a group.
    pub async fn create_group(
        &self,
        cause: Cause,
        giver: Giver,
        (request, claim): (CreateGroup, Option<Claim>),
    ) -> Result<Settled<GroupRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| create(ledger, &cause, &giver, (&request, claim.as_ref())))
            .await
    }

    /// Edits a group.
    pub async fn edit_group(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (GroupName, Expected),
        request: EditGroup,
    ) -> Result<Settled<GroupRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| edit(ledger, &cause, &giver, (&name, &expected), &request))
            .await
    }

    /// Deletes a group that has no members. Service keys that act as no other admit nobody from then on.
    pub async fn delete_group(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (GroupName, Expected),
    ) -> Result<Settled<()>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| delete(ledger, &cause, &giver, (&name, &expected))).await
    }
}

fn select(conn: Conn<'_>, name: &GroupName) -> sql::Result<Option<GroupRecord>> {
    conn.one(&format!("SELECT {GROUP} FROM team WHERE name = ?1"), params![name.as_str()], group)
}

fn create(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (request, claim): (&CreateGroup, Option<&Claim>),
) -> sql::Result<Settled<GroupRecord>> {
    let conn = ledger.conn;
    match idempotency::seen(ledger, claim, cause.at)? {
        Seen::Never => {}
        Seen::Before(before) => {
            let name = named(&before, "group").and_then(|name| name.parse().ok());
            let group = name.map(|name| select(conn, &name)).transpose()?.flatten();
            return Ok(group.map_or(Settled::Unknown, Settled::Done));
        }
        Seen::Otherwise => return Ok(Settled::Otherwise),
    }
    let group = match GroupRecord::create(request, &directory(conn)?, &giver_now(conn, giver)?, cause.at) {
        Ok(group) => group,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    if select(conn, &group.name)?.is_some() {
        return Ok(Settled::NameTaken);
    }
    let (roles, version) = (rows::to_json(&group.roles)?, rows::integer(group.version)?);
    let insert = format!("INSERT INTO team ({GROUP}) VALUES (?1, ?2, ?3, ?4, ?5)");
    conn.execute(&insert, params![group.name.as_str(), group.description, roles, group.created, version])?;
    let subject = Subject::Group(group.name.clone());
    idempotency::keep(ledger, claim, &subject.to_string(), cause.at)?;
    ledger.done(cause, Action::GroupCreate, subject, difference::made(&group.view()))?;
    Ok(Settled::Done(group))
}

fn edit(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&GroupName, &Expected),
    request: &EditGroup,
) -> sql::Result<Settled<GroupRecord>> {
    let conn = ledger.conn;
    let Some(before) = select(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    let directory = directory(conn)?;
    let after = match before.edit(request, &directory, &giver_now(conn, giver)?) {
        Ok(after) => after,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    let directory = with(directory, &after);
    if !somebody_administers(conn, &directory)? {
        return Ok(Settled::Refused(people::Unacceptable::LastAdministrator));
    }
    let update = "UPDATE team SET description = ?2, roles = ?3, version = ?4 WHERE name = ?1";
    let (roles, version) = (rows::to_json(&after.roles)?, rows::integer(after.version)?);
    conn.execute(update, params![name.as_str(), after.description, roles, version])?;
    recompute(conn, &directory)?;
    let detail = difference::between(&before.view(), &after.view());
    ledger.done(cause, Action::GroupEdit, Subject::Group(name.clone()), detail)?;
    Ok(Settled::Done(after))
}

fn with(mut directory: Directory, group: &GroupRecord) -> Directory {
    for known in &mut directory.groups {
        if known.name == group.name {
            known.clone_from(group);
        }
    }
    directory
}

/// Whether one of those who are administrators now still is one when groups mean that.
fn somebody_administers(conn: Conn<'_>, directory: &Directory) -> sql::Result<bool> {
    let stays = |user: UserRecord| {
        let held_roles = directory.rights(&user.roles, &user.groups).roles;
        UserRecord { held_roles, ..user }.is_administrator()
    };
    Ok(administrators(conn)?.into_iter().any(stays))
}

fn delete(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&GroupName, &Expected),
) -> sql::Result<Settled<()>> {
    let conn = ledger.conn;
    let Some(before) = select(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    if let Err(why) = before.may_change(&directory(conn)?, &giver_now(conn, giver)?) {
        return Ok(Settled::Refused(why));
    }
    if let Some(member) = member(conn, name)? {
        return Ok(Settled::InUse(format!("{} belongs to it", member.name)));
    }
    conn.execute("DELETE FROM team WHERE name = ?1", params![name.as_str()])?;
    apikeys::forget_group(conn, name)?;
    ledger.done(
        cause,
        Action::GroupDelete,
        Subject::Group(name.clone()),
        difference::gone(&before.view()),
    )?;
    Ok(Settled::Done(()))
}

fn member(conn: Conn<'_>, name: &GroupName) -> sql::Result<Option<UserRecord>> {
    let some = format!("SELECT {ACCOUNT} FROM account WHERE teams <> '[]'");
    let some = conn.query(&some, &[], user)?;
    Ok(some.into_iter().find(|user| user.groups.contains(name)))
}
