//! The audit: what happened, in records that each carry the hash of the one before.
//!
//! Invariant: nobody can change, remove or insert a record without every later hash giving it away. [`verify`] needs
//! nothing but the records, so an export can be checked anywhere.

use std::fmt;
use std::net::IpAddr;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, KeyId, RequestId};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use serde::{Deserialize, Serialize};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who has not shown who they are.
    Anonymous,
    /// Who held this API key.
    ApiKey(KeyId),
    /// The agent itself.
    Agent(AgentId),
    /// The master, of its own accord or at its console.
    Master,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::ApiKey(id) => write!(f, "apikey:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Master => f.write_str("master"),
        }
    }
}

/// What was done, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Signing keys and the first API key were made.
    Found,
    /// An API key was created.
    KeyCreate,
    /// An API key was suspended.
    KeySuspend,
    /// An API key was taken into use again.
    KeyResume,
    /// An API key was revoked.
    KeyRevoke,
    /// An agent enrolled.
    AgentEnrol,
    /// An agent got its next generation.
    AgentRenew,
    /// An agent got a fresh token for the generation it has.
    AgentRefresh,
    /// An agent reported.
    AgentReport,
    /// An agent said good-bye.
    AgentDeregister,
    /// An agent was cut off.
    AgentRevoke,
    /// Somebody asked for what only some may see.
    Read,
}

impl Action {
    /// As in the records; never changes its meaning.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "master.found",
            Self::KeyCreate => "key.create",
            Self::KeySuspend => "key.suspend",
            Self::KeyResume => "key.resume",
            Self::KeyRevoke => "key.revoke",
            Self::AgentEnrol => "agent.enrol",
            Self::AgentRenew => "agent.renew",
            Self::AgentRefresh => "agent.refresh",
            Self::AgentReport => "agent.report",
            Self::AgentDeregister => "agent.deregister",
            Self::AgentRevoke => "agent.revoke",
            Self::Read => "read",
        }
    }
}

/// To whom or what it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Nothing in particular, or nothing that exists.
    None,
    /// An API key.
    ApiKey(KeyId),
    /// An agent.
    Agent(AgentId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::ApiKey(id) => write!(f, "apikey:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
        }
    }
}

/// Because of what something is written: who asked, from where, when, in which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The request; the caller was told the same id.
    pub request: RequestId,
    /// Who asked.
    pub actor: Actor,
    /// From where.
    pub from: IpAddr,
    /// When, by the master's clock.
    pub at: UnixTime,
}

/// What is to be recorded; the chain gives it its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was done, or refused.
    pub action: Action,
    /// To whom.
    pub subject: Subject,
    /// `None` when it was done, else why not.
    pub refused: Option<Code>,
    /// What else is worth knowing; a JSON object.
    pub detail: serde_json::Value,
}

/// One record, as it is stored and exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Counts from one, without gaps.
    pub seq: u64,
    /// When, by the master's clock.
    pub at: UnixTime,
    /// In which request.
    pub request: RequestId,
    /// Who, see [`Actor`].
    pub actor: String,
    /// What, see [`Action`].
    pub action: String,
    /// To whom, see [`Subject`].
    pub subject: String,
    /// `done`, or the code of the refusal.
    pub outcome: String,
    /// From where.
    pub from: IpAddr,
    /// JSON, kept as the very text that was hashed.
    pub detail: String,
    /// The hash of the record before; of the first one, all zeros.
    pub previous: Sha256,
    /// SHA-256 over everything above.
    pub hash: Sha256,
}

/// Where the chain ends at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record; 0 for none.
    pub seq: u64,
    /// Its hash.
    pub hash: Sha256,
}

impl Head {
    /// Of an empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: Sha256([0; 32]) };

    /// The record that follows it.
    #[must_use]
    pub fn append(self, cause: &Cause, event: &Event) -> Record {
        let mut record = Record {
            seq: self.seq + 1,
            at: cause.at,
            request: cause.request,
            actor: cause.actor.to_string(),
            action: event.action.as_str().to_owned(),
            subject: event.subject.to_string(),
            outcome: event.refused.map_or(DONE, Code::as_str).to_owned(),
            from: cause.from,
            detail: event.detail.to_string(),
            previous: self.hash,
            hash: Sha256([0; 32]),
        };
        record.hash = record.expected_hash();
        record
    }
}

impl Record {
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
}

/// Follows a chain from `start` ([`Head::EMPTY`] for a whole one) and tells where it ends, or the first record that does
/// not fit.
pub fn verify(start: Head, records: impl IntoIterator<Item = Record>) -> Result<Head, Broken> {
    records.into_iter().try_fold(start, follow)
}

/// One step of [`verify`], for records that come one by one.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a fold")]
pub fn follow(head: Head, record: Record) -> Result<Head, Broken> {
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
const DONE: &str = "done";
