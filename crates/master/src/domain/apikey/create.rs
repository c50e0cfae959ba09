//! What a new key may be.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::KeyId;
use gatepass_contract::name::{DisplayName, GroupName, RoleName, UserName};
use gatepass_contract::network::Network;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{Capability, CreateApiKey, Expiry, KeyKind, KeyState, UserState};

use super::record::ApiKeyRecord;
use crate::domain::people::{is_description, sorted};

/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 256;
/// More networks than anybody reads.
const MOST_NETWORKS: usize = 64;
/// More groups than anybody reads; they stand in every token.
const MOST_GROUPS: usize = 64;

/// What a key is to be, checked against the rules and the rights of its creator and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// For whom it acts.
    pub kind: KeyKind,
    /// Unique on this master.
    pub name: DisplayName,
    /// For people.
    pub description: String,
    /// Whose it is.
    pub owner: UserName,
    /// Who made it.
    pub creator: UserName,
    /// What its holders act as, each once, in order.
    pub groups: Vec<GroupName>,
    /// What it may do, each once, in order.
    pub capabilities: Vec<Capability>,
    /// The same by name, each once, in order.
    pub roles: Vec<RoleName>,
    /// When it ends.
    pub expires: Expiry,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// How many agents it may enrol; `None`: any number.
    pub uses: Option<u32>,
}

/// How long keys may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryPolicy {
    /// Where the request names no end.
    pub default: Duration,
    /// Whether a key may live for ever.
    pub never: bool,
    /// The most an end may lie ahead.
    pub longest: Option<Duration>,
}

impl Default for ExpiryPolicy {
    fn default() -> Self {
        Self { default: Duration::from_hours(365 * 24), never: false, longest: None }
    }
}

/// Who creates a key: it can do at most what they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creator<'a> {
    /// Who.
    pub user: &'a UserName,
    /// What they may do.
    pub capabilities: &'a [Capability],
}

/// Whose a key is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Who.
    pub user: &'a UserName,
    /// How they stand.
    pub state: UserState,
    /// What they may do.
    pub capabilities: &'a [Capability],
}

/// A role that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenRole {
    /// Which.
    pub name: RoleName,
    /// What it amounts to.
    pub capabilities: Vec<Capability>,
}

/// What people may, and what roles mean, at the moment a key is made.
#[derive(Debug, Clone, Copy)]
pub struct Rights<'a> {
    /// Who asks.
    pub creator: Creator<'a>,
    /// For whom; `None` where there is no such user.
    pub owner: Option<Owner<'a>>,
    /// Those of the request that exist.
    pub roles: &'a [GivenRole],
}

/// Why a key is not made, renewed or edited as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It would act as nobody.
    #[error("a service key needs at least one group")]
    NoGroup,
    /// It would be of no use.
    #[error("a key needs at least one capability or role")]
    NoCapability,
    /// It would exceed its creator.
    #[error("you cannot give {0}, which you do not have")]
    Exceeds(Capability),
    /// It is not for everybody to make such a key.
    #[error("{what} needs {need}, which you do not have")]
    NotYours {
        /// Which sort of key.
        what: &'static str,
        /// What it takes.
        need: Capability,
    },
    /// Nobody would answer for it.
    #[error("there is no active user `{0}`")]
    NoOwner(UserName),
    /// It would exceed its owner, and could not do it.
    #[error("`{owner}` does not have {capability}")]
    OwnerLacks {
        /// Whose the key was to be.
        owner: UserName,
        /// What they lack.
        capability: Capability,
    },
    /// It means nothing.
    #[error("there is no role `{0}`")]
    NoRole(RoleName),
    /// Policy forbids it.
    #[error("keys that never expire are not allowed here; name an instant")]
    Never,
    /// It would be over before it began.
    #[error("the expiry lies in the past")]
    Past,
    /// Policy forbids it.
    #[error("a key ends at {latest} at the latest")]
    TooLong {
        /// The latest end that policy allows.
        latest: UnixTime,
    },
    /// It has no end that could be changed.
    #[error("a key that never expires needs no renewal")]
    Endless,
    /// It would admit nobody.
    #[error("a key needs at least one use")]
    NoUses,
    /// What has happened cannot be taken back.
    #[error("the key has enrolled {used} agents already")]
    UsesBehind {
        /// How many.
        used: u32,
    },
    /// For a longer text there are other places.
    #[error("a description has at most {LONGEST_DESCRIPTION} characters and no control characters")]
    Description,
    /// It could be taken for another key's id.
    #[error("a key's name cannot have the form of a key id")]
    NameIsId,
    /// Nobody waits for an approver while a host is being set up.
    #[error("new keys wait here for somebody's consent: ask for an API key instead of using a password")]
    Consent,
    /// A list nobody can oversee.
    #[error("a key has at most {0} networks and {1} groups", MOST_NETWORKS, MOST_GROUPS)]
    TooMany,
    /// The requester would not learn why.
    #[error("a rejection needs a reason")]
    NoReason,
    /// Too long, or with control characters.
    #[error("a reason has at most {LONGEST_REASON} characters and no control characters")]
    Reason,
}

/// The longest reason of a decision, in characters.
pub(super) const LONGEST_REASON: usize = 1024;

impl Unacceptable {
    /// What the caller is told, beside the text.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Exceeds(_) | Self::NotYours { .. } => Code::CapabilityMissing,
            Self::NoGroup
            | Self::NoCapability
            | Self::NoOwner(_)
            | Self::OwnerLacks { .. }
            | Self::NoRole(_)
            | Self::Never
            | Self::Past
            | Self::TooLong { .. }
            | Self::Endless
            | Self::NoUses
            | Self::UsesBehind { .. }
            | Self::Description
            | Self::NameIsId
            | Self::Consent
            | Self::TooMany
            | Self::NoReason
            | Self::Reason => Code::Unacceptable,
        }
    }
}

impl NewApiKey {
    /// Checks a request against the rules; the only way to a new key.
    pub fn new(
        request: CreateApiKey,
        rights: Rights<'_>,
        policy: ExpiryPolicy,
        now: UnixTime,
    ) -> Result<Self, Unacceptable> {
        let creator = rights.creator;
        let owner = request.owner.unwrap_or_else(|| creator.user.clone());
        may_make(request.kind, &owner, creator)?;
        let (capabilities, roles) = (sorted(&request.capabilities), sorted(&request.roles));
        let all = all_capabilities(&capabilities, &roles, rights.roles)?;
        may_have(&all, rights, owner.clone())?;
        let key = Self {
            kind: request.kind,
            name: name(request.name)?,
            description: description(request.description)?,
            owner,
            creator: creator.user.clone(),
            groups: groups(request.kind, &request.groups)?,
            capabilities,
            roles,
            expires: policy.end(request.expires, now)?,
            networks: networks(request.networks)?,
            uses: request.uses,
        };
        if key.uses == Some(0) { Err(Unacceptable::NoUses) } else { Ok(key) }
    }

    /// The record to store, in use at once.
    #[must_use]
    pub const fn into_record(self, id: KeyId, secret: Sha256, now: UnixTime) -> ApiKeyRecord {
        ApiKeyRecord {
            id,
            secret,
            secret_number: 1,
            rotation: None,
            key: self,
            enabled: true,
            state: KeyState::Active,
            created: now,
            used: 0,
            last_used: None,
            version: 1,
        }
    }

    /// Its capabilities and those of `roles`, which are its own.
    #[must_use]
    pub fn with_roles(&self, roles: &[GivenRole]) -> Vec<Capability> {
        let of_roles = roles.iter().flat_map(|role| &role.capabilities);
        sorted(&self.capabilities.iter().chain(of_roles).copied().collect::<Vec<_>>())
    }
}

fn may_make(kind: KeyKind, owner: &UserName, creator: Creator<'_>) -> Result<(), Unacceptable> {
    let (what, need) = match kind {
        KeyKind::Service => ("a service key", Capability::KeyCreateService),
        KeyKind::Personal if owner != creator.user => {
            ("a key for somebody else", Capability::KeyCreateService)
        }
        KeyKind::Personal => ("a key of your own", Capability::KeyCreate),
    };
    if creator.capabilities.contains(&need) { Ok(()) } else { Err(Unacceptable::NotYours { what, need }) }
}

/// Everything the key is to have, from whichever side.
fn all_capabilities(
    own: &[Capability],
    roles: &[RoleName],
    known: &[GivenRole],
) -> Result<Vec<Capability>, Unacceptable> {
    let mut all = own.to_vec();
    for name in roles {
        let role = known.iter().find(|role| role.name == *name);
        all.extend(&role.ok_or_else(|| Unacceptable::NoRole(name.clone()))?.capabilities);
    }
    if all.is_empty() { Err(Unacceptable::NoCapability) } else { Ok(all) }
}

fn may_have(all: &[Capability], rights: Rights<'_>, owner: UserName) -> Result<(), Unacceptable> {
    let lacking = |held: &[Capability]| all.iter().copied().find(|capability| !held.contains(capability));
    if let Some(beyond) = lacking(rights.creator.capabilities) {
        return Err(Unacceptable::Exceeds(beyond));
    }
    let Some(standing) = rights.owner.filter(|owner| owner.state == UserState::Active) else {
        return Err(Unacceptable::NoOwner(owner));
    };
    let beyond = lacking(standing.capabilities);
    beyond.map_or(Ok(()), |capability| Err(Unacceptable::OwnerLacks { owner, capability }))
}

fn groups(kind: KeyKind, asked: &[GroupName]) -> Result<Vec<GroupName>, Unacceptable> {
    match sorted(asked) {
        none if none.is_empty() && kind == KeyKind::Service => Err(Unacceptable::NoGroup),
        many if many.len() > MOST_GROUPS => Err(Unacceptable::TooMany),
        groups => Ok(groups),
    }
}

/// A deleted key's row is named after its id: nobody else may be.
pub(super) fn name(name: DisplayName) -> Result<DisplayName, Unacceptable> {
    if name.as_str().parse::<KeyId>().is_ok() { Err(Unacceptable::NameIsId) } else { Ok(name) }
}

pub(super) fn description(text: String) -> Result<String, Unacceptable> {
    if is_description(&text) { Ok(text) } else { Err(Unacceptable::Description) }
}

pub(super) fn networks(networks: Vec<Network>) -> Result<Vec<Network>, Unacceptable> {
    if networks.len() > MOST_NETWORKS { Err(Unacceptable::TooMany) } else { Ok(networks) }
}

impl ExpiryPolicy {
    /// The end that is asked for, or the usual one, if it is allowed.
    pub fn end(self, asked: Option<Expiry>, now: UnixTime) -> Result<Expiry, Unacceptable> {
        let latest = self.longest.map(|longest| now + longest);
        match asked.unwrap_or(Expiry::At(now + self.default)) {
            Expiry::Never if !self.never => Err(Unacceptable::Never),
            Expiry::At(at) if at <= now => Err(Unacceptable::Past),
            // The last instant there is stands for never in the database.
            Expiry::At(at) if at > latest.unwrap_or(UnixTime(i64::MAX - 1)) => {
                Err(Unacceptable::TooLong { latest: latest.unwrap_or(UnixTime(i64::MAX - 1)) })
            }
            allowed @ (Expiry::At(_) | Expiry::Never) => Ok(allowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::apikey::sample::{HOUR, NOW, request, user};

    const RIGHTS: &[Capability] =
        &[Capability::AgentEnrol, Capability::AgentRead, Capability::KeyCreate, Capability::KeyCreateService];

    fn reader() -> GivenRole {
        GivenRole { name: "reader".parse().expect("a name"), capabilities: vec![Capability::AgentRead] }
    }

    fn create(
        request: CreateApiKey,
        held: &[Capability],
        policy: ExpiryPolicy,
    ) -> Result<NewApiKey, Unacceptable> {
        let root = user("root");
        let owner = request.owner.clone().unwrap_or_else(|| root.clone());
        let held_by_owner = if owner == root { RIGHTS } else { &[Capability::AgentEnrol] };
        let state = if owner == user("gone") { UserState::Deleted } else { UserState::Active };
        let owner = Owner { user: &owner, state, capabilities: held_by_owner };
        let creator = Creator { user: &root, capabilities: held };
        let rights = Rights { creator, owner: Some(owner), roles: &[reader()] };
        NewApiKey::new(request, rights, policy, NOW)
    }

    #[test]
    fn a_key_is_created_only_within_the_rules() {
        type Change = fn(&mut CreateApiKey);
        let lacks = |owner, capability| Unacceptable::OwnerLacks { owner: user(owner), capability };
        let table: [(Change, Unacceptable); 16] = [
            (|r| r.groups.clear(), Unacceptable::NoGroup),
            (|r| r.capabilities.clear(), Unacceptable::NoCapability),
            (|r| r.capabilities.push(Capability::KeyManage), Unacceptable::Exceeds(Capability::KeyManage)),
            (|r| r.expires = Some(Expiry::Never), Unacceptable::Never),
            (|r| r.expires = Some(Expiry::At(NOW)), Unacceptable::Past),
            (|r| r.expires = Some(Expiry::At(UnixTime(0))), Unacceptable::Past),
            (
                |r| r.expires = Some(Expiry::At(UnixTime(i64::MAX))),
                Unacceptable::TooLong { latest: UnixTime(i64::MAX - 1) },
            ),
            (|r| r.uses = Some(0), Unacceptable::NoUses),
            (|r| r.description = "ä".repeat(257), Unacceptable::Description),
            (|r| r.description = "\u{1b}[2J".to_owned(), Unacceptable::Description),
            (|r| r.name = KeyId([3; 10]).to_string().parse().expect("a name"), Unacceptable::NameIsId),
            (|r| r.networks = vec!["10.0.0.0/8".parse().expect("a network"); 65], Unacceptable::TooMany),
            (
                |r| r.roles = vec!["nothing".parse().expect("a name")],
                Unacceptable::NoRole("nothing".parse().expect("a name")),
            ),
            (|r| r.owner = Some(user("gone")), Unacceptable::NoOwner(user("gone"))),
            (
                |r| (r.owner, r.roles) = (Some(user("other")), vec![reader().name]),
                lacks("other", Capability::AgentRead),
            ),
            (
                |r| (r.owner, r.capabilities) = (Some(user("other")), vec![Capability::KeyCreate]),
                lacks("other", Capability::KeyCreate),
            ),
        ];
        for (change, want) in table {
            let mut request = request();
            change(&mut request);
            assert_eq!(create(request, RIGHTS, ExpiryPolicy::default()), Err(want));
        }
    }

    #[test]
    fn what_is_left_out_has_its_usual_value_and_lists_are_in_order() {
        let asked = CreateApiKey {
            kind: KeyKind::Personal,
            groups: Vec::new(),
            capabilities: vec![Capability::AgentRead, Capability::AgentEnrol, Capability::AgentRead],
            expires: None,
            ..request()
        };
        let key = create(asked, RIGHTS, ExpiryPolicy::default()).expect("allowed");
        assert_eq!(key.expires, Expiry::At(NOW + Duration::from_hours(365 * 24)));
        assert_eq!(key.capabilities, [Capability::AgentEnrol, Capability::AgentRead]);
        assert_eq!((key.owner, key.creator), (user("root"), user("root")));
    }

    #[test]
    fn which_keys_one_may_make_depends_on_what_one_has() {
        let own = CreateApiKey { kind: KeyKind::Personal, ..request() };
        let of_another = CreateApiKey { owner: Some(user("other")), ..own.clone() };
        let (personal, service) = (Capability::KeyCreate, Capability::KeyCreateService);
        for (request, held, need) in [
            (request(), personal, Some(service)),
            (request(), service, None),
            (own.clone(), service, Some(personal)),
            (own, personal, None),
            (of_another.clone(), personal, Some(service)),
            (of_another, service, None),
        ] {
            let made = create(request, &[held, Capability::AgentEnrol], ExpiryPolicy::default());
            let got = made.err().map(|why| {
                let Unacceptable::NotYours { need, .. } = why else { panic!("{why}") };
                need
            });
            assert_eq!(got, need);
        }
    }

    #[test]
    fn no_end_lies_further_ahead_than_policy_allows() {
        let policy = ExpiryPolicy { default: HOUR, never: true, longest: Some(HOUR * 2) };
        let latest = NOW + HOUR * 2;
        for (asked, want) in [
            (None, Ok(Expiry::At(NOW + HOUR))),
            (Some(Expiry::At(latest)), Ok(Expiry::At(latest))),
            (Some(Expiry::At(UnixTime(latest.0 + 1))), Err(Unacceptable::TooLong { latest })),
            (Some(Expiry::Never), Ok(Expiry::Never)),
        ] {
            assert_eq!(policy.end(asked, NOW), want, "{asked:?}");
        }
    }
}
