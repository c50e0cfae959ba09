//! API tokens and sessions: what may be created, and whom a user's JWT lets in.
//!
//! Invariants: of all the JWTs made for a token only the last one is good; a token may no more than its user may at that
//! moment, and only what it got by name.

mod admit;
mod change;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use gatepass_contract::id::TokenId;
use gatepass_contract::name::{DisplayName, RoleName, UserName};
use gatepass_contract::network::Network;
use gatepass_contract::time::UnixTime;
use gatepass_contract::usertoken::Serial;
use gatepass_contract::wire::admin::{Expiry, LastUse, Standing, TokenView};

use super::apikey;

pub use admit::{Issuance, TokenHolder};
pub use change::{Asked, Unacceptable};

/// What a user's JWT was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// For scripts, until it ends.
    Api,
    /// For a person who has signed in, for some hours.
    Session,
}

impl TokenKind {
    /// As in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Session => "session",
        }
    }
}

/// Neither an API token nor a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of token")]
pub struct NoSuchKind;

impl FromStr for TokenKind {
    type Err = NoSuchKind;
    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        [Self::Api, Self::Session].into_iter().find(|kind| kind.as_str() == text).ok_or(NoSuchKind)
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its `jti`s begin with it.
    pub id: TokenId,
    /// What it was made for.
    pub kind: TokenKind,
    /// Unique on this master; of a session: its id.
    pub name: DisplayName,
    /// Whose it is.
    pub user: UserName,
    /// Who made it.
    pub creator: UserName,
    /// For people.
    pub description: String,
    /// What it may do, by name; of a session: none, it may all that the user may.
    pub roles: Vec<RoleName>,
    /// Off: refused but kept.
    pub enabled: bool,
    /// When it ends.
    pub expires: Expiry,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// The number of the one JWT that is good.
    pub serial: u64,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last edited.
    pub updated: UnixTime,
    /// To the minute.
    pub last_used: Option<LastUse>,
    /// Counts the edits.
    pub version: u64,
}

impl TokenRecord {
    /// The token of a new session.
    #[must_use]
    pub fn session(id: TokenId, user: &UserName, now: UnixTime, lifetime: Duration) -> Self {
        Self {
            id,
            kind: TokenKind::Session,
            name: id.to_string().parse().expect("letters and digits"),
            user: user.clone(),
            creator: user.clone(),
            description: String::new(),
            roles: Vec::new(),
            enabled: true,
            expires: Expiry::At(now + lifetime),
            networks: Vec::new(),
            serial: 1,
            created: now,
            updated: now,
            last_used: None,
            version: 1,
        }
    }

    /// How it stands to time.
    #[must_use]
    pub fn standing(&self, now: UnixTime, advance: Duration) -> Standing {
        apikey::standing(self.expires, now, advance)
    }

    /// The one JWT of it that is good.
    #[must_use]
    pub const fn jti(&self) -> Serial {
        Serial { token: self.id, number: self.serial }
    }

    /// As it may be listed.
    #[must_use]
    pub fn view(&self, now: UnixTime, advance: Duration) -> TokenView {
        TokenView {
            id: self.id,
            name: self.name.clone(),
            user: self.user.clone(),
            creator: self.creator.clone(),
            description: self.description.clone(),
            roles: self.roles.clone(),
            enabled: self.enabled,
            expires: self.expires,
            standing: self.standing(now, advance),
            networks: self.networks.clone(),
            unlocked: self.serial,
            created: self.created,
            updated: self.updated,
            last_used: self.last_used,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepass_contract::wire::admin::{Capability, CreateToken, EditToken, UserState};

    use super::*;
    use crate::domain::Refusal;
    use crate::domain::apikey::ExpiryPolicy;
    use crate::domain::people::{self, BUILTIN, Directory, Giver, RoleRecord, UserRecord};

    const NOW: UnixTime = UnixTime(1_795_379_123_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn directory() -> Directory {
        let role = |builtin: &people::BuiltinRole| RoleRecord {
            name: builtin.role_name(),
            description: String::new(),
            capabilities: builtin.capabilities.to_vec(),
            builtin: true,
            created: NOW,
            version: 1,
        };
        Directory { groups: Vec::new(), roles: BUILTIN.iter().map(role).collect() }
    }

    fn roles(names: &[&str]) -> Vec<RoleName> {
        names.iter().map(|name| name.parse().expect("a role name")).collect()
    }

    fn user(held: &[&str]) -> UserRecord {
        UserRecord {
            name: "ann".parse().expect("a name"),
            full_name: String::new(),
            email: None,
            state: UserState::Active,
            has_password: false,
            roles: roles(held),
            groups: Vec::new(),
            held_roles: roles(held),
            capabilities: directory().capabilities(&roles(held)),
            created: NOW,
            last_sign_in: None,
            version: 1,
        }
    }

    fn request(wanted: &[&str]) -> CreateToken {
        CreateToken {
            name: "ci".parse().expect("a name"),
            user: None,
            description: String::new(),
            roles: roles(wanted),
            expires: Some(Expiry::At(NOW + HOUR)),
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            annotation: None,
        }
    }

    fn create(by: &[&str], of: &UserRecord, request: &CreateToken) -> Result<TokenRecord, Unacceptable> {
        let giver = Giver { user: of.name.clone(), capabilities: directory().capabilities(&roles(by)) };
        let (directory, policy) = (directory(), ExpiryPolicy::default());
        TokenRecord::create(
            request,
            TokenId([1; 10]),
            of,
            Asked { giver: &giver, directory: &directory, policy, now: NOW },
        )
    }

    #[test]
    fn a_token_is_created_only_within_the_rules() {
        let ann = user(&["operator", "auditor"]);
        assert!(create(&["operator"], &ann, &request(&["operator"])).is_ok());
        let exceeds = Unacceptable::Giving(people::Unacceptable::Exceeds(Capability::AgentEnrol));
        assert_eq!(create(&["auditor"], &ann, &request(&["operator"])), Err(exceeds));
        let not_held = Unacceptable::NotHeld(ann.name.clone(), "user".parse().expect("a role name"));
        assert_eq!(create(&["administrator"], &ann, &request(&["user"])), Err(not_held));
        assert_eq!(create(&["operator"], &ann, &request(&[])), Err(Unacceptable::NoRole));
        let disabled = UserRecord { state: UserState::Disabled, ..user(&["operator"]) };
        let nobody = Unacceptable::NoUser(ann.name.clone());
        assert_eq!(create(&["operator"], &disabled, &request(&["operator"])), Err(nobody));
        for (expires, why) in [(Expiry::Never, Unacceptable::Never), (Expiry::At(NOW), Unacceptable::Past)] {
            let request = CreateToken { expires: Some(expires), ..request(&["operator"]) };
            assert_eq!(create(&["operator"], &ann, &request), Err(why));
        }
    }

    /// What the last JWT of that token comes to, from there and then, after `change`.
    fn shown(change: impl FnOnce(&mut TokenRecord, &mut UserRecord)) -> Result<Vec<Capability>, Refusal> {
        let mut ann = user(&["operator", "auditor"]);
        let mut token = create(&["administrator"], &ann, &request(&["operator"])).expect("allowed");
        let by = Issuance { issuer: "https://localhost", audience: &[], backdate: HOUR };
        let claims = TokenHolder::new(token.clone(), ann.clone(), &directory()).claims(by);
        change(&mut token, &mut ann);
        let from = "10.1.2.3".parse().expect("an address");
        let admitted = TokenHolder::new(token, ann, &directory()).admit(&claims, from, NOW + HOUR / 2);
        admitted.map(|principal| principal.capabilities)
    }

    #[test]
    fn whatever_is_done_to_a_token_or_its_user_is_felt_at_once() {
        let all = directory().capabilities(&roles(&["operator"]));
        assert_eq!(shown(|_, _| {}), Ok(all));
        let superseded = Refusal::TokenSuperseded { number: 1, last: 2 };
        assert_eq!(shown(|token, _| token.serial = 2), Err(superseded));
        assert_eq!(shown(|token, _| token.enabled = false), Err(Refusal::TokenDisabled));
        assert_eq!(shown(|token, _| *token = token.expire(NOW)), Err(Refusal::TokenExpired { at: NOW }));
        let elsewhere = || vec!["192.0.2.0/24".parse().expect("a network")];
        assert_eq!(shown(|token, _| token.networks = elsewhere()), Err(Refusal::Network));
        assert_eq!(shown(|_, user| user.state = UserState::Disabled), Err(Refusal::OwnerInactive));
        assert_eq!(shown(|_, user| *user = super::tests::user(&["auditor"])), Ok(Vec::new()), "demoted");
        let longer = |token: &mut TokenRecord, _: &mut UserRecord| token.expires = Expiry::At(NOW + HOUR * 9);
        assert!(shown(longer).is_ok());
    }

    #[test]
    fn a_jwt_does_not_outlive_its_own_end() {
        let ann = user(&["operator"]);
        let token = create(&["operator"], &ann, &request(&["operator"])).expect("allowed");
        let holder = TokenHolder::new(token, ann, &directory());
        let by = Issuance { issuer: "https://localhost", audience: &[], backdate: HOUR };
        let claims = holder.claims(by);
        assert_eq!(claims.scope, "agent.enrol agent.read agent.revoke key.read");
        assert_eq!(claims.exp, Some((NOW + HOUR).seconds()));
        let mut longer = holder;
        longer.token.expires = Expiry::Never;
        assert_eq!(longer.claims(by).exp, None);
        let from = "10.1.2.3".parse().expect("an address");
        let late = longer.admit(&claims, from, NOW + HOUR);
        assert!(matches!(late, Err(Refusal::TokenExpired { .. })), "unlock it for a longer one");
    }

    #[test]
    fn nobody_edits_or_unlocks_their_way_to_more() {
        let ann = user(&["operator", "auditor"]);
        let token = create(&["administrator"], &ann, &request(&["auditor", "operator"])).expect("allowed");
        let (directory, policy) = (directory(), ExpiryPolicy::default());
        let narrow =
            Giver { user: ann.name.clone(), capabilities: directory.capabilities(&roles(&["auditor"])) };
        let asked = Asked { giver: &narrow, directory: &directory, policy, now: NOW };
        let exceeds = Unacceptable::Giving(people::Unacceptable::Exceeds(Capability::AgentEnrol));
        assert_eq!(token.unlock(&ann, asked), Err(exceeds.clone()));
        let anywhere = EditToken { networks: Some(Vec::new()), ..EditToken::default() };
        assert_eq!(token.edit(&anywhere, &ann, asked), Err(exceeds));
        let off = EditToken { enabled: Some(false), ..EditToken::default() };
        assert!(!token.edit(&off, &ann, asked).expect("less is always allowed").enabled);
        let wide = Giver { capabilities: Capability::ALL.to_vec(), ..narrow.clone() };
        let unlocked = token.unlock(&ann, Asked { giver: &wide, ..asked }).expect("allowed");
        assert_eq!((unlocked.serial, unlocked.version), (2, 2));
        let bob = UserRecord { name: "bob".parse().expect("a name"), ..user(&["operator", "auditor"]) };
        let moved = token.edit(
            &EditToken { user: Some(bob.name.clone()), ..EditToken::default() },
            &bob,
            Asked { giver: &wide, ..asked },
        );
        let moved = moved.expect("allowed");
        assert_eq!((moved.user, moved.serial), (bob.name, 2), "the JWT in use names somebody else");
    }
}
