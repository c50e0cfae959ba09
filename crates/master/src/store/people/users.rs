//! Users.

use gatepass_contract::name::UserName;
use gatepass_contract::wire::admin::{CreateUser, EditUser, UserState};

use super::{ACCOUNT, Settled, administrators, directory, end_sessions, giver_now, named, select_user, user};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::difference;
use crate::domain::idempotency::{Claim, Seen};
use crate::domain::people::{Giver, PasswordHash, UserRecord};
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, idempotency, rows, writer};

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// As asked for.
    pub request: CreateUser,
    /// Of the password, if there is one.
    pub password: Option<PasswordHash>,
    /// What the request is recognised by when it comes again.
    pub claim: Option<Claim>,
}

impl Store {
    /// The user with that name; a deleted one is none.
    pub async fn user(&self, name: UserName) -> Result<Option<UserRecord>, StoreError> {
        self.read(move |conn| living(conn, &name)).await
    }

    /// Users behind `after`, by name.
    pub async fn list_users(
        &self,
        after: Option<UserName>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, StoreError> {
        self.scan(move |conn| {
            let page = format!(
                "SELECT {ACCOUNT} FROM account WHERE name > ?1 AND state <> 'deleted' ORDER BY name LIMIT ?2"
            );
            let after = after.as_ref().map_or("", UserName::as_str);
            conn.query(&page, params![after, limit], user)
        })
        .await
    }

    /// Makes a user.
    pub async fn create_user(
        &self,
        cause: Cause,
        giver: Giver,
        new: NewUser,
    ) -> Result<Settled<UserRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| create(ledger, &cause, &giver, &new)).await
    }

    /// Edits a user.
    pub async fn edit_user(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (UserName, Expected),
        request: EditUser,
    ) -> Result<Settled<UserRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| edit(ledger, &cause, &giver, (&name, &expected), &request))
            .await
    }

    /// Deletes a user.
    pub async fn delete_user(
        &self,
        cause: Cause,
        giver: Giver,
        (name, expected): (UserName, Expected),
    ) -> Result<Settled<()>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| delete(ledger, &cause, &giver, (&name, &expected))).await
    }
}

/// A deleted one is none.
pub(super) fn living(conn: Conn<'_>, name: &UserName) -> sql::Result<Option<UserRecord>> {
    Ok(select_user(conn, name)?.filter(|user| user.state != UserState::Deleted))
}

fn create(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    new: &NewUser,
) -> sql::Result<Settled<UserRecord>> {
    match idempotency::seen(ledger, new.claim.as_ref(), cause.at)? {
        Seen::Never => {}
        Seen::Before(before) => {
            let name = named(&before, "user").and_then(|name| name.parse().ok());
            let user = name.map(|name| living(ledger.conn, &name)).transpose()?.flatten();
            return Ok(user.map_or(Settled::Unknown, Settled::Done));
        }
        Seen::Otherwise => return Ok(Settled::Otherwise),
    }
    let conn = ledger.conn;
    let made = UserRecord::create(&new.request, &directory(conn)?, &giver_now(conn, giver)?, cause.at);
    let user = match made {
        Ok(user) => user,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    if select_user(conn, &user.name)?.is_some() {
        return Ok(Settled::NameTaken);
    }
    insert(conn, &user, new.password.as_ref())?;
    let subject = Subject::User(user.name.clone());
    idempotency::keep(ledger, new.claim.as_ref(), &subject.to_string(), cause.at)?;
    ledger.done(cause, Action::UserCreate, subject, difference::made(&user.view()))?;
    Ok(Settled::Done(user))
}

pub(super) fn insert(conn: Conn<'_>, user: &UserRecord, password: Option<&PasswordHash>) -> sql::Result<()> {
    let insert = format!(
        "INSERT INTO account ({ACCOUNT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, ?11)"
    );
    conn.execute(
        &insert,
        params![
            user.name.as_str(),
            user.full_name,
            user.email.as_ref().map(ToString::to_string),
            user.state.as_str(),
            password.map(PasswordHash::as_str),
            rows::to_json(&user.roles)?,
            rows::to_json(&user.groups)?,
            rows::to_json(&user.held_roles)?,
            rows::to_json(&user.capabilities)?,
            user.created,
            rows::integer(user.version)?,
        ],
    )
    .map(drop)
}

fn edit(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&UserName, &Expected),
    request: &EditUser,
) -> sql::Result<Settled<UserRecord>> {
    let conn = ledger.conn;
    let Some(before) = living(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    let (giver, others) = (giver_now(conn, giver)?, others(conn, name)?);
    let after = match before.edit(request, &directory(conn)?, &giver, others) {
        Ok(after) => after,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    update(conn, &after)?;
    if after.state == UserState::Disabled {
        end_sessions(ledger, name, None)?;
    }
    let detail = difference::between(&before.view(), &after.view());
    ledger.done(cause, Action::UserEdit, Subject::User(name.clone()), detail)?;
    Ok(Settled::Done(after))
}

fn delete(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (name, expected): (&UserName, &Expected),
) -> sql::Result<Settled<()>> {
    let conn = ledger.conn;
    let Some(before) = living(conn, name)? else { return Ok(Settled::Unknown) };
    if !expected.fits(before.version) {
        return Ok(Settled::Outdated(before.version));
    }
    let gone = match before.delete(&giver_now(conn, giver)?, others(conn, name)?) {
        Ok(gone) => gone,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    update(conn, &gone)?;
    conn.execute("UPDATE account SET password = NULL WHERE name = ?1", params![name.as_str()])?;
    end_sessions(ledger, name, None)?;
    let detail = difference::between(&before.view(), &gone.view());
    ledger.done(cause, Action::UserDelete, Subject::User(name.clone()), detail)?;
    Ok(Settled::Done(()))
}

/// Whether somebody else who is active is an administrator.
fn others(conn: Conn<'_>, but: &UserName) -> sql::Result<bool> {
    Ok(administrators(conn)?.iter().any(|user| user.name != *but))
}

fn update(conn: Conn<'_>, user: &UserRecord) -> sql::Result<()> {
    conn.execute(
        UPDATE,
        params![
            user.name.as_str(),
            user.full_name,
            user.email.as_ref().map(ToString::to_string),
            user.state.as_str(),
            rows::to_json(&user.roles)?,
            rows::to_json(&user.groups)?,
            rows::to_json(&user.held_roles)?,
            rows::to_json(&user.capabilities)?,
            rows::integer(user.version)?,
        ],
    )
    .map(drop)
}

const UPDATE: &str = "UPDATE account SET full_name = ?2, email = ?3, state = ?4, roles = ?5, teams = ?6,
    held_roles = ?7, capabilities = ?8, version = ?9 WHERE name = ?1";
