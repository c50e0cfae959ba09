//! The audit's chain: records that each carry the hash of the one before.
//!
//! Invariant: nobody can change, remove or insert a record without every later hash giving it away. A [`Verifier`] needs
//! nothing but the records, so an export can be checked anywhere.
//!
//! Retention drops records from the front, and appends one of the action [`PRUNE`] that names the last one dropped: the
//! rest of the chain proves where it began.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::RequestId;
use crate::time::UnixTime;

/// One record, as it is stored and exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AuditRecord))]
pub struct Record {
    /// Counts from one, without gaps.
    pub seq: u64,
    /// When, by the master's clock.
    pub at: UnixTime,
    /// In which request.
    pub request: RequestId,
    /// Who, and with what: `anonymous`, `master`, `agent:<id>`, `user:<name>/apikey:<id>`, `user:<name>/token:<id>`.
    pub actor: String,
    /// What, like `key.revoke`.
    pub action: String,
    /// To whom or what, like `apikey:<id>`; empty for nothing in particular.
    pub subject: String,
    /// `done`, or the code of the refusal.
    pub outcome: String,
    /// From where.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Address))]
    pub from: IpAddr,
    /// JSON, kept as the very text that was hashed.
    pub detail: String,
    /// The hash of the record before; of the first one, all zeros.
    pub previous: Sha256,
    /// SHA-256 over everything above.
    pub hash: Sha256,
}

/// Where a chain ends, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record; 0 for none.
    pub seq: u64,
    /// Its hash.
    pub hash: Sha256,
}

/// What is to be recorded; the chain gives it its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// See [`Record::at`].
    pub at: UnixTime,
    /// See [`Record::request`].
    pub request: RequestId,
    /// See [`Record::actor`].
    pub actor: String,
    /// See [`Record::action`].
    pub action: String,
    /// See [`Record::subject`].
    pub subject: String,
    /// See [`Record::outcome`].
    pub outcome: String,
    /// See [`Record::from`].
    pub from: IpAddr,
    /// See [`Record::detail`].
    pub detail: String,
}

impl Head {
    /// Of an empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: Sha256([0; 32]) };

    /// The record that follows it.
    #[must_use]
    pub fn append(self, entry: Entry) -> Record {
        let mut record = Record {
            seq: self.seq + 1,
            at: entry.at,
            request: entry.request,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            outcome: entry.outcome,
            from: entry.from,
            detail: entry.detail,
            previous: self.hash,
            hash: Sha256([0; 32]),
        };
        record.hash = record.expected_hash();
        record
    }
}

impl Record {
    /// The head of the chain before it: where a chain begins whose front was pruned.
    #[must_use]
    pub const fn before(&self) -> Head {
        Head { seq: self.seq.saturating_sub(1), hash: self.previous }
    }

    /// The head of a chain that ends with it.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    fn expected_hash(&self) -> Sha256 {
        Sha256::of(&self.canonical())
    }

    /// Every field with its length before it: no two different records have the same encoding.
    fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256 + self.detail.len());
        bytes.extend_from_slice(FORMAT);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.extend_from_slice(&self.request.0);
        bytes.extend_from_slice(&self.previous.0);
        let from = self.from.to_string();
        for text in [&self.actor, &self.action, &self.subject, &self.outcome, &from, &self.detail] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

/// The first record that does not fit, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("audit record {seq} {why}")]
pub struct Broken {
    /// Its number, or the one it should have had.
    pub seq: u64,
    /// What is wrong with it.
    pub why: Flaw,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The one that should stand here is another one: something was removed, inserted or moved.
    #[error("is missing or out of place")]
    Place,
    /// It does not carry the hash of the one before.
    #[error("does not follow from the one before")]
    Previous,
    /// Its own hash is not that of its content.
    #[error("was changed after it was written")]
    Content,
    /// It has not the form of a record.
    #[error("cannot be read")]
    Form,
}

/// Follows a chain record by record, from its first one or from where a part of it begins.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    /// The end of what was before: known beforehand, or what the first record says.
    start: Option<Start>,
    head: Option<Head>,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    before: Head,
    vouched: Beginning,
}

/// What shows that nothing is missing at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// It begins with the first record there ever was.
    First,
    /// It goes on where a chain ends that was known beforehand.
    Continued,
    /// One of its records tells that those before were dropped, and what the last one's hash was.
    Pruned,
    /// Nothing: it is a part of a chain, or somebody has cut it.
    Unproven,
}

/// A chain that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Number of its first record.
    pub first: u64,
    /// Its last record.
    pub last: Head,
    /// What shows that nothing is missing before the first.
    pub beginning: Beginning,
}

impl Verifier {
    /// For a chain whose beginning is not known.
    #[must_use]
    pub const fn new() -> Self {
        Self { start: None, head: None }
    }

    /// For records that must go on where a known chain ends.
    #[must_use]
    pub const fn after(known: Head) -> Self {
        Self { start: Some(Start { before: known, vouched: Beginning::Continued }), head: None }
    }

    /// The next record of an export, as its line of JSON.
    pub fn line(&mut self, line: &str) -> Result<Record, Broken> {
        let expected = self.head.map_or(0, |head| head.seq) + 1;
        let record: Record =
            serde_json::from_str(line).map_err(|_| Broken { seq: expected, why: Flaw::Form })?;
        self.follow(&record)?;
        Ok(record)
    }

    /// The next record.
    pub fn follow(&mut self, record: &Record) -> Result<(), Broken> {
        let start = *self.start.get_or_insert_with(|| Start::of(record));
        let head = step(self.head.unwrap_or(start.before), record)?;
        self.head = Some(head);
        if start.vouched == Beginning::Unproven && record.tells_of(start.before) {
            self.start = Some(Start { vouched: Beginning::Pruned, ..start });
        }
        Ok(())
    }

    /// What it has seen so far; of no record at all, nothing.
    #[must_use]
    pub fn verified(&self) -> Option<Verified> {
        let (start, last) = (self.start?, self.head?);
        Some(Verified { first: start.before.seq + 1, last, beginning: start.vouched })
    }
}

impl Start {
    fn of(first: &Record) -> Self {
        let before = first.before();
        let whole = before == Head::EMPTY;
        Self { before, vouched: if whole { Beginning::First } else { Beginning::Unproven } }
    }
}

impl Record {
    /// Whether it tells that everything up to there was dropped.
    fn tells_of(&self, cut: Head) -> bool {
        self.action == PRUNE && serde_json::from_str(&self.detail).is_ok_and(|told: Head| told == cut)
    }
}

/// Follows a chain from `start` ([`Head::EMPTY`] for a whole one) and tells where it ends, or the first record that does
/// not fit.
pub fn verify(start: Head, records: impl IntoIterator<Item = Record>) -> Result<Head, Broken> {
    records.into_iter().try_fold(start, |head, record| step(head, &record))
}

fn step(head: Head, record: &Record) -> Result<Head, Broken> {
    let broken = |why| Err(Broken { seq: head.seq + 1, why });
    if record.seq != head.seq + 1 {
        broken(Flaw::Place)
    } else if record.previous != head.hash {
        broken(Flaw::Previous)
    } else if record.hash != record.expected_hash() {
        broken(Flaw::Content)
    } else {
        Ok(record.head())
    }
}

const FORMAT: &[u8] = b"gatepass-audit-1\0";
/// The outcome of what was not refused.
pub const DONE: &str = "done";
/// The action of a record that tells what was dropped from the front; its detail is the [`Head`] of that.
pub const PRUNE: &str = "audit.prune";

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str, detail: String) -> Entry {
        Entry {
            at: UnixTime(1_750_000_000_000),
            request: RequestId([7; 10]),
            actor: "user:ops/apikey:AAAAAAAAAAAAAAAA".to_owned(),
            action: action.to_owned(),
            subject: String::new(),
            outcome: DONE.to_owned(),
            from: IpAddr::from([192, 0, 2, 7]),
            detail,
        }
    }

    /// Ten records, the last one tells that the first four were dropped.
    fn chain() -> Vec<Record> {
        let mut chain: Vec<Record> = Vec::new();
        for seq in 1..=10 {
            let head = chain.last().map_or(Head::EMPTY, Record::head);
            let entry = match seq {
                10 => entry(PRUNE, serde_json::to_string(&chain[3].head()).expect("JSON")),
                _ => entry("key.edit", format!("{{\"seq\":{seq}}}")),
            };
            chain.push(head.append(entry));
        }
        chain
    }

    fn checked<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Option<Verified>, Broken> {
        let mut verifier = Verifier::new();
        records.into_iter().try_for_each(|record| verifier.follow(record))?;
        Ok(verifier.verified())
    }

    #[test]
    fn a_chain_holds_whole_pruned_and_in_part() {
        let chain = chain();
        for (records, beginning) in [
            (&chain[..], Beginning::First),
            (&chain[4..], Beginning::Pruned),
            (&chain[5..], Beginning::Unproven),
            (&chain[4..8], Beginning::Unproven),
        ] {
            let want = Verified { first: records[0].seq, last: records[records.len() - 1].head(), beginning };
            assert_eq!(checked(records), Ok(Some(want)));
        }
        assert_eq!(checked(&[]), Ok(None));
        let mut going_on = Verifier::after(chain[3].head());
        chain[4..].iter().try_for_each(|record| going_on.follow(record)).expect("it goes on");
        assert_eq!(going_on.verified().expect("records").beginning, Beginning::Continued);
        let elsewhere = Verifier::after(chain[2].head()).follow(&chain[4]);
        assert_eq!(elsewhere, Err(Broken { seq: 4, why: Flaw::Place }));
    }

    #[test]
    fn whatever_is_changed_is_named() {
        let change: [fn(&mut Record); 9] = [
            |record| record.at = UnixTime(record.at.0 + 1),
            |record| record.request.0[0] ^= 1,
            |record| record.actor.push('x'),
            |record| record.action.push('x'),
            |record| record.subject.push('x'),
            |record| record.outcome = "not-found".to_owned(),
            |record| record.from = IpAddr::from([192, 0, 2, 8]),
            |record| record.detail.push(' '),
            |record| record.hash.0[31] ^= 1,
        ];
        for change in change {
            for at in 0..10 {
                let mut chain = chain();
                change(&mut chain[at]);
                let found = checked(&chain).expect_err("it was changed");
                assert_eq!(found, Broken { seq: at as u64 + 1, why: Flaw::Content });
            }
        }
        let mut forged = chain();
        forged[5].detail.push(' ');
        forged[5].hash = forged[5].expected_hash();
        assert_eq!(checked(&forged), Err(Broken { seq: 7, why: Flaw::Previous }));
        let mut shorter = chain();
        shorter.remove(5);
        assert_eq!(checked(&shorter), Err(Broken { seq: 6, why: Flaw::Place }));
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let (mut verifier, chain) = (Verifier::new(), chain());
        let line = serde_json::to_string(&chain[0]).expect("JSON");
        assert_eq!(verifier.line(&line).as_ref(), Ok(&chain[0]));
        let more = line.replacen('{', "{\"note\":1,", 1);
        assert_eq!(verifier.line(&more), Err(Broken { seq: 2, why: Flaw::Form }));
    }
}
