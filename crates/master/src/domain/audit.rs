//! What the audit holds: who did what to whom, with what, from where, and why.
//!
//! The chain that makes it tamper-evident is [`gatepass_contract::audit`].

use std::fmt;
use std::net::IpAddr;

use gatepass_contract::audit::{DONE, Entry};
use gatepass_contract::id::{AgentId, ApprovalId, KeyId, NoticeId, RequestId, TokenId};
use gatepass_contract::name::{GroupName, RoleName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Annotation;
use serde_json::{Value, json};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who has not shown who they are.
    Anonymous,
    /// A user, or something that acts for one.
    User(UserName, Credential),
    /// The agent itself.
    Agent(AgentId),
    /// The master, of its own accord or at its console.
    Master,
}

/// With what a user showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey(KeyId),
    /// An API token, or the token of a session.
    Token(TokenId),
    /// A password.
    Password,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(name, Credential::ApiKey(id)) => write!(f, "user:{name}/apikey:{id}"),
            Self::User(name, Credential::Token(id)) => write!(f, "user:{name}/token:{id}"),
            Self::User(name, Credential::Password) => write!(f, "user:{name}/password"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Master => f.write_str("master"),
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What was done, or refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As in the records; never changes its meaning.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

actions! {
    /// Signing keys and the first API key were made.
    Found = "master.found",
    /// A backup was put in place of what there was.
    Restore = "master.restore",
    /// An API key was created.
    KeyCreate = "key.create",
    /// An API key was edited.
    KeyEdit = "key.edit",
    /// An API key got another end.
    KeyRenew = "key.renew",
    /// An API key got a second secret.
    KeyRotate = "key.rotate",
    /// An API key's former secret ended.
    KeyRetire = "key.retire",
    /// An API key was suspended.
    KeySuspend = "key.suspend",
    /// An API key was taken into use again.
    KeyResume = "key.resume",
    /// What waited for an API key was approved.
    KeyApprove = "key.approve",
    /// What waited for an API key was rejected.
    KeyReject = "key.reject",
    /// An API key was revoked.
    KeyRevoke = "key.revoke",
    /// An API key was deleted.
    KeyDelete = "key.delete",
    /// An API token was created.
    TokenCreate = "token.create",
    /// An API token was edited.
    TokenEdit = "token.edit",
    /// A new JWT was made for an API token.
    TokenUnlock = "token.unlock",
    /// An API token was ended.
    TokenExpire = "token.expire",
    /// An API token was deleted.
    TokenDelete = "token.delete",
    /// Somebody signed in.
    SignIn = "session.begin",
    /// Somebody signed out.
    SignOut = "session.end",
    /// A user was created.
    UserCreate = "user.create",
    /// A user was edited, enabled or disabled.
    UserEdit = "user.edit",
    /// A user's password was set.
    UserPassword = "user.password",
    /// A user was deleted.
    UserDelete = "user.delete",
    /// A group was created.
    GroupCreate = "group.create",
    /// A group was edited.
    GroupEdit = "group.edit",
    /// A group was deleted.
    GroupDelete = "group.delete",
    /// A role was created.
    RoleCreate = "role.create",
    /// A role was edited.
    RoleEdit = "role.edit",
    /// A role was deleted.
    RoleDelete = "role.delete",
    /// A test notice was asked for.
    NoticeTest = "notice.test",
    /// A notice was sent again.
    NoticeResend = "notice.resend",
    /// Old records were dropped from the front.
    AuditPrune = "audit.prune",
    /// An agent enrolled.
    AgentEnrol = "agent.enrol",
    /// An agent got its next generation.
    AgentRenew = "agent.renew",
    /// An agent got a fresh token for the generation it has.
    AgentRefresh = "agent.refresh",
    /// An agent reported.
    AgentReport = "agent.report",
    /// An agent said good-bye.
    AgentDeregister = "agent.deregister",
    /// An agent was cut off.
    AgentRevoke = "agent.revoke",
    /// Somebody asked for what only some may see.
    Read = "read",
}

/// To whom or what it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing in particular, or nothing that exists.
    None,
    /// An API key.
    ApiKey(KeyId),
    /// An API token, or a session.
    Token(TokenId),
    /// What waits for an approver.
    Approval(ApprovalId),
    /// A user.
    User(UserName),
    /// A group.
    Group(GroupName),
    /// A role.
    Role(RoleName),
    /// A notice.
    Notice(NoticeId),
    /// An agent.
    Agent(AgentId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::ApiKey(id) => write!(f, "apikey:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Approval(id) => write!(f, "approval:{id}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Notice(id) => write!(f, "notice:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
        }
    }
}

/// Because of what something is written: who asked, from where, when, in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The request; the caller was told the same id.
    pub request: RequestId,
    /// Who asked.
    pub actor: Actor,
    /// From where.
    pub from: IpAddr,
    /// When, by the master's clock.
    pub at: UnixTime,
    /// Why, in their own words.
    pub annotation: Option<Annotation>,
}

impl Cause {
    /// Of what the master does of its own accord, or what is asked for at its console.
    #[must_use]
    pub const fn of_the_master(request: RequestId, at: UnixTime) -> Self {
        let from = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        Self { request, actor: Actor::Master, from, at, annotation: None }
    }
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

/// What a change has changed, for the detail: the members that differ, before and after.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Value {
    let differing = |this: &Value, other: &Value| -> serde_json::Map<_, _> {
        let members = this.as_object().into_iter().flatten();
        let differing = members.filter(|(name, value)| other.get(name.as_str()) != Some(value));
        differing.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    json!({ "before": differing(before, after), "after": differing(after, before) })
}

impl Event {
    /// The entry for the chain. An annotation stands in the detail.
    #[must_use]
    pub fn entry(&self, cause: &Cause) -> Entry {
        let mut detail = self.detail.clone();
        if let (Some(annotation), Value::Object(members)) = (&cause.annotation, &mut detail) {
            members.insert("annotation".to_owned(), json!(annotation));
        }
        Entry {
            at: cause.at,
            request: cause.request,
            actor: cause.actor.to_string(),
            action: self.action.as_str().to_owned(),
            subject: self.subject.to_string(),
            outcome: self.refused.map_or(DONE, Code::as_str).to_owned(),
            from: cause.from,
            detail: detail.to_string(),
        }
    }
}
