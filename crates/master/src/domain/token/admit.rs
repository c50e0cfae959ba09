//! Whom a user's JWT lets in, and what it says.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_contract::name::RoleName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::usertoken::Claims;
use gatepass_contract::wire::admin::{Capability, CredentialKind, Expiry, Standing, UserState};

use super::{TokenKind, TokenRecord};
use crate::domain::Refusal;
use crate::domain::audit::Credential;
use crate::domain::people::{Directory, UserRecord};
use crate::domain::principal::Principal;

/// A token, and all that it depends on, as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token.
    pub token: TokenRecord,
    /// Its user.
    pub user: UserRecord,
    /// What it may do.
    pub capabilities: Vec<Capability>,
}

impl TokenHolder {
    /// Puts them together.
    #[must_use]
    pub fn new(token: TokenRecord, user: UserRecord, directory: &Directory) -> Self {
        let capabilities = match token.kind {
            TokenKind::Session => user.capabilities.clone(),
            TokenKind::Api => effective(&token.roles, &user, directory),
        };
        Self { token, user, capabilities }
    }

    /// Who calls with one of its JWTs, if that is good here and now.
    pub fn admit(self, shown: &Claims, from: IpAddr, now: UnixTime) -> Result<Principal, Refusal> {
        let Self { token, user, capabilities } = self;
        let number = shown.jti.number;
        if number != token.serial || shown.sub != token.user {
            return Err(Refusal::TokenSuperseded { number, last: token.serial });
        }
        if let Some(at) = shown.ended(now) {
            return Err(Refusal::TokenExpired { at });
        }
        if !token.enabled {
            return Err(Refusal::TokenDisabled);
        }
        if let (Expiry::At(at), Standing::Expired) = (token.expires, token.standing(now, Duration::ZERO)) {
            return Err(Refusal::TokenExpired { at });
        }
        if !(token.networks.is_empty() || token.networks.iter().any(|network| network.contains(from))) {
            return Err(Refusal::Network);
        }
        if user.state != UserState::Active {
            return Err(Refusal::OwnerInactive);
        }
        let (kind, name) = match token.kind {
            TokenKind::Api => (CredentialKind::Token, token.name.to_string()),
            TokenKind::Session => (CredentialKind::Session, String::new()),
        };
        Ok(Principal {
            user: user.name,
            credential: Credential::Token(token.id),
            kind,
            name,
            groups: user.groups,
            capabilities,
            expires: token.expires,
        })
    }
}

/// What a token with these roles may do for that user: of the roles, those that the user holds at that moment.
pub(super) fn effective(roles: &[RoleName], user: &UserRecord, directory: &Directory) -> Vec<Capability> {
    let held: Vec<_> = roles.iter().filter(|role| user.held_roles.contains(role)).cloned().collect();
    directory.capabilities(&held)
}

/// Who stands in a JWT besides the token.
#[derive(Debug, Clone, Copy)]
pub struct Issuance<'a> {
    /// The master's issuer name.
    pub issuer: &'a str,
    /// Who may accept it.
    pub audience: &'a [String],
    /// How far the beginning is set back, for verifiers whose clocks are behind.
    pub backdate: Duration,
}

impl TokenHolder {
    /// What the JWT says.
    #[must_use]
    pub fn claims(&self, by: Issuance<'_>) -> Claims {
        let scope: Vec<_> = self.capabilities.iter().map(|capability| capability.as_str()).collect();
        let roles = match self.token.kind {
            TokenKind::Api => &self.token.roles,
            TokenKind::Session => &self.user.held_roles,
        };
        // By when the token was last changed: a repeated request gets the same JWT.
        let made = self.token.updated;
        Claims {
            iss: by.issuer.to_owned(),
            sub: self.token.user.clone(),
            aud: by.audience.to_vec(),
            iat: made.seconds(),
            nbf: (made - by.backdate).seconds(),
            exp: match self.token.expires {
                Expiry::At(at) => Some(at.seconds()),
                Expiry::Never => None,
            },
            jti: self.token.jti(),
            name: self.token.name.to_string(),
            roles: roles.clone(),
            groups: self.user.groups.clone(),
            scope: scope.join(" "),
        }
    }
}
