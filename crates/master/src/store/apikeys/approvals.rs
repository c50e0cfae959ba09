//! What waits for an approver, and what waited.

use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::name::UserName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalState, ApprovalView, Expiry};

use crate::domain::approval::ApprovalRecord;
use crate::store::sql::{self, Bind, Conn, Row, Value, params};
use crate::store::{Store, StoreError, rows};

/// Which requests are listed, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalListing {
    /// Of that user only.
    pub requester: Option<UserName>,
    /// In that state only.
    pub state: Option<ApprovalState>,
    /// Behind that one.
    pub after: Option<(UnixTime, ApprovalId)>,
    /// How many at most.
    pub limit: u32,
}

impl Store {
    /// A page of requests.
    pub async fn list_approvals(&self, listing: ApprovalListing) -> Result<Vec<ApprovalView>, StoreError> {
        self.scan(move |conn| list(conn, &listing)).await
    }
}

const COLUMNS: &str =
    "a.id, a.kind, a.api_key, a.requester, a.at, a.wanted, a.state, a.decided_by, a.decided_at, a.reason";

fn read(row: &Row<'_>) -> sql::Result<ApprovalRecord> {
    Ok(ApprovalRecord {
        id: row.bytes(0).map(ApprovalId)?,
        kind: row.parsed(1)?,
        key: row.bytes(2).map(KeyId)?,
        requester: row.parsed(3)?,
        at: row.instant(4)?,
        wanted: row.opt_json::<Expiry>(5)?,
        state: row.parsed(6)?,
        decided_by: row.opt_parsed(7)?,
        decided_at: row.opt_instant(8)?,
        reason: row.text(9)?.to_owned(),
    })
}

/// What waits for that key.
pub(super) fn pending(conn: Conn<'_>, key: KeyId) -> sql::Result<Option<ApprovalRecord>> {
    let one = format!("SELECT {COLUMNS} FROM approval a WHERE a.api_key = ?1 AND a.state = 'pending'");
    conn.one(&one, params![key], read)
}

/// All of it, new or decided.
pub(super) fn store(conn: Conn<'_>, approval: &ApprovalRecord) -> sql::Result<()> {
    conn.execute(
        UPSERT,
        params![
            approval.id.0,
            approval.kind.as_str(),
            approval.key,
            approval.requester.as_str(),
            approval.at,
            approval.wanted.as_ref().map(rows::to_json).transpose()?,
            approval.state.as_str(),
            approval.decided_by.as_ref().map(UserName::as_str),
            approval.decided_at,
            approval.reason,
        ],
    )
    .map(drop)
}

const UPSERT: &str =
    "INSERT INTO approval (id, kind, api_key, requester, at, wanted, state, decided_by, decided_at, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by,
    decided_at = excluded.decided_at, reason = excluded.reason";

fn list(conn: Conn<'_>, listing: &ApprovalListing) -> sql::Result<Vec<ApprovalView>> {
    let (requester, state) = (listing.requester.as_ref(), listing.state.map(ApprovalState::as_str));
    let (at, id) = listing.after.unwrap_or((UnixTime(i64::MIN), ApprovalId([0; 10])));
    let mut values: Vec<Value<'_>> = vec![at.value(), id.0.value(), listing.limit.value()];
    let mut conditions = String::new();
    for (column, value) in [("requester", requester.map(UserName::as_str)), ("state", state)] {
        if let Some(value) = value {
            values.push(Value::Text(value));
            let place = values.len().to_string();
            conditions.extend([" AND a.", column, " = ?", &place]);
        }
    }
    let page = format!(
        "SELECT {COLUMNS}, k.name, k.state FROM approval a JOIN api_key k ON k.id = a.api_key
        WHERE (a.at, a.id) > (?1, ?2){conditions} ORDER BY a.at, a.id LIMIT ?3"
    );
    conn.query(&page, &values, |row| Ok(read(row)?.view(row.parsed(10)?, row.parsed(11)?)))
}
