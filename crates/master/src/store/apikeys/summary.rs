//! How the keys stand, in numbers: counted in an index, not in the rows.

use std::time::Duration;

use gatepass_contract::name::UserName;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{KeyQuery, KeyState, KeySummary, Standing};

use super::list::{self, Listing};
use crate::domain::apikey::ApiKeyRecord;
use crate::store::sql::{self, Bind, Conn};
use crate::store::{Store, StoreError};

/// How many of the next ones to end are shown.
const NEXT: u32 = 10;

/// How the keys stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The numbers.
    pub counts: KeySummary,
    /// The next ones to end, the first one first.
    pub next: Vec<ApiKeyRecord>,
}

impl Store {
    /// How the keys of that user stand, or all.
    pub async fn summarise_api_keys(
        &self,
        owner: Option<UserName>,
        now: UnixTime,
        advance: Duration,
    ) -> Result<Summary, StoreError> {
        self.scan(move |conn| {
            let counts = counts(conn, owner.as_ref(), now, advance)?;
            let ever = Some(Span::from(Duration::MAX));
            let query = KeyQuery {
                state: Some(KeyState::Active),
                expiring_within: ever,
                owner,
                ..KeyQuery::default()
            };
            let listing = Listing::new(query, (now, advance), NEXT);
            Ok(Summary { counts, next: list::page(conn, &listing)?.0 })
        })
        .await
    }
}

fn counts(
    conn: Conn<'_>,
    owner: Option<&UserName>,
    now: UnixTime,
    advance: Duration,
) -> sql::Result<KeySummary> {
    let soon = now + advance;
    let mut values = vec![now.value(), soon.value()];
    let condition = if let Some(owner) = owner {
        values.push(owner.as_str().value());
        "WHERE owner = ?3"
    } else {
        ""
    };
    let count = format!(
        "SELECT state, CASE WHEN expires <= ?1 THEN 'expired' WHEN expires <= ?2 THEN 'expiring' ELSE 'valid' END, count(*)
        FROM api_key {condition} GROUP BY 1, 2"
    );
    let rows = conn.query(&count, &values, |row| Ok((row.parsed(0)?, row.parsed(1)?, row.number(2)?)))?;
    let mut summary = KeySummary::default();
    for (state, standing, count) in rows {
        let count: u64 = count;
        if let Some(place) = place(&mut summary, state, standing) {
            *place += count;
        }
    }
    Ok(summary)
}

/// Each key counts once; what is deleted does not.
const fn place(summary: &mut KeySummary, state: KeyState, standing: Standing) -> Option<&mut u64> {
    Some(match (state, standing) {
        (KeyState::Active, Standing::Valid) => &mut summary.valid,
        (KeyState::Active, Standing::Expiring) => &mut summary.expiring,
        (KeyState::Active | KeyState::Suspended, Standing::Expired) => &mut summary.expired,
        (KeyState::Suspended, Standing::Valid | Standing::Expiring) => &mut summary.suspended,
        (KeyState::Pending, _) => &mut summary.pending,
        (KeyState::Revoked, _) => &mut summary.revoked,
        (KeyState::Rejected, _) => &mut summary.rejected,
        (KeyState::Deleted, _) => return None,
    })
}
