//! What is done to API tokens.

use gatepass_contract::id::TokenId;
use gatepass_contract::name::UserName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{CreateToken, EditToken};
use serde_json::json;

use super::{holder, insert, select_api, update};
use crate::domain::apikey::ExpiryPolicy;
use crate::domain::audit::{Action, Cause, Subject};
use crate::domain::difference;
use crate::domain::idempotency::{Claim, Seen};
use crate::domain::notice::About;
use crate::domain::people::Giver;
use crate::domain::token::{Asked, TokenHolder, TokenRecord, Unacceptable};
use crate::domain::version::Expected;
use crate::store::ledger::Ledger;
use crate::store::people::{Settled, directory, giver_now, named, select_user};
use crate::store::sql::{self, Conn, params};
use crate::store::{Store, StoreError, idempotency, rows, writer};

/// An API token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// As asked for.
    pub request: CreateToken,
    /// What it will be called by.
    pub id: TokenId,
    /// For whom.
    pub user: UserName,
    /// What the request is recognised by when it comes again.
    pub claim: Option<Claim>,
}

/// An API token that something is to be done to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which.
    pub id: TokenId,
    /// Whose it was when it was decided who may do that.
    pub user: UserName,
    /// Which version of it is meant.
    pub expected: Expected,
}

impl Target {
    /// That token, whatever its version is by then.
    #[must_use]
    pub fn of(token: &TokenRecord) -> Self {
        Self { id: token.id, user: token.user.clone(), expected: Expected::Any }
    }
}

type Outcome<T> = Result<Settled<T, Unacceptable>, StoreError>;

impl Store {
    /// Makes an API token.
    pub async fn create_token(
        &self,
        cause: Cause,
        giver: Giver,
        (new, policy): (NewToken, ExpiryPolicy),
    ) -> Outcome<TokenHolder> {
        self.write(writer::TOKEN, move |ledger| create(ledger, &cause, &giver, (&new, policy))).await
    }

    /// Edits an API token.
    pub async fn edit_token(
        &self,
        cause: Cause,
        giver: Giver,
        target: Target,
        (request, policy): (EditToken, ExpiryPolicy),
    ) -> Outcome<TokenRecord> {
        self.write(writer::TOKEN, move |ledger| edit(ledger, &cause, &giver, (&target, &request, policy)))
            .await
    }

    /// Makes another JWT the good one.
    pub async fn unlock_token(
        &self,
        cause: Cause,
        giver: Giver,
        target: Target,
        claim: Option<Claim>,
    ) -> Outcome<TokenHolder> {
        self.write(writer::TOKEN, move |ledger| unlock(ledger, &cause, &giver, (&target, claim.as_ref())))
            .await
    }

    /// Ends an API token now and keeps its history.
    pub async fn expire_token(&self, cause: Cause, target: Target) -> Outcome<TokenRecord> {
        self.write(writer::TOKEN, move |ledger| expire(ledger, &cause, &target)).await
    }

    /// Removes an API token.
    pub async fn delete_token(&self, cause: Cause, target: Target) -> Outcome<()> {
        self.write(writer::TOKEN, move |ledger| delete(ledger, &cause, &target)).await
    }
}

fn is_taken(conn: Conn<'_>, token: &TokenRecord) -> sql::Result<bool> {
    conn.exists("SELECT 1 FROM token WHERE name = ?1 AND id <> ?2", params![token.name.as_str(), token.id])
}

/// For the audit.
fn detail(before: Option<&TokenRecord>, after: Option<&TokenRecord>, at: UnixTime) -> serde_json::Value {
    let view = |token: &TokenRecord| token.view(at, std::time::Duration::ZERO);
    match (before.map(view), after.map(view)) {
        (Some(before), Some(after)) => difference::between(&before, &after),
        (None, Some(after)) => difference::made(&after),
        (Some(before), None) => difference::gone(&before),
        (None, None) => json!({}),
    }
}

fn create(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (new, policy): (&NewToken, ExpiryPolicy),
) -> sql::Result<Settled<TokenHolder, Unacceptable>> {
    let conn = ledger.conn;
    if let Some(before) = again(ledger, new.claim.as_ref(), cause.at)? {
        return Ok(before);
    }
    let nobody = || Settled::Refused(Unacceptable::NoUser(new.user.clone()));
    let Some(user) = select_user(conn, &new.user)? else { return Ok(nobody()) };
    let (giver, directory) = (giver_now(conn, giver)?, directory(conn)?);
    let asked = Asked { giver: &giver, directory: &directory, policy, now: cause.at };
    let token = match TokenRecord::create(&new.request, new.id, &user, asked) {
        Ok(token) => token,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    if is_taken(conn, &token)? {
        return Ok(Settled::NameTaken);
    }
    insert(conn, &token)?;
    ledger.watch_end(About::Token(token.id), rows::end(token.expires))?;
    let subject = Subject::Token(token.id);
    idempotency::keep(ledger, new.claim.as_ref(), &subject.to_string(), cause.at)?;
    ledger.done(cause, Action::TokenCreate, subject, detail(None, Some(&token), cause.at))?;
    Ok(Settled::Done(TokenHolder::new(token, user, &directory)))
}

/// What the same request has brought before.
fn again(
    ledger: &Ledger<'_>,
    claim: Option<&Claim>,
    now: UnixTime,
) -> sql::Result<Option<Settled<TokenHolder, Unacceptable>>> {
    Ok(match idempotency::seen(ledger, claim, now)? {
        Seen::Never => None,
        Seen::Otherwise => Some(Settled::Otherwise),
        Seen::Before(before) => {
            let id = named(&before, "token").and_then(|id| id.parse().ok());
            let known = id.map(|id| holder(ledger.conn, id)).transpose()?.flatten();
            Some(known.map_or(Settled::Unknown, Settled::Done))
        }
    })
}

/// The token, unless it is gone or another version of it was meant.
fn meant<T>(conn: Conn<'_>, target: &Target) -> sql::Result<Result<TokenRecord, Settled<T, Unacceptable>>> {
    let token = select_api(conn, target.id)?.filter(|token| token.user == target.user);
    Ok(match token {
        None => Err(Settled::Unknown),
        Some(token) if !target.expected.fits(token.version) => Err(Settled::Outdated(token.version)),
        Some(token) => Ok(token),
    })
}

fn edit(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (target, request, policy): (&Target, &EditToken, ExpiryPolicy),
) -> sql::Result<Settled<TokenRecord, Unacceptable>> {
    let conn = ledger.conn;
    let before = match meant(conn, target)? {
        Ok(token) => token,
        Err(settled) => return Ok(settled),
    };
    let name = request.user.as_ref().unwrap_or(&before.user);
    let Some(user) = select_user(conn, name)? else {
        return Ok(Settled::Refused(Unacceptable::NoUser(name.clone())));
    };
    let (giver, directory) = (giver_now(conn, giver)?, directory(conn)?);
    let asked = Asked { giver: &giver, directory: &directory, policy, now: cause.at };
    let after = match before.edit(request, &user, asked) {
        Ok(token) => token,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    if is_taken(conn, &after)? {
        return Ok(Settled::NameTaken);
    }
    update(conn, &after)?;
    ledger.watch_end(About::Token(target.id), rows::end(after.expires))?;
    let detail = detail(Some(&before), Some(&after), cause.at);
    ledger.done(cause, Action::TokenEdit, Subject::Token(target.id), detail)?;
    Ok(Settled::Done(after))
}

fn unlock(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    giver: &Giver,
    (target, claim): (&Target, Option<&Claim>),
) -> sql::Result<Settled<TokenHolder, Unacceptable>> {
    let conn = ledger.conn;
    if let Some(before) = again(ledger, claim, cause.at)? {
        return Ok(before);
    }
    let before = match meant(conn, target)? {
        Ok(token) => token,
        Err(settled) => return Ok(settled),
    };
    let Some(user) = select_user(conn, &before.user)? else { return Ok(Settled::Unknown) };
    let (giver, directory) = (giver_now(conn, giver)?, directory(conn)?);
    let policy = ExpiryPolicy::default();
    let asked = Asked { giver: &giver, directory: &directory, policy, now: cause.at };
    let after = match before.unlock(&user, asked) {
        Ok(token) => token,
        Err(why) => return Ok(Settled::Refused(why)),
    };
    update(conn, &after)?;
    let subject = Subject::Token(target.id);
    idempotency::keep(ledger, claim, &subject.to_string(), cause.at)?;
    ledger.done(cause, Action::TokenUnlock, subject, detail(Some(&before), Some(&after), cause.at))?;
    Ok(Settled::Done(TokenHolder::new(after, user, &directory)))
}

fn expire(
    ledger: &mut Ledger<'_>,
    cause: &Cause,
    target: &Target,
) -> sql::Result<Settled<TokenRecord, Unacceptable>> {
    let before = match meant(ledger.conn, target)? {
        Ok(token) => token,
        Err(settled) => return Ok(settled),
    };
    let after = before.expire(cause.at);
    update(ledger.conn, &after)?;
    let detail = detail(Some(&before), Some(&after), cause.at);
    ledger.done(cause, Action::TokenExpire, Subject::Token(target.id), detail)?;
    Ok(Settled::Done(after))
}

fn delete(ledger: &mut Ledger<'_>, cause: &Cause, target: &Target) -> sql::Result<Settled<(), Unacceptable>> {
    let before = match meant(ledger.conn, target)? {
        Ok(token) => token,
        Err(settled) => return Ok(settled),
    };
    ledger.conn.execute("DELETE FROM token WHERE id = ?1", params![target.id])?;
    ledger.done(
        cause,
        Action::TokenDelete,
        Subject::Token(target.id),
        detail(Some(&before), None, cause.at),
    )?;
    Ok(Settled::Done(()))
}
