//! API tokens and sessions in the database. A JWT is never here: it can be made again from the row.

mod change;
mod sessions;

use gatepass_contract::id::TokenId;
use gatepass_contract::name::{DisplayName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Expiry, LastUse};

use super::ledger::Ledger;
use super::people::{all_roles, select_user};
use super::sql::{self, Bind as _, Conn, Row, params};
use super::{Store, StoreError, rows, writer};
use crate::domain::audit::Cause;
use crate::domain::people::Directory;
use crate::domain::token::{TokenHolder, TokenKind, TokenRecord};

pub use change::{NewToken, Target};
pub use sessions::NewSession;

/// Whose tokens, or which, are listed.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Of that user.
    pub user: Option<UserName>,
    /// With that name.
    pub name: Option<DisplayName>,
}

impl Store {
    /// The token with that id, API token or session, with all that it depends on.
    pub async fn token_holder(&self, id: TokenId) -> Result<Option<TokenHolder>, StoreError> {
        self.read(move |conn| holder(conn, id)).await
    }

    /// The API token with that id.
    pub async fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, StoreError> {
        self.read(move |conn| select_api(conn, id)).await
    }

    /// API tokens behind `after`, by id.
    pub async fn list_tokens(
        &self,
        after: Option<TokenId>,
        limit: u32,
        filter: TokenFilter,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        self.scan(move |conn| list(conn, after, limit, &filter)).await
    }

    /// Notes that a token was used. To the minute: most of the time there is nothing to write, and nobody waits for it
    /// when there is.
    pub fn note_token_use(&self, token: &TokenRecord, cause: &Cause) -> Result<(), StoreError> {
        let (id, at, from) = (token.id, UnixTime(cause.at.0 - cause.at.0.rem_euclid(60_000)), cause.from);
        if token.last_used.is_some_and(|last| last.at >= at && last.from == from) {
            return Ok(());
        }
        let (job, _answer) = writer::Job::new(writer::TOKEN_USE, move |ledger: &mut Ledger<'_>| {
            let update = "UPDATE token SET last_used_at = ?2, last_used_from = ?3 WHERE id = ?1";
            ledger.conn.execute(update, params![id, at, from.to_string()]).map(drop)
        });
        self.writer.submit(job)
    }
}

const TOKEN: &str =
    "id, kind, name, account, creator, description, roles, enabled, expires, networks, serial, created,
    updated, last_used_at, last_used_from, version";

fn token(row: &Row<'_>) -> sql::Result<TokenRecord> {
    let last_used = match row.opt_instant(13)? {
        Some(at) => Some(LastUse { at, from: row.parsed(14)?, agent: None }),
        None => None,
    };
    Ok(TokenRecord {
        id: row.bytes(0).map(TokenId)?,
        kind: row.parsed(1)?,
        name: row.parsed(2)?,
        user: row.parsed(3)?,
        creator: row.parsed(4)?,
        description: row.text(5)?.to_owned(),
        roles: row.json(6)?,
        enabled: row.flag(7)?,
        expires: row.opt_instant(8)?.map_or(Expiry::Never, Expiry::At),
        networks: row.json(9)?,
        serial: row.number(10)?,
        created: row.instant(11)?,
        updated: row.instant(12)?,
        last_used,
        version: row.number(15)?,
    })
}

fn select(conn: Conn<'_>, id: TokenId) -> sql::Result<Option<TokenRecord>> {
    conn.one(&format!("SELECT {TOKEN} FROM token WHERE id = ?1"), params![id], token)
}

fn select_api(conn: Conn<'_>, id: TokenId) -> sql::Result<Option<TokenRecord>> {
    Ok(select(conn, id)?.filter(|token| token.kind == TokenKind::Api))
}

fn holder(conn: Conn<'_>, id: TokenId) -> sql::Result<Option<TokenHolder>> {
    let Some(token) = select(conn, id)? else { return Ok(None) };
    let Some(user) = select_user(conn, &token.user)? else { return Ok(None) };
    let directory = Directory { groups: Vec::new(), roles: all_roles(conn)? };
    Ok(Some(TokenHolder::new(token, user, &directory)))
}

fn list(
    conn: Conn<'_>,
    after: Option<TokenId>,
    limit: u32,
    filter: &TokenFilter,
) -> sql::Result<Vec<TokenRecord>> {
    let after: &[u8] = after.as_ref().map_or(&[], |id| &id.0);
    let mut values = vec![after.value()];
    let mut conditions = vec!["kind = 'api' AND id > ?1".to_owned()];
    if let Some(user) = &filter.user {
        values.push(user.as_str().value());
        conditions.push(format!("account = ?{}", values.len()));
    }
    if let Some(name) = &filter.name {
        values.push(name.as_str().value());
        conditions.push(format!("name = ?{}", values.len()));
    }
    values.push(limit.value());
    let conditions = conditions.join(" AND ");
    let page = format!("SELECT {TOKEN} FROM token WHERE {conditions} ORDER BY id LIMIT ?{}", values.len());
    conn.query(&page, &values, token)
}

fn insert(conn: Conn<'_>, token: &TokenRecord) -> sql::Result<()> {
    let insert = format!(
        "INSERT INTO token ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, NULL, NULL, ?14)"
    );
    conn.execute(
        &insert,
        params![
            token.id,
            token.kind.as_str(),
            token.name.as_str(),
            token.user.as_str(),
            token.creator.as_str(),
            token.description,
            rows::to_json(&token.roles)?,
            token.enabled,
            rows::end(token.expires),
            rows::to_json(&token.networks)?,
            rows::integer(token.serial)?,
            token.created,
            token.updated,
            rows::integer(token.version)?,
        ],
    )
    .map(drop)
}

fn update(conn: Conn<'_>, token: &TokenRecord) -> sql::Result<()> {
    conn.execute(
        UPDATE,
        params![
            token.id,
            token.name.as_str(),
            token.user.as_str(),
            token.description,
            rows::to_json(&token.roles)?,
            token.enabled,
            rows::end(token.expires),
            rows::to_json(&token.networks)?,
            rows::integer(token.serial)?,
            token.updated,
            rows::integer(token.version)?,
        ],
    )
    .map(drop)
}

const UPDATE: &str =
    "UPDATE token SET name = ?2, account = ?3, description = ?4, roles = ?5, enabled = ?6, expires = ?7,
    networks = ?8, serial = ?9, updated = ?10, version = ?11 WHERE id = ?1";
