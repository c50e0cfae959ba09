//! Roles: made, edited.

use gatepass_contract::name::RoleName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, CreateRole, EditRole, RoleView};

use super::{Giver, Unacceptable, description, sorted};

/// A role as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRecord {
    /// What it is called.
    pub name: RoleName,
    /// For people.
    pub description: String,
    /// What its holders may do.
    pub capabilities: Vec<Capability>,
    /// Comes with the program: cannot be changed or deleted.
    pub builtin: bool,
    /// When it was made.
    pub created: UnixTime,
    /// Counts the edits.
    pub version: u64,
}

impl RoleRecord {
    /// A new role, if `giver` may make it.
    pub fn create(request: &CreateRole, giver: &Giver, now: UnixTime) -> Result<Self, Unacceptable> {
        Ok(Self {
            name: request.name.clone(),
            description: description(&request.description)?,
            capabilities: given(&request.capabilities, giver)?,
            builtin: false,
            created: now,
            version: 1,
        })
    }

    /// The same after an edit, if `giver` may make it.
    pub fn edit(&self, request: &EditRole, giver: &Giver) -> Result<Self, Unacceptable> {
        self.may_change(giver)?;
        let mut role = self.clone();
        if let Some(text) = &request.description {
            role.description = description(text)?;
        }
        if let Some(capabilities) = &request.capabilities {
            role.capabilities = given(capabilities, giver)?;
        }
        role.version += 1;
        Ok(role)
    }

    /// That it is the operator's own, and does not have more than `giver`.
    pub fn may_change(&self, giver: &Giver) -> Result<(), Unacceptable> {
        if self.builtin { Err(Unacceptable::Builtin) } else { giver.reaches(&self.capabilities) }
    }

    /// As it may be listed.
    #[must_use]
    pub fn view(&self) -> RoleView {
        RoleView {
            name: self.name.clone(),
            description: self.description.clone(),
            capabilities: self.capabilities.clone(),
            builtin: self.builtin,
            created: self.created,
            version: self.version,
        }
    }
}

fn given(capabilities: &[Capability], giver: &Giver) -> Result<Vec<Capability>, Unacceptable> {
    if let Some(&site) = capabilities.iter().find(|capability| capability.is_for_the_site()) {
        return Err(Unacceptable::SiteOnly(site));
    }
    giver.gives(capabilities)?;
    if capabilities.is_empty() { Err(Unacceptable::NoCapability) } else { Ok(sorted(capabilities)) }
}
