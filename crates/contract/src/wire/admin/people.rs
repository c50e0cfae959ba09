//! Users, groups, roles, and who the caller is.

use serde::{Deserialize, Serialize};

use super::apikey::some;
use super::{Annotation, Capability, Expiry};
use crate::name::{GroupName, MailAddress, RoleName, UserName};
use crate::secret::{Password, ShownOnce};
use crate::time::UnixTime;
use crate::wire::words::words;

words! {
    /// What was done to a user.
    UserState, "state of a user" {
        /// May do what their roles say.
        Active = "active",
        /// May do nothing until enabled again, nor may anything of theirs.
        Disabled = "disabled",
        /// Gone but for the name, which is not given again.
        Deleted = "deleted",
    }
}

/// `POST /users`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateUser {
    /// Whom they sign in as; cannot be changed.
    pub name: UserName,
    /// What they are called; at most 128 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 128))]
    pub full_name: String,
    /// Where notices go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<MailAddress>,
    /// What they may do, by name; at most what the caller may.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// What they belong to; the roles of groups are theirs too.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// To sign in with; without one they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PATCH /users/{name}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditUser {
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 128))]
    pub full_name: Option<String>,
    /// Where notices go; `null`: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<MailAddress>))]
    pub email: Option<Option<MailAddress>>,
    /// `false` is felt by the very next request of theirs and of everything they own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What they may do from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
    /// What they belong to from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupName>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PUT /users/{name}/password`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetPassword {
    /// The new one.
    pub password: Password,
    /// The present one; whoever changes their own must know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<Password>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// A user as it may be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserView {
    /// Whom they sign in as.
    pub name: UserName,
    /// What they are called.
    pub full_name: String,
    /// Where notices go.
    pub email: Option<MailAddress>,
    /// What was done to them.
    pub state: UserState,
    /// Their own roles.
    pub roles: Vec<RoleName>,
    /// Their groups.
    pub groups: Vec<GroupName>,
    /// What all that amounts to.
    pub capabilities: Vec<Capability>,
    /// Whether they can sign in with a password.
    pub has_password: bool,
    /// When they were made.
    pub created: UnixTime,
    /// When they last signed in with it.
    pub last_sign_in: Option<UnixTime>,
    /// Counts the edits; in quotes it is the `ETag`.
    pub version: u64,
}

/// `POST /groups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateGroup {
    /// Cannot be changed.
    pub name: GroupName,
    /// For people; at most 256 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: String,
    /// What its members have; at most what the caller may.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PATCH /groups/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditGroup {
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: Option<String>,
    /// What its members have from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// A group as it may be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// What it is called.
    pub name: GroupName,
    /// For people.
    pub description: String,
    /// What its members have.
    pub roles: Vec<RoleName>,
    /// When it was made.
    pub created: UnixTime,
    /// Counts the edits; in quotes it is the `ETag`.
    pub version: u64,
}

/// `POST /roles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateRole {
    /// Cannot be changed.
    pub name: RoleName,
    /// For people; at most 256 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: String,
    /// What its holders may do; at most what the caller may, and nothing that is for site administrators only.
    pub capabilities: Vec<Capability>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PATCH /roles/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditRole {
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: Option<String>,
    /// What its holders may do from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// A role as it may be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleView {
    /// What it is called.
    pub name: RoleName,
    /// For people.
    pub description: String,
    /// What its holders may do.
    pub capabilities: Vec<Capability>,
    /// Part of Gatepass: cannot be changed or deleted.
    pub builtin: bool,
    /// When it was made.
    pub created: UnixTime,
    /// Counts the edits; in quotes it is the `ETag`.
    pub version: u64,
}

/// `POST /sessions`: a name and a password for a token of some hours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignIn {
    /// Who.
    pub user: UserName,
    /// Their password.
    pub password: Password,
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedIn {
    /// To be presented as Bearer.
    pub token: ShownOnce,
    /// When it ends.
    pub expires: UnixTime,
    /// Who signed in.
    pub caller: CallerSelf,
}

words! {
    /// With what a caller shows who they are.
    CredentialKind, "kind of credential" {
        /// An API key.
        ApiKey = "apikey",
        /// An API token.
        Token = "token",
        /// The token of a session.
        Session = "session",
    }
}

/// `GET /self`: who the caller is and what they may do at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallerSelf {
    /// Whose credential it is.
    pub user: UserName,
    /// What it is.
    pub credential: CredentialKind,
    /// Its id.
    pub id: String,
    /// Its name; empty for a session.
    pub name: String,
    /// As what it acts.
    pub groups: Vec<GroupName>,
    /// What it may do.
    pub capabilities: Vec<Capability>,
    /// When it ends.
    pub expires: Expiry,
}
