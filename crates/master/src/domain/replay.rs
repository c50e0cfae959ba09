//! After an old backup was restored: what an audit tells was taken away since, and is there again.

use gatepass_contract::audit::{DONE, Record};
use gatepass_contract::id::{AgentId, KeyId, TokenId};
use gatepass_contract::name::UserName;
use serde_json::Value;

use super::audit::Action;

/// Something that was taken away, and can be taken away again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// From an API key.
    Key(KeyId, KeyLoss),
    /// From an API token.
    Token(TokenId, TokenLoss),
    /// From a user.
    User(UserName, UserLoss),
    /// An agent was revoked, or has deregistered.
    Agent(AgentId),
}

/// What an API key has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLoss {
    /// It was refused until further notice.
    Suspended,
    /// It was switched off.
    Disabled,
    /// It was refused for good.
    Revoked,
    /// It was never approved.
    Rejected,
    /// It was deleted.
    Deleted,
}

/// What an API token has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenLoss {
    /// It was switched off.
    Disabled,
    /// It was ended.
    Expired,
    /// It was deleted.
    Deleted,
}

/// What a user has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserLoss {
    /// They were disabled.
    Disabled,
    /// They were deleted.
    Deleted,
}

/// Something an audit tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What was taken from whom.
    pub taken: Taken,
    /// The record that tells it.
    pub record: Record,
}

/// What is to be done, gathered record by record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// What was taken away and not given back, in the order it was done.
    pub taken: Vec<Told>,
    /// What only a person can judge: secrets and rights that were replaced, and are good again now.
    pub doubtful: Vec<(Record, &'static str)>,
}

impl Since {
    /// Takes in the next record.
    pub fn note(&mut self, record: &Record) {
        let action = Action::ALL.iter().find(|action| action.as_str() == record.action);
        let Some(action) = action.filter(|_| record.outcome == DONE) else { return };
        if let Some(change) = change(*action, record) {
            match change {
                Change::Took(taken) => self.taken.push(Told { taken, record: record.clone() }),
                Change::GaveBack(taken) => self.taken.retain(|told| told.taken != taken),
            }
        } else if let Some(why) = doubt(*action) {
            self.doubtful.push((record.clone(), why));
        }
    }
}

enum Change {
    Took(Taken),
    GaveBack(Taken),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most actions take nothing from anybody")]
fn change(action: Action, record: &Record) -> Option<Change> {
    use Change::{GaveBack, Took};
    let subject = |kind: &str| record.subject.strip_prefix(kind)?.strip_prefix(':');
    let key = |loss| Some(Taken::Key(subject("apikey")?.parse().ok()?, loss));
    let token = |loss| Some(Taken::Token(subject("token")?.parse().ok()?, loss));
    let user = |loss| Some(Taken::User(subject("user")?.parse().ok()?, loss));
    let switched = |off: Option<Taken>| {
        let off = off?;
        enabled(record).map(|enabled| if enabled { GaveBack(off) } else { Took(off) })
    };
    match action {
        Action::KeySuspend => key(KeyLoss::Suspended).map(Took),
        Action::KeyResume => key(KeyLoss::Suspended).map(GaveBack),
        Action::KeyRevoke => key(KeyLoss::Revoked).map(Took),
        Action::KeyDelete => key(KeyLoss::Deleted).map(Took),
        // One that rejects a renewal or a rotation leaves the key as it is.
        Action::KeyReject if after(record, "state") == Some("rejected".into()) => {
            key(KeyLoss::Rejected).map(Took)
        }
        Action::KeyEdit => switched(key(KeyLoss::Disabled)),
        Action::TokenEdit => switched(token(TokenLoss::Disabled)),
        Action::TokenExpire => token(TokenLoss::Expired).map(Took),
        Action::TokenDelete => token(TokenLoss::Deleted).map(Took),
        Action::UserEdit => switched(user(UserLoss::Disabled)),
        Action::UserDelete => user(UserLoss::Deleted).map(Took),
        Action::AgentRevoke | Action::AgentDeregister => {
            Some(Took(Taken::Agent(subject("agent")?.parse().ok()?)))
        }
        _ => None,
    }
}

/// Whether the change has switched something on or off; `None`: neither.
fn enabled(record: &Record) -> Option<bool> {
    match after(record, "enabled").or_else(|| after(record, "state"))? {
        Value::Bool(enabled) => Some(enabled),
        Value::String(state) if state == "active" => Some(true),
        Value::String(state) if state == "disabled" => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn after(record: &Record, member: &str) -> Option<Value> {
    let detail: Value = serde_json::from_str(&record.detail).ok()?;
    detail.get("after")?.get(member).cloned()
}

/// Why somebody should look at it.
#[expect(clippy::wildcard_enum_match_arm, reason = "most actions replace nothing")]
const fn doubt(action: Action) -> Option<&'static str> {
    match action {
        Action::KeyRotate | Action::KeyRetire => {
            Some("the former secret is good again, the newer one is not")
        }
        Action::TokenUnlock => Some("the former JWT is good again, the newer one is not"),
        Action::UserPassword => Some("the former password is good again"),
        Action::KeyEdit | Action::TokenEdit => Some("what was narrowed by it is as wide as before"),
        Action::UserEdit
        | Action::GroupEdit
        | Action::GroupDelete
        | Action::RoleEdit
        | Action::RoleDelete => Some("rights that were taken by it are there again"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use gatepass_contract::audit::{Entry, Head};
    use gatepass_contract::id::RequestId;
    use gatepass_contract::time::UnixTime;

    use super::*;

    const KEY: &str = "apikey:AAAAAAAAAAAAAAAA";

    fn record((action, subject, detail): (Action, &str, &str)) -> Record {
        Head::EMPTY.append(Entry {
            at: UnixTime(0),
            request: RequestId([0; 10]),
            actor: "user:ops/password".to_owned(),
            action: action.as_str().to_owned(),
            subject: subject.to_owned(),
            outcome: DONE.to_owned(),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            detail: detail.to_owned(),
        })
    }

    fn since(history: &[(Action, &str, &str)]) -> Since {
        let mut since = Since::default();
        for &told in history {
            since.note(&record(told));
        }
        since
    }

    #[test]
    fn what_was_taken_and_not_given_back_is_told() {
        let key = |loss| Taken::Key("AAAAAAAAAAAAAAAA".parse().expect("an id"), loss);
        let user = |loss| Taken::User("ops".parse().expect("a name"), loss);
        let off = "{\"before\":{\"enabled\":true},\"after\":{\"enabled\":false}}";
        let on = "{\"before\":{\"enabled\":false},\"after\":{\"enabled\":true}}";
        for (history, want) in [
            (&[(Action::KeySuspend, KEY, "{}")][..], vec![key(KeyLoss::Suspended)]),
            (&[(Action::KeySuspend, KEY, "{}"), (Action::KeyResume, KEY, "{}")], vec![]),
            (
                &[
                    (Action::KeySuspend, KEY, "{}"),
                    (Action::KeyRevoke, KEY, "{}"),
                    (Action::KeyDelete, KEY, "{}"),
                ],
                vec![key(KeyLoss::Suspended), key(KeyLoss::Revoked), key(KeyLoss::Deleted)],
            ),
            (&[(Action::KeyEdit, KEY, off)], vec![key(KeyLoss::Disabled)]),
            (&[(Action::KeyEdit, KEY, off), (Action::KeyEdit, KEY, on)], vec![]),
            (
                &[(Action::KeyReject, KEY, "{\"after\":{\"state\":\"rejected\"}}")],
                vec![key(KeyLoss::Rejected)],
            ),
            (&[(Action::KeyReject, KEY, "{\"after\":{}}")], vec![]),
            (
                &[(Action::UserEdit, "user:ops", "{\"after\":{\"state\":\"disabled\"}}")],
                vec![user(UserLoss::Disabled)],
            ),
            (&[(Action::UserDelete, "user:ops", "{}")], vec![user(UserLoss::Deleted)]),
            (&[(Action::KeyRevoke, "", "{}")], vec![]),
        ] {
            let taken: Vec<_> = since(history).taken.into_iter().map(|told| told.taken).collect();
            assert_eq!(taken, want, "{history:?}");
        }
    }

    #[test]
    fn a_refusal_took_nothing() {
        let mut refused = record((Action::KeyRevoke, KEY, "{}"));
        refused.outcome = "illegal-move".to_owned();
        let mut since = Since::default();
        since.note(&refused);
        assert_eq!(since, Since::default());
    }

    #[test]
    fn what_only_a_person_can_judge_is_told_apart() {
        let since = since(&[
            (Action::KeyRotate, KEY, "{}"),
            (Action::UserEdit, "user:ops", "{\"after\":{\"roles\":[]}}"),
            (Action::KeyCreate, KEY, "{}"),
            (Action::AgentRenew, "agent:ABABABABABABABABABABABABABABABAB", "{}"),
        ]);
        assert!(since.taken.is_empty());
        let doubtful: Vec<_> = since.doubtful.iter().map(|(record, _)| record.action.as_str()).collect();
        assert_eq!(doubtful, ["key.rotate", "user.edit"]);
    }
}
