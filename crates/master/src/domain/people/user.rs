//! Users: made, edited, deleted.

use gatepass_contract::name::{GroupName, MailAddress, RoleName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, CreateUser, EditUser, UserState, UserView};

use super::{ADMINISTRATOR, Directory, Giver, LONGEST_FULL_NAME, Unacceptable, sorted};

/// A user as they are stored. Their password is not here: see [`crate::password`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Whom they sign in as.
    pub name: UserName,
    /// What they are called.
    pub full_name: String,
    /// Where notices go.
    pub email: Option<MailAddress>,
    /// What was done to them.
    pub state: UserState,
    /// Whether they can sign in with a password.
    pub has_password: bool,
    /// Their own roles.
    pub roles: Vec<RoleName>,
    /// Their groups.
    pub groups: Vec<GroupName>,
    /// Their own roles and those of their groups.
    pub held_roles: Vec<RoleName>,
    /// What all those amount to.
    pub capabilities: Vec<Capability>,
    /// When they were made.
    pub created: UnixTime,
    /// When they last signed in with a password.
    pub last_sign_in: Option<UnixTime>,
    /// Counts the edits.
    pub version: u64,
}

impl UserRecord {
    /// A new user, if `giver` may make them.
    pub fn create(
        request: &CreateUser,
        directory: &Directory,
        giver: &Giver,
        now: UnixTime,
    ) -> Result<Self, Unacceptable> {
        let mut user = Self {
            name: request.name.clone(),
            full_name: full_name(&request.full_name)?,
            email: request.email.clone(),
            state: UserState::Active,
            has_password: request.password.is_some(),
            roles: sorted(&request.roles),
            groups: sorted(&request.groups),
            held_roles: Vec::new(),
            capabilities: Vec::new(),
            created: now,
            last_sign_in: None,
            version: 1,
        };
        user.settle(directory, giver)?;
        Ok(user)
    }

    /// The same after an edit, if `giver` may make it. `others`: whether another active user is an administrator.
    pub fn edit(
        &self,
        request: &EditUser,
        directory: &Directory,
        giver: &Giver,
        others: bool,
    ) -> Result<Self, Unacceptable> {
        giver.reaches(&self.capabilities)?;
        let mut user = self.clone();
        if let Some(name) = &request.full_name {
            user.full_name = full_name(name)?;
        }
        if let Some(email) = &request.email {
            user.email.clone_from(email);
        }
        if let Some(enabled) = request.enabled {
            user.state = if enabled { UserState::Active } else { UserState::Disabled };
        }
        if let Some(roles) = &request.roles {
            user.roles = sorted(roles);
        }
        if let Some(groups) = &request.groups {
            user.groups = sorted(groups);
        }
        user.settle(directory, giver)?;
        self.becomes(&user, others)?;
        user.version += 1;
        Ok(user)
    }

    /// The same after they are gone, if `giver` may do that. The name stays, so that nobody else ever bears it.
    pub fn delete(&self, giver: &Giver, others: bool) -> Result<Self, Unacceptable> {
        giver.reaches(&self.capabilities)?;
        let gone = Self {
            name: self.name.clone(),
            full_name: String::new(),
            email: None,
            state: UserState::Deleted,
            has_password: false,
            roles: Vec::new(),
            groups: Vec::new(),
            held_roles: Vec::new(),
            capabilities: Vec::new(),
            created: self.created,
            last_sign_in: self.last_sign_in,
            version: self.version + 1,
        };
        self.becomes(&gone, others)?;
        Ok(gone)
    }

    fn settle(&mut self, directory: &Directory, giver: &Giver) -> Result<(), Unacceptable> {
        directory.known_roles(&self.roles)?;
        directory.known_groups(&self.groups)?;
        let rights = directory.rights(&self.roles, &self.groups);
        giver.gives(&rights.capabilities)?;
        (self.held_roles, self.capabilities) = (rights.roles, rights.capabilities);
        Ok(())
    }

    fn becomes(&self, after: &Self, others: bool) -> Result<(), Unacceptable> {
        if self.is_administrator() && !after.is_administrator() && !others {
            Err(Unacceptable::LastAdministrator)
        } else {
            Ok(())
        }
    }

    /// Whether they are one of those who may do everything, and may do it now.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.state == UserState::Active && self.held_roles.iter().any(|role| role.as_str() == ADMINISTRATOR)
    }

    /// As they may be listed.
    #[must_use]
    pub fn view(&self) -> UserView {
        UserView {
            name: self.name.clone(),
            full_name: self.full_name.clone(),
            email: self.email.clone(),
            state: self.state,
            roles: self.roles.clone(),
            groups: self.groups.clone(),
            capabilities: self.capabilities.clone(),
            has_password: self.has_password,
            created: self.created,
            last_sign_in: self.last_sign_in,
            version: self.version,
        }
    }
}

pub(super) fn full_name(text: &str) -> Result<String, Unacceptable> {
    let fits = text.chars().count() <= LONGEST_FULL_NAME && !text.chars().any(char::is_control);
    if fits { Ok(text.trim().to_owned()) } else { Err(Unacceptable::FullName) }
}
