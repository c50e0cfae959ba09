//! Creations that came before: recognised, inside the transaction that would create again.

use gatepass_contract::time::UnixTime;

use super::ledger::Ledger;
use super::sql::{self, params};
use crate::domain::idempotency::{Claim, KEPT, Repeated, Seen};

/// What is known of `claim` at `now`; of none, nothing.
pub(super) fn seen(ledger: &Ledger<'_>, claim: Option<&Claim>, now: UnixTime) -> sql::Result<Seen> {
    let Some(claim) = claim else { return Ok(Seen::Never) };
    let known = ledger.conn.one(
        "SELECT request, subject, at FROM idempotency WHERE actor = ?1 AND key = ?2 AND at > ?3",
        params![claim.user.as_str(), claim.key, now - KEPT],
        |row| {
            let before = Repeated { subject: row.text(1)?.to_owned(), at: row.instant(2)? };
            Ok((row.digest(0)?, before))
        },
    )?;
    Ok(match known {
        None => Seen::Never,
        Some((request, before)) if request == claim.request => Seen::Before(before),
        Some(_) => Seen::Otherwise,
    })
}

/// Keeps `claim` with what was created for it, and forgets what is too old.
pub(super) fn keep(
    ledger: &Ledger<'_>,
    claim: Option<&Claim>,
    subject: &str,
    now: UnixTime,
) -> sql::Result<()> {
    let Some(claim) = claim else { return Ok(()) };
    ledger.conn.execute("DELETE FROM idempotency WHERE at <= ?1", params![now - KEPT])?;
    ledger.conn.execute(
        "INSERT INTO idempotency (actor, key, request, subject, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![claim.user.as_str(), claim.key, claim.request, subject, now],
    )?;
    Ok(())
}
