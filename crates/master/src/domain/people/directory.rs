//! What names mean, and who may give what.

use std::collections::BTreeSet;

use gatepass_contract::name::{GroupName, RoleName, UserName};
use gatepass_contract::wire::admin::Capability;

use super::{GroupRecord, RoleRecord, Unacceptable};
use crate::domain::principal::Principal;

/// Everything that is given through names: what groups and roles mean at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// All groups.
    pub groups: Vec<GroupRecord>,
    /// All roles.
    pub roles: Vec<RoleRecord>,
}

/// What somebody holds in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Roles, each once, in order.
    pub roles: Vec<RoleName>,
    /// What they amount to, each once, in order.
    pub capabilities: Vec<Capability>,
}

impl Directory {
    /// What a user with these roles of their own and these groups holds. Names that mean nothing give nothing.
    #[must_use]
    pub fn rights(&self, own: &[RoleName], groups: &[GroupName]) -> Rights {
        let of_groups = self.groups.iter().filter(|group| groups.contains(&group.name));
        let all = own.iter().chain(of_groups.flat_map(|group| &group.roles));
        let roles: BTreeSet<_> = all.filter(|role| self.role(role).is_some()).cloned().collect();
        let roles: Vec<_> = roles.into_iter().collect();
        Rights { capabilities: self.capabilities(&roles), roles }
    }

    /// What these roles amount to, each once, in order.
    #[must_use]
    pub fn capabilities(&self, roles: &[RoleName]) -> Vec<Capability> {
        let known = roles.iter().filter_map(|role| self.role(role));
        let all: BTreeSet<_> = known.flat_map(|role| role.capabilities.iter().copied()).collect();
        all.into_iter().collect()
    }

    fn role(&self, name: &RoleName) -> Option<&RoleRecord> {
        self.roles.iter().find(|role| role.name == *name)
    }

    pub(super) fn known_roles(&self, names: &[RoleName]) -> Result<(), Unacceptable> {
        let unknown = names.iter().find(|name| self.role(name).is_none());
        unknown.map_or(Ok(()), |name| Err(Unacceptable::NoRole(name.clone())))
    }

    pub(super) fn known_groups(&self, names: &[GroupName]) -> Result<(), Unacceptable> {
        let unknown = names.iter().find(|&name| self.groups.iter().all(|group| group.name != *name));
        unknown.map_or(Ok(()), |name| Err(Unacceptable::NoGroup(name.clone())))
    }

    /// That these roles exist and `giver` has all they amount to.
    pub fn may_give(&self, giver: &Giver, roles: &[RoleName]) -> Result<(), Unacceptable> {
        self.known_roles(roles)?;
        giver.gives(&self.capabilities(roles))
    }
}

/// Who gives something, with what they may at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Giver {
    /// Who.
    pub user: UserName,
    /// What they may.
    pub capabilities: Vec<Capability>,
}

impl From<&Principal> for Giver {
    fn from(principal: &Principal) -> Self {
        Self { user: principal.user.clone(), capabilities: principal.capabilities.clone() }
    }
}

impl Giver {
    /// The same, cut to what their user may at another moment.
    #[must_use]
    pub fn cut_to(mut self, capabilities: &[Capability]) -> Self {
        self.capabilities.retain(|capability| capabilities.contains(capability));
        self
    }

    /// That they have all of these.
    pub fn gives(&self, capabilities: &[Capability]) -> Result<(), Unacceptable> {
        self.lacking(capabilities).map_or(Ok(()), |beyond| Err(Unacceptable::Exceeds(beyond)))
    }

    /// That who or what has these does not have more than they.
    pub fn reaches(&self, capabilities: &[Capability]) -> Result<(), Unacceptable> {
        self.lacking(capabilities).map_or(Ok(()), |beyond| Err(Unacceptable::Above(beyond)))
    }

    fn lacking(&self, capabilities: &[Capability]) -> Option<Capability> {
        capabilities.iter().copied().find(|capability| !self.capabilities.contains(capability))
    }
}
