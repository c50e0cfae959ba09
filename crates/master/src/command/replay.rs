//! `gatepass-master audit replay`: after an old backup was restored, takes away again what was taken away since.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gatepass_contract::audit::{Head, Record, Verifier};
use gatepass_contract::id::ApprovalId;
use gatepass_contract::wire::admin::{
    AgentState, Annotation, Capability, CredentialKind, EditApiKey, EditToken, EditUser, Expiry, KeyState,
    Standing, UserState,
};

use super::audit::lines;
use super::{CommandError, configuration, once};
use crate::clock;
use crate::config::Config;
use crate::domain::apikey::{Act, KeyRules};
use crate::domain::audit::{Cause, Credential};
use crate::domain::people::{Giver, UserRecord};
use crate::domain::principal::Principal;
use crate::domain::replay::{KeyLoss, Since, Taken, TokenLoss, Told, UserLoss};
use crate::domain::version::Expected;
use crate::output::{answer, talk};
use crate::random;
use crate::serve;
use crate::store::{ChangeOrder, Moved, Settled, Store, Target, Written};

/// Shows what `export` tells was taken away since the backup, and with `apply` does it again.
pub(super) fn replay(dir: &Path, export: &Path, apply: bool) -> Result<(), CommandError> {
    let config = configuration(dir)?;
    let store = serve::open(dir, &config)?;
    once(async {
        let since = since(&store, export).await?;
        let hand = Hand::of(&store, &config).await?;
        let mut left = 0;
        for told in &since.taken {
            let mut outcome = hand.standing(told).await?;
            if apply && outcome == Outcome::ToDo {
                outcome = hand.take(told).await?;
            }
            left += u32::from(matches!(outcome, Outcome::ToDo | Outcome::Refused(_)));
            answer(format_args!("{}  {outcome}", line(&told.record)))?;
        }
        for (record, why) in &since.doubtful {
            answer(format_args!("{}  look at it: {why}", line(record)))?;
        }
        if left > 0 && !apply {
            talk("gatepass-master: hint: do what is to do again with --apply");
        }
        store.close().await;
        Ok::<_, CommandError>(())
    })
}

fn line(record: &Record) -> String {
    let Record { seq, at, action, subject, actor, .. } = record;
    format!("{seq:>8}  {at}  {action:<14}  {subject}  by {actor}")
}

/// What the export tells of the time after the backup.
async fn since(store: &Store, export: &Path) -> Result<Since, CommandError> {
    let (mut verifier, mut heads) = (Verifier::new(), Vec::new());
    for line in lines(export)? {
        let record = verifier.line(&line?)?;
        if heads.is_empty() && record.before() != Head::EMPTY {
            heads.push(record.before());
        }
        heads.push(record.head());
    }
    let last = last_common(store, &heads).await?.ok_or(CommandError::OtherAudit)?;
    let mut since = Since::default();
    for line in lines(export)? {
        let record: Record = serde_json::from_str(&line?).map_err(std::io::Error::other)?;
        if record.seq > last.seq {
            since.note(&record);
        }
    }
    Ok(since)
}

/// Where both audits part. Up to there they are the same: each hash stands for everything before it.
async fn last_common(store: &Store, heads: &[Head]) -> Result<Option<Head>, CommandError> {
    let (mut common, mut beyond) = (0, heads.len());
    while common < beyond {
        let middle = common + (beyond - common) / 2;
        if is_common(store, heads[middle]).await? { common = middle + 1 } else { beyond = middle }
    }
    Ok(common.checked_sub(1).map(|last| heads[last]))
}

async fn is_common(store: &Store, head: Head) -> Result<bool, CommandError> {
    let next = store.audit_records(head.seq - 1, 1).await?;
    // Records that retention has dropped here lie before all that are left.
    Ok(next.first().is_some_and(|record| record.seq > head.seq || record.head() == head))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    ToDo,
    Done,
    Already,
    Absent,
    Refused(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToDo => f.write_str("to do"),
            Self::Done => f.write_str("done again"),
            Self::Already => f.write_str("nothing to do: it is so"),
            Self::Absent => f.write_str("nothing to do: it is not there"),
            Self::Refused(why) => write!(f, "REFUSED: {why}"),
        }
    }
}

/// Acts with the rights of an administrator; the audit names the master's console.
struct Hand<'a> {
    store: &'a Store,
    config: &'a Config,
    by: Principal,
    rules: Arc<KeyRules>,
}

impl<'a> Hand<'a> {
    async fn of(store: &'a Store, config: &'a Config) -> Result<Self, CommandError> {
        let users = store.list_users(None, u32::MAX >> 1).await?;
        let administrator =
            users.iter().find(|user| is_administrator(user)).ok_or(CommandError::NoAdministrator)?;
        let by = Principal {
            user: administrator.name.clone(),
            credential: Credential::Password,
            kind: CredentialKind::Session,
            name: String::new(),
            groups: Vec::new(),
            capabilities: Capability::ALL.to_vec(),
            expires: Expiry::Never,
        };
        Ok(Self { store, config, by, rules: config.policy().keys })
    }

    /// How it stands with what was taken away.
    async fn standing(&self, told: &Told) -> Result<Outcome, CommandError> {
        let now = clock::now();
        let so = match &told.taken {
            Taken::Key(id, loss) => {
                let key = self.store.shown_api_key(*id, now).await?.map(|shown| shown.key);
                key.map(|key| match loss {
                    KeyLoss::Suspended => key.state != KeyState::Active,
                    KeyLoss::Disabled => !key.enabled,
                    KeyLoss::Revoked => key.state == KeyState::Revoked,
                    KeyLoss::Rejected => key.state != KeyState::Pending,
                    KeyLoss::Deleted => key.state == KeyState::Deleted,
                })
            }
            Taken::Token(id, loss) => {
                let over = |token: &crate::domain::token::TokenRecord| {
                    token.standing(now, std::time::Duration::ZERO) == Standing::Expired
                };
                self.store.token(*id).await?.map(|token| match loss {
                    TokenLoss::Disabled => !token.enabled,
                    TokenLoss::Expired => over(&token),
                    TokenLoss::Deleted => false,
                })
            }
            Taken::User(name, loss) => self.store.user(name.clone()).await?.map(|user| match loss {
                UserLoss::Disabled => user.state != UserState::Active,
                UserLoss::Deleted => user.state == UserState::Deleted,
            }),
            Taken::Agent(id) => self.store.agent(*id).await?.map(|agent| agent.state != AgentState::Active),
        };
        Ok(match so {
            None => Outcome::Absent,
            Some(true) => Outcome::Already,
            Some(false) => Outcome::ToDo,
        })
    }

    /// Takes it away again.
    async fn take(&self, told: &Told) -> Result<Outcome, CommandError> {
        let cause = again(&told.record);
        let giver = Giver::from(&self.by);
        match &told.taken {
            Taken::Key(id, loss) => {
                let order = ChangeOrder {
                    id: *id,
                    act: act(*loss),
                    by: self.by.clone(),
                    expected: Expected::Any,
                    rules: Arc::clone(&self.rules),
                    request: ApprovalId(random::bytes()),
                    claim: None,
                };
                Ok(match self.store.change_api_key(cause, order).await? {
                    Written::Done(_) | Written::Again(..) => Outcome::Done,
                    Written::Refused(why) => Outcome::Refused(why.to_string()),
                    Written::Otherwise => Outcome::Absent,
                })
            }
            Taken::Token(id, loss) => {
                let Some(token) = self.store.token(*id).await? else { return Ok(Outcome::Absent) };
                let target = Target { id: *id, user: token.user, expected: Expected::Any };
                Ok(match loss {
                    TokenLoss::Expired => outcome(self.store.expire_token(cause, target).await?),
                    TokenLoss::Deleted => outcome(self.store.delete_token(cause, target).await?),
                    TokenLoss::Disabled => {
                        let off = EditToken { enabled: Some(false), ..EditToken::default() };
                        let policy = self.config.policy().token_expiry;
                        outcome(self.store.edit_token(cause, giver, target, (off, policy)).await?)
                    }
                })
            }
            Taken::User(name, UserLoss::Disabled) => {
                let off = EditUser { enabled: Some(false), ..EditUser::default() };
                let who = (name.clone(), Expected::Any);
                Ok(outcome(self.store.edit_user(cause, giver, who, off).await?))
            }
            Taken::User(name, UserLoss::Deleted) => {
                let who = (name.clone(), Expected::Any);
                Ok(outcome(self.store.delete_user(cause, giver, who).await?))
            }
            Taken::Agent(id) => Ok(match self.store.revoke_agent(cause, *id).await? {
                Moved::Done(_) => Outcome::Done,
                Moved::Illegal(_) => Outcome::Already,
                Moved::Unknown => Outcome::Absent,
            }),
        }
    }
}

fn is_administrator(user: &UserRecord) -> bool {
    user.state == UserState::Active && user.is_administrator()
}

fn act(loss: KeyLoss) -> Act {
    match loss {
        KeyLoss::Suspended => Act::Suspend,
        KeyLoss::Disabled => Act::Edit(EditApiKey { enabled: Some(false), ..EditApiKey::default() }),
        KeyLoss::Revoked => Act::Revoke,
        KeyLoss::Rejected => Act::Reject("rejected before the backup was restored".to_owned()),
        KeyLoss::Deleted => Act::Delete,
    }
}

fn outcome<T, E: fmt::Display>(settled: Settled<T, E>) -> Outcome {
    match settled {
        Settled::Done(_) => Outcome::Done,
        Settled::Refused(why) => Outcome::Refused(why.to_string()),
        Settled::InUse(by) => Outcome::Refused(format!("{by} still has it")),
        Settled::Unknown => Outcome::Absent,
        Settled::NameTaken | Settled::Outdated(_) | Settled::Otherwise => {
            Outcome::Refused("it was changed meanwhile".to_owned())
        }
    }
}

/// The cause of doing again what `record` tells.
fn again(record: &Record) -> Cause {
    let annotation = Annotation {
        category: "replay".to_owned(),
        text: format!(
            "a backup was restored; done before by {} at {} (record {})",
            record.actor, record.at, record.seq
        ),
        ticket: record.request.to_string(),
    };
    let cause = Cause::of_the_master(random::request_id(), clock::now());
    Cause { annotation: Some(annotation), ..cause }
}
