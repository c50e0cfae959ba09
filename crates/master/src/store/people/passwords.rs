//! Passwords: their hashes, and nothing else.

use gatepass_contract::id::TokenId;
use gatepass_contract::name::UserName;
use gatepass_contract::wire::admin::UserState;
use serde_json::json;

use super::users::living;
use super::{Settled, end_sessions, giver_now};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::people::{Giver, PasswordHash, Unacceptable, UserRecord};
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, rows, writer};

/// A password to be set.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// Whose.
    pub user: UserName,
    /// Of the new one.
    pub hash: PasswordHash,
    /// Of the present one, if whoever asks has shown that they know it.
    pub known: Option<PasswordHash>,
    /// The session it is set from: all others end.
    pub session: Option<TokenId>,
    /// Which version it is of.
    pub expected: Expected,
}

/// What a password is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordOf {
    /// What was done to the user.
    pub state: UserState,
    /// Of their password, if they have one.
    pub hash: Option<PasswordHash>,
}

impl Store {
    /// What the password of that user is compared with.
    pub async fn password(&self, name: UserName) -> Result<Option<PasswordOf>, StoreError> {
        self.read(move |conn| of(conn, &name)).await
    }

    /// Sets a password.
    pub async fn set_password(
        &self,
        cause: Cause,
        giver: Giver,
        new: NewPassword,
    ) -> Result<Settled<UserRecord>, StoreError> {
        self.write(writer::PEOPLE, move |ledger| set(ledger, &cause, &giver, &new)).await
    }
}

pub(crate) fn of(conn: Conn<'_>, name: &UserName) -> sql::Result<Option<PasswordOf>> {
    conn.one("SELECT state, password FROM account WHERE name = ?1", params![name.as_str()], |row| {
        let hash = row.opt_text(1)?.map(|text| PasswordHash::from_stored(text.to_owned()));
        Ok(PasswordOf { state: row.parsed(0)?, hash })
    })
}

fn set(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    new: &NewPassword,
) -> sql::Result<Settled<UserRecord>> {
    let conn = ledger.conn;
    let Some(user) = living(conn, &new.user)? else { return Ok(Settled::Unknown) };
    if !new.expected.fits(user.version) {
        return Ok(Settled::Outdated(user.version));
    }
    let present = of(conn, &new.user)?.and_then(|password| password.hash);
    if let Err(why) = allowed(conn, giver, &user, (present.as_ref(), new.known.as_ref()))? {
        return Ok(Settled::Refused(why));
    }
    let update = "UPDATE account SET password = ?2, version = ?3 WHERE name = ?1";
    let version = user.version + 1;
    conn.execute(update, params![new.user.as_str(), new.hash.as_str(), rows::integer(version)?])?;
    end_sessions(ledger, &new.user, new.session)?;
    let detail = json!({ "before": { "hasPassword": present.is_some() }, "after": { "hasPassword": true } });
    ledger.done(cause, Action::UserPassword, Subject::User(new.user.clone()), detail)?;
    Ok(Settled::Done(UserRecord { has_password: true, version, ..user }))
}

/// Who knows the present one could sign in anyway. Who does not could sign in from now on: they must have all that it
/// brings, and nobody changes their own so.
fn allowed(
    conn: Conn<'_>,
    giver: &Giver,
    user: &UserRecord,
    (present, known): (Option<&PasswordHash>, Option<&PasswordHash>),
) -> sql::Result<Result<(), Unacceptable>> {
    let own = giver.user == user.name;
    if own && present.is_some() {
        return Ok(if present == known { Ok(()) } else { Err(Unacceptable::PresentPassword) });
    }
    Ok(giver_now(conn, giver)?.reaches(&user.capabilities))
}
