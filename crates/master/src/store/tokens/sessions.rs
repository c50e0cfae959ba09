//! Sessions: begun with a password, ended by whoever began them, or by time.

use gatepass_contract::id::TokenId;
use gatepass_contract::wire::admin::UserState;
use serde_json::json;

use super::{holder, insert};
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::people::PasswordHash;
use crate::domain::token::{TokenHolder, TokenRecord};
use crate::store::ledger::Ledger;
use crate::store::people::password_of;
use crate::store::sql::{self, params};
use crate::store::{Store, StoreError, rows, writer};

/// Who signs in.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The token of the session.
    pub token: TokenRecord,
    /// The password they were recognised by.
    pub password: PasswordHash,
}

impl Store {
    /// Begins a session, if the user is still active and the password still theirs; sweeps those that are over.
    pub async fn begin_session(
        &self,
        cause: Cause,
        new: NewSession,
    ) -> Result<Option<TokenHolder>, StoreError> {
        self.write(writer::SESSION, move |ledger| begin(ledger, &cause, &new)).await
    }

    /// Ends a session.
    pub async fn end_session(&self, cause: Cause, id: TokenId) -> Result<(), StoreError> {
        self.write(writer::SESSION, move |ledger| {
            ledger.conn.execute("DELETE FROM token WHERE id = ?1 AND kind = 'session'", params![id])?;
            ledger.done(&cause, Action::SignOut, Subject::Token(id), json!({}))
        })
        .await
    }
}

fn begin(ledger: &mut Ledger<'_>, cause: &Cause, new: &NewSession) -> sql::Result<Option<TokenHolder>> {
    let (conn, token) = (ledger.conn, &new.token);
    let present = password_of(conn, &token.user)?.filter(|present| present.state == UserState::Active);
    if present.and_then(|present| present.hash).as_ref() != Some(&new.password) {
        return Ok(None);
    }
    conn.execute("DELETE FROM token WHERE kind = 'session' AND expires <= ?1", params![cause.at])?;
    insert(conn, token)?;
    conn.execute(
        "UPDATE account SET last_sign_in = ?2 WHERE name = ?1",
        params![token.user.as_str(), cause.at],
    )?;
    ledger.done(
        cause,
        Action::SignIn,
        Subject::Token(token.id),
        json!({ "until": rows::end(token.expires) }),
    )?;
    holder(conn, token.id)
}
