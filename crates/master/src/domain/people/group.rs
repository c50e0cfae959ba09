//! Groups: made, edited.

use gatepass_contract::name::{GroupName, RoleName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{CreateGroup, EditGroup, GroupView};

use super::{Directory, Giver, Unacceptable, description, sorted};

/// A group as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// What it is called.
    pub name: GroupName,
    /// For people.
    pub description: String,
    /// What its members have.
    pub roles: Vec<RoleName>,
    /// When it was made.
    pub created: UnixTime,
    /// Counts the edits.
    pub version: u64,
}

impl GroupRecord {
    /// A new group, if `giver` may make it.
    pub fn create(
        request: &CreateGroup,
        directory: &Directory,
        giver: &Giver,
        now: UnixTime,
    ) -> Result<Self, Unacceptable> {
        directory.may_give(giver, &request.roles)?;
        Ok(Self {
            name: request.name.clone(),
            description: description(&request.description)?,
            roles: sorted(&request.roles),
            created: now,
            version: 1,
        })
    }

    /// The same after an edit, if `giver` may make it.
    pub fn edit(
        &self,
        request: &EditGroup,
        directory: &Directory,
        giver: &Giver,
    ) -> Result<Self, Unacceptable> {
        self.may_change(directory, giver)?;
        let mut group = self.clone();
        if let Some(text) = &request.description {
            group.description = description(text)?;
        }
        if let Some(roles) = &request.roles {
            directory.may_give(giver, roles)?;
            group.roles = sorted(roles);
        }
        group.version += 1;
        Ok(group)
    }

    /// That it does not have more than `giver`.
    pub fn may_change(&self, directory: &Directory, giver: &Giver) -> Result<(), Unacceptable> {
        giver.reaches(&directory.capabilities(&self.roles))
    }

    /// As it may be listed.
    #[must_use]
    pub fn view(&self) -> GroupView {
        GroupView {
            name: self.name.clone(),
            description: self.description.clone(),
            roles: self.roles.clone(),
            created: self.created,
            version: self.version,
        }
    }
}
