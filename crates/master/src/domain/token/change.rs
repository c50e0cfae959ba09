//! What is done to API tokens, and by whom.

use gatepass_contract::id::TokenId;
use gatepass_contract::name::{RoleName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{CreateToken, EditToken, Expiry, UserState};

use super::admit::effective;
use super::{TokenKind, TokenRecord};
use crate::domain::apikey::ExpiryPolicy;
use crate::domain::people::{self, Directory, Giver, UserRecord, is_description, sorted};

/// Why a token is not created, edited or unlocked as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// What is given, or to whom, is not the giver's to give.
    #[error(transparent)]
    Giving(#[from] people::Unacceptable),
    /// It would be of no use.
    #[error("a token needs at least one role")]
    NoRole,
    /// Nobody has more through a token than without.
    #[error("{0} does not hold the role `{1}`")]
    NotHeld(UserName, RoleName),
    /// There is nobody it could be for.
    #[error("there is no active user `{0}`")]
    NoUser(UserName),
    /// Policy forbids it.
    #[error("tokens that never expire are not allowed here; name an instant")]
    Never,
    /// It would be over before it began.
    #[error("the expiry lies in the past")]
    Past,
    /// For whom it is meant cannot be served.
    #[error("making tokens for others needs token.manage")]
    Others,
}

impl Unacceptable {
    /// What the caller is told, beside the text.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Giving(why) => why.code(),
            Self::Others => Code::CapabilityMissing,
            Self::NoRole | Self::NotHeld(..) | Self::NoUser(_) | Self::Never | Self::Past => {
                Code::Unacceptable
            }
        }
    }
}

/// Who asks for what about tokens, and what names mean at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks, with what they may.
    pub giver: &'a Giver,
    /// What names mean.
    pub directory: &'a Directory,
    /// How long tokens may live.
    pub policy: ExpiryPolicy,
    /// When.
    pub now: UnixTime,
}

impl TokenRecord {
    /// A new API token for `user`, if whoever asks may make it.
    pub fn create(
        request: &CreateToken,
        id: TokenId,
        user: &UserRecord,
        asked: Asked<'_>,
    ) -> Result<Self, Unacceptable> {
        let token = Self {
            id,
            kind: TokenKind::Api,
            name: request.name.clone(),
            user: user.name.clone(),
            creator: asked.giver.user.clone(),
            description: description(&request.description)?,
            roles: sorted(&request.roles),
            enabled: true,
            expires: asked.end(request.expires)?,
            networks: request.networks.clone(),
            serial: 1,
            created: asked.now,
            updated: asked.now,
            last_used: None,
            version: 1,
        };
        token.fits(user, asked)?;
        Ok(token)
    }

    /// The same after an edit, if whoever asks may make it. `user`: whose it will be.
    pub fn edit(
        &self,
        request: &EditToken,
        user: &UserRecord,
        asked: Asked<'_>,
    ) -> Result<Self, Unacceptable> {
        let mut token = self.clone();
        if let Some(name) = &request.name {
            token.name.clone_from(name);
        }
        if let Some(text) = &request.description {
            token.description = description(text)?;
        }
        if let Some(roles) = &request.roles {
            token.roles = sorted(roles);
        }
        if let Some(expires) = request.expires {
            token.expires = asked.end(Some(expires))?;
        }
        if let Some(networks) = &request.networks {
            token.networks.clone_from(networks);
        }
        token.enabled = request.enabled.unwrap_or(token.enabled);
        if user.name != token.user {
            // The JWT in use names the former user.
            (token.user, token.serial) = (user.name.clone(), token.serial + 1);
        }
        if widens(request) {
            token.fits(user, asked)?;
        }
        (token.updated, token.version) = (asked.now, token.version + 1);
        Ok(token)
    }

    /// The same for a new JWT, if whoever asks may see it: it would let them do all that the token may.
    pub fn unlock(&self, user: &UserRecord, asked: Asked<'_>) -> Result<Self, Unacceptable> {
        asked.giver.gives(&effective(&self.roles, user, asked.directory))?;
        let (serial, version) = (self.serial + 1, self.version + 1);
        Ok(Self { serial, version, updated: asked.now, ..self.clone() })
    }

    /// The same, over.
    #[must_use]
    pub fn expire(&self, now: UnixTime) -> Self {
        let expires = match self.expires {
            Expiry::At(at) if at <= now => self.expires,
            Expiry::At(_) | Expiry::Never => Expiry::At(now),
        };
        Self { expires, updated: now, version: self.version + 1, ..self.clone() }
    }

    /// That the user holds its roles, and whoever asks has all they amount to.
    fn fits(&self, user: &UserRecord, asked: Asked<'_>) -> Result<(), Unacceptable> {
        if self.roles.is_empty() {
            return Err(Unacceptable::NoRole);
        }
        if user.state != UserState::Active {
            return Err(Unacceptable::NoUser(user.name.clone()));
        }
        asked.directory.may_give(asked.giver, &self.roles)?;
        let beyond = self.roles.iter().find(|role| !user.held_roles.contains(role));
        beyond.map_or(Ok(()), |role| Err(Unacceptable::NotHeld(user.name.clone(), role.clone())))
    }
}

/// Another name, another text, switching it off: that gives nobody anything.
const fn widens(request: &EditToken) -> bool {
    request.roles.is_some()
        || request.user.is_some()
        || request.expires.is_some()
        || request.networks.is_some()
        || matches!(request.enabled, Some(true))
}

fn description(text: &str) -> Result<String, Unacceptable> {
    if is_description(text) { Ok(text.to_owned()) } else { Err(people::Unacceptable::Description.into()) }
}

impl Asked<'_> {
    fn end(self, wanted: Option<Expiry>) -> Result<Expiry, Unacceptable> {
        match wanted {
            None => Ok(Expiry::At(self.now + self.policy.default)),
            Some(Expiry::Never) if !self.policy.never => Err(Unacceptable::Never),
            Some(Expiry::At(at)) if at <= self.now => Err(Unacceptable::Past),
            Some(expiry) => Ok(expiry),
        }
    }
}
