//! Who calls, with what, and what that may do at this moment.

use gatepass_contract::name::{GroupName, UserName};
use gatepass_contract::wire::admin::{CallerSelf, Capability, CredentialKind, Expiry};

use super::Refusal;
use super::audit::{Actor, Credential};

/// A caller who has shown a credential that is good here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose credential it is.
    pub user: UserName,
    /// What it is.
    pub credential: Credential,
    /// In words; a session is a token too.
    pub kind: CredentialKind,
    /// What it is called; empty for a session.
    pub name: String,
    /// As what it acts.
    pub groups: Vec<GroupName>,
    /// What it may do: already cut to what the user may at this moment.
    pub capabilities: Vec<Capability>,
    /// When it ends.
    pub expires: Expiry,
}

impl Principal {
    /// As the audit names them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.clone(), self.credential)
    }

    /// Whether they have a right.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// That they have a right, or why they are refused.
    pub fn may(&self, capability: Capability) -> Result<(), Refusal> {
        if self.has(capability) { Ok(()) } else { Err(Refusal::Lacks(capability)) }
    }

    /// Whether something of that user's is their own.
    #[must_use]
    pub fn is(&self, user: &UserName) -> bool {
        self.user == *user
    }

    /// Whether they may do to something of `owner`'s what `capability` allows for everybody's.
    #[must_use]
    pub fn reaches(&self, owner: &UserName, capability: Capability) -> bool {
        self.is(owner) || self.has(capability)
    }

    /// What they are told about themselves.
    #[must_use]
    pub fn view(&self) -> CallerSelf {
        let id = match self.credential {
            Credential::ApiKey(id) => id.to_string(),
            Credential::Token(id) => id.to_string(),
            Credential::Password => String::new(),
        };
        CallerSelf {
            user: self.user.clone(),
            credential: self.kind,
            id,
            name: self.name.clone(),
            groups: self.groups.clone(),
            capabilities: self.capabilities.clone(),
            expires: self.expires,
        }
    }
}
