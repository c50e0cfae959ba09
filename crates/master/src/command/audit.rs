//! `gatepass-master audit`: the records printed, and their chain followed, in the database or in an export.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use gatepass_contract::audit::{Beginning, Verified, Verifier};

use super::{CommandError, configuration, once};
use crate::output::answer;
use crate::serve;
use crate::store::Store;

/// Every record as a line of JSON, oldest first.
pub(super) fn export(dir: &Path) -> Result<(), CommandError> {
    let store = open(dir)?;
    once(async {
        let mut after = 0;
        loop {
            let page = store.audit_records(after, RECORDS_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in &page {
                answer(serde_json::to_string(record).expect("a record is plain JSON"))?;
            }
        }
        store.close().await;
        Ok::<_, CommandError>(())
    })
}

const RECORDS_AT_ONCE: u32 = 1000;

/// Follows the chain in the database, or in an export of it.
pub(super) fn verify(dir: &Path, export: Option<&Path>) -> Result<(), CommandError> {
    let verified = match export {
        Some(export) => in_file(export)?,
        None => in_database(dir)?,
    };
    let Verified { first, last, beginning } = verified.ok_or(CommandError::NoAudit)?;
    let count = last.seq - first + 1;
    let beginning = match beginning {
        Beginning::Unproven => return Err(CommandError::Cut { first }),
        Beginning::First | Beginning::Continued => String::new(),
        Beginning::Pruned => {
            format!("{first} to {}, those before were dropped as the audit itself tells; ", last.seq)
        }
    };
    Ok(answer(format_args!("{count} records, {beginning}the last one has the hash {}", last.hash))?)
}

fn in_database(dir: &Path) -> Result<Option<Verified>, CommandError> {
    let store = open(dir)?;
    let verified = once(async {
        let verified = store.verified_audit().await;
        store.close().await;
        verified
    })?;
    Ok(verified?)
}

fn in_file(export: &Path) -> Result<Option<Verified>, CommandError> {
    let mut verifier = Verifier::new();
    for line in lines(export)? {
        verifier.line(&line?)?;
    }
    Ok(verifier.verified())
}

pub(super) fn lines(export: &Path) -> Result<impl Iterator<Item = std::io::Result<String>>, CommandError> {
    Ok(BufReader::new(File::open(export)?).lines())
}

fn open(dir: &Path) -> Result<Store, CommandError> {
    let config = configuration(dir)?;
    Ok(serve::open(dir, &config)?)
}
