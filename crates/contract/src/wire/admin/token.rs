//! API tokens: JWTs that a person or a script presents, bound to a user.

use serde::{Deserialize, Serialize};

use super::{Annotation, Expiry, LastUse, Standing};
use crate::id::TokenId;
use crate::name::{DisplayName, RoleName, UserName};
use crate::network::Network;
use crate::secret::ShownOnce;
use crate::time::UnixTime;

/// `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateToken {
    /// Unique on this master.
    pub name: DisplayName,
    /// For whom; the caller where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// For people; at most 256 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: String,
    /// What it may do, by name: one at least; the caller and the user must hold all of them.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub roles: Vec<RoleName>,
    /// When it ends; the master's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// From where it may be used; empty: anywhere.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// `PATCH /tokens/{id}`: what is absent stays. The JWT in use stays good as far as it is within all that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditToken {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Another user: ends the JWT in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// Another description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 256))]
    pub description: Option<String>,
    /// Other roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub roles: Option<Vec<RoleName>>,
    /// Another end. A JWT does not live longer than it was made for: unlock for a longer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    /// From where it may be used from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Network>>,
    /// Off: refused but kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation>,
}

/// An API token as it may be listed: never the JWT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenView {
    /// Which; the JWT's `jti` begins with it.
    pub id: TokenId,
    /// Unique on this master.
    pub name: DisplayName,
    /// Whose: `sub` of the JWT.
    pub user: UserName,
    /// Who made it.
    pub creator: UserName,
    /// For people.
    pub description: String,
    /// What it may do, as far as the user may at that moment.
    pub roles: Vec<RoleName>,
    /// Off: refused but kept.
    pub enabled: bool,
    /// When it ends.
    pub expires: Expiry,
    /// What time did to it.
    pub standing: Standing,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// How often a JWT was made for it: only the last one is good.
    pub unlocked: u64,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last edited.
    pub updated: UnixTime,
    /// To the minute.
    pub last_used: Option<LastUse>,
    /// Counts the edits; in quotes it is the `ETag`.
    pub version: u64,
}

/// The one reply that shows a JWT: at creation, and when it is unlocked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnlockedToken {
    /// Which.
    pub token: TokenView,
    /// The JWT: it cannot be shown again.
    pub jwt: ShownOnce,
}

/// Which tokens are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct TokenQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most, 1 to 500; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// Of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// With that very name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
}
