//! A database with more keys than anybody types in.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use gatepass_contract::digest::Sha256;
use gatepass_contract::secret::{ApiKey, Secret};
use gatepass_contract::time::UnixTime;
use rusqlite::{Connection, params};

use super::key_id;
use crate::clock::now;
use crate::master::Master;

/// How long before its end a key's owner is told.
pub(super) const ADVANCE: Duration = Duration::from_hours(5 * 24);
/// So many are to be told of at once.
pub(super) const DUE: u32 = 1_000;

/// The file, and what its keys pin.
pub(super) struct Filled {
    pub(super) file: PathBuf,
    pin: Sha256,
}

const OWNERS: u32 = 1_000;
const GROUPS: u32 = 100;

impl Filled {
    /// Puts `count` keys beside the master's own: of a thousand owners and a hundred groups, of every state, their ends
    /// spread over two years.
    pub(super) fn fill(master: &Master, count: u32) -> Result<Self> {
        let file = master.dir.path().join("master/gatepass.db");
        let pin = ApiKey::parse(master.administrator())?.pin();
        let mut connection = Connection::open(&file)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        people(&mut connection)?;
        let start = now();
        for portion in (0..count).step_by(50_000) {
            keys(&mut connection, portion..count.min(portion + 50_000), (start, count))?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        connection.execute_batch("ANALYZE")?;
        Ok(Self { file, pin })
    }

    /// The key of that number.
    pub(super) fn key(&self, number: u32) -> ApiKey {
        ApiKey::new(key_id(number), secret(number), self.pin)
    }
}

/// As whoever holds it sends it.
pub(super) fn text(key: &ApiKey) -> String {
    key.reveal().to_string()
}

fn secret(number: u32) -> Secret {
    Secret::new(Sha256::of(&number.to_le_bytes()).0)
}

fn people(connection: &mut Connection) -> Result<()> {
    let tx = connection.transaction()?;
    for owner in 0..OWNERS {
        tx.execute(
            "INSERT INTO account (name, full_name, email, state, password, roles, teams, held_roles, capabilities,
                created, last_sign_in, version)
            VALUES (?1, '', NULL, 'active', NULL, '[]', '[]', '[]', '[\"agent.enrol\"]', 0, NULL, 1)",
            [format!("owner-{owner}")],
        )?;
    }
    for group in 0..GROUPS {
        tx.execute(
            "INSERT INTO team (name, description, roles, created, version) VALUES (?1, '', '[]', 0, 1)",
            [format!("group-{group}")],
        )?;
    }
    Ok(tx.commit()?)
}

/// The first keys are good for long and in use: they are the ones that are shown to the master.
fn keys(
    connection: &mut Connection,
    numbers: std::ops::Range<u32>,
    (start, count): (UnixTime, u32),
) -> Result<()> {
    let tx = connection.transaction()?;
    {
        let mut insert = tx.prepare(INSERT)?;
        let mut join = tx.prepare("INSERT INTO api_key_team (team, api_key) VALUES (?1, ?2)")?;
        for number in numbers {
            let id = key_id(number).0;
            let group = format!("group-{}", number % GROUPS);
            let state = match number % 100 {
                97 => "suspended",
                98 | 99 => "revoked",
                _ => "active",
            };
            let expires = start + TWO_YEARS / count * number.max(count / 100);
            let due = number >= count - DUE;
            insert.execute(params![
                id,
                secret(number).digest().0,
                format!("key {number:07}"),
                format!("owner-{}", number % OWNERS),
                format!("[\"{group}\"]"),
                expires.0,
                state,
                start.0 - i64::from(number),
                if due { start.0 } else { (expires - ADVANCE).0.max(start.0 + 86_400_000) },
            ])?;
            join.execute(params![group, id])?;
        }
    }
    Ok(tx.commit()?)
}

const TWO_YEARS: Duration = Duration::from_hours(2 * 365 * 24);

const INSERT: &str =
    "INSERT INTO api_key (id, secret, kind, name, description, owner, groups, capabilities, expires,
        networks, uses, state, created, used, creator, notify_at)
    VALUES (?1, ?2, 'service', ?3, '', ?4, ?5, '[\"agent.enrol\"]', ?6, '[]', NULL, ?7, ?8, 0, ?4, ?9)";
