//! API keys: what may be created, what people may do to one, whom one lets in.
//!
//! The stored state is what people did; expiry is a fact about time. Invariants: revoked stays revoked; what a key may do
//! is a subset of what its creator may; nothing but [`standing`] says how a key stands to time.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::KeyId;
use gatepass_contract::name::{DisplayName, GroupName};
use gatepass_contract::secret::Secret;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{
    ApiKeyView, Capability, CreateApiKey, Expiry, KeyKind, KeyState, LastUse, Standing,
};
use ipnet::IpNet;

use super::refusal::Refusal;

/// The longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 256;

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its public half.
    pub id: KeyId,
    /// Digest of its secret half.
    pub secret: Sha256,
    /// What it was created as.
    pub key: NewApiKey,
    /// What people did to it.
    pub state: KeyState,
    /// When it was made.
    pub created: UnixTime,
    /// How many agents it has enrolled.
    pub used: u32,
    /// To the minute.
    pub last_used: Option<LastUse>,
}

/// What a key is to be, checked against the rules and its creator's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// For whom it acts.
    pub kind: KeyKind,
    /// Unique on this master.
    pub name: DisplayName,
    /// For people.
    pub description: String,
    /// Whose it is.
    pub owner: DisplayName,
    /// What its holders act as.
    pub groups: Vec<GroupName>,
    /// What it may do, each once, in order.
    pub capabilities: Vec<Capability>,
    /// When it ends.
    pub expires: Expiry,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<IpNet>,
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
}

impl Default for ExpiryPolicy {
    fn default() -> Self {
        Self { default: Duration::from_hours(365 * 24), never: false }
    }
}

/// Who creates a key: it will be theirs, and can do at most what they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creator<'a> {
    /// Becomes the new key's owner.
    pub owner: &'a DisplayName,
    /// What they may do.
    pub capabilities: &'a [Capability],
}

/// Why a key is not created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It would act as nobody.
    #[error("a service key needs at least one group")]
    NoGroup,
    /// It would be of no use.
    #[error("a key needs at least one capability")]
    NoCapability,
    /// It would exceed its creator.
    #[error("you cannot give {0}, which you do not have")]
    Exceeds(Capability),
    /// Policy forbids it.
    #[error("keys that never expire are not allowed here; name an instant")]
    Never,
    /// It would be over before it began.
    #[error("the expiry lies in the past")]
    Past,
    /// It would admit nobody.
    #[error("a key needs at least one use")]
    NoUses,
    /// For a longer text there are other places.
    #[error("the description has more than {LONGEST_DESCRIPTION} characters")]
    Description,
}

impl Unacceptable {
    /// What the caller is told, beside the text.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Exceeds(_) => Code::CapabilityMissing,
            Self::NoGroup
            | Self::NoCapability
            | Self::Never
            | Self::Past
            | Self::NoUses
            | Self::Description => Code::BadRequest,
        }
    }
}

impl NewApiKey {
    /// Checks a request against the rules; the only way to a new key.
    pub fn new(
        request: CreateApiKey,
        creator: Creator<'_>,
        policy: ExpiryPolicy,
        now: UnixTime,
    ) -> Result<Self, Unacceptable> {
        if request.kind == KeyKind::Service && request.groups.is_empty() {
            return Err(Unacceptable::NoGroup);
        }
        if request.uses == Some(0) {
            return Err(Unacceptable::NoUses);
        }
        if request.description.chars().count() > LONGEST_DESCRIPTION {
            return Err(Unacceptable::Description);
        }
        Ok(Self {
            kind: request.kind,
            name: request.name,
            description: request.description,
            owner: creator.owner.clone(),
            groups: request.groups,
            capabilities: granted(request.capabilities, creator.capabilities)?,
            expires: policy.end(request.expires, now)?,
            networks: request.networks,
            uses: request.uses,
        })
    }

    /// The record to store.
    #[must_use]
    pub const fn into_record(self, id: KeyId, secret: Sha256, now: UnixTime) -> ApiKeyRecord {
        ApiKeyRecord {
            id,
            secret,
            key: self,
            state: KeyState::Active,
            created: now,
            used: 0,
            last_used: None,
        }
    }
}

fn granted(mut asked: Vec<Capability>, held: &[Capability]) -> Result<Vec<Capability>, Unacceptable> {
    asked.sort_unstable();
    asked.dedup();
    if asked.is_empty() {
        return Err(Unacceptable::NoCapability);
    }
    match asked.iter().find(|asked| !held.contains(asked)) {
        Some(&beyond) => Err(Unacceptable::Exceeds(beyond)),
        None => Ok(asked),
    }
}

impl ExpiryPolicy {
    fn end(self, asked: Option<Expiry>, now: UnixTime) -> Result<Expiry, Unacceptable> {
        match asked {
            None => Ok(Expiry::At(now + self.default)),
            Some(Expiry::Never) if !self.never => Err(Unacceptable::Never),
            Some(Expiry::At(at)) if at <= now => Err(Unacceptable::Past),
            Some(expiry) => Ok(expiry),
        }
    }
}

/// What people do to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEvent {
    /// Refuse it until further notice.
    Suspend,
    /// Take it into use again.
    Resume,
    /// Refuse it for good.
    Revoke,
}

/// A change the key's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that is {state} cannot be {}", .event.done())]
pub struct IllegalMove {
    /// What people did to it before.
    pub state: KeyState,
    /// What was asked.
    pub event: KeyEvent,
}

impl KeyEvent {
    /// As in "the key was …".
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Revoke => "revoked",
        }
    }
}

/// The state after `event`. There is no way out of `Revoked`.
pub fn apply(state: KeyState, event: KeyEvent) -> Result<KeyState, IllegalMove> {
    match (state, event) {
        (KeyState::Active, KeyEvent::Suspend) => Ok(KeyState::Suspended),
        (KeyState::Suspended, KeyEvent::Resume) => Ok(KeyState::Active),
        (KeyState::Active | KeyState::Suspended, KeyEvent::Revoke) => Ok(KeyState::Revoked),
        (state, event) => Err(IllegalMove { state, event }),
    }
}

/// How something that ends stands to time: the one function for the API, the command line and the console.
/// `advance`: how long before its end it counts as expiring.
#[must_use]
pub fn standing(expires: Expiry, now: UnixTime, advance: Duration) -> Standing {
    match expires {
        Expiry::At(at) if at <= now => Standing::Expired,
        Expiry::At(at) if at <= now + advance => Standing::Expiring,
        Expiry::At(_) | Expiry::Never => Standing::Valid,
    }
}

impl ApiKeyRecord {
    /// How it stands to time.
    #[must_use]
    pub fn standing(&self, now: UnixTime, advance: Duration) -> Standing {
        standing(self.key.expires, now, advance)
    }

    /// Whether who brings `secret` may do what `need` says. The secret comes first, in constant time: only who holds it
    /// learns anything else.
    pub fn admit(
        &self,
        secret: &Secret,
        need: Capability,
        from: IpAddr,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        if secret.has_digest(&self.secret) { self.allows(need, from, now) } else { Err(Refusal::WrongSecret) }
    }

    /// All that [`Self::admit`] asks but the secret: what may change between the first look and the transaction.
    pub fn allows(&self, need: Capability, from: IpAddr, now: UnixTime) -> Result<(), Refusal> {
        match self.state {
            KeyState::Revoked => return Err(Refusal::KeyRevoked),
            KeyState::Suspended => return Err(Refusal::KeySuspended),
            KeyState::Active => {}
        }
        if let (Expiry::At(at), Standing::Expired) = (self.key.expires, self.standing(now, Duration::ZERO)) {
            return Err(Refusal::KeyExpired { at });
        }
        if !self.may_come_from(from) {
            return Err(Refusal::Network);
        }
        if self.key.capabilities.contains(&need) { Ok(()) } else { Err(Refusal::Lacks(need)) }
    }

    fn may_come_from(&self, from: IpAddr) -> bool {
        // A socket that listens on IPv6 shows IPv4 peers as ::ffff:a.b.c.d.
        let from = from.to_canonical();
        self.key.networks.is_empty() || self.key.networks.iter().any(|network| network.contains(&from))
    }

    /// Whether it may enrol one more agent. Asked after it is known that the public key is a new one: who fetches a lost
    /// answer again needs no use.
    pub fn has_use_left(&self) -> Result<(), Refusal> {
        match self.key.uses {
            Some(uses) if self.used >= uses => Err(Refusal::UsedUp),
            Some(_) | None => Ok(()),
        }
    }

    /// As it may be listed.
    #[must_use]
    pub fn view(&self, now: UnixTime, advance: Duration) -> ApiKeyView {
        let key = self.key.clone();
        ApiKeyView {
            id: self.id,
            kind: key.kind,
            name: key.name,
            description: key.description,
            owner: key.owner,
            groups: key.groups,
            capabilities: key.capabilities,
            state: self.state,
            standing: self.standing(now, advance),
            created: self.created,
            expires: key.expires,
            networks: key.networks,
            uses: key.uses,
            used: self.used,
            last_used: self.last_used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_379_123_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn request() -> CreateApiKey {
        CreateApiKey {
            kind: KeyKind::Service,
            name: "ci".parse().expect("a name"),
            description: String::new(),
            groups: vec!["db".parse().expect("a group")],
            capabilities: vec![Capability::AgentEnrol],
            expires: Some(Expiry::At(NOW + HOUR)),
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            uses: Some(1),
        }
    }

    fn create(request: CreateApiKey) -> Result<NewApiKey, Unacceptable> {
        let owner = "root".parse().expect("a name");
        let capabilities = &[Capability::AgentEnrol, Capability::KeyCreate];
        NewApiKey::new(request, Creator { owner: &owner, capabilities }, ExpiryPolicy::default(), NOW)
    }

    #[test]
    fn a_key_is_created_only_within_the_rules() {
        type Change = fn(&mut CreateApiKey);
        let table: [(Change, Unacceptable); 8] = [
            (|r| r.groups.clear(), Unacceptable::NoGroup),
            (|r| r.capabilities.clear(), Unacceptable::NoCapability),
            (|r| r.capabilities.push(Capability::KeyManage), Unacceptable::Exceeds(Capability::KeyManage)),
            (|r| r.expires = Some(Expiry::Never), Unacceptable::Never),
            (|r| r.expires = Some(Expiry::At(NOW)), Unacceptable::Past),
            (|r| r.expires = Some(Expiry::At(UnixTime(0))), Unacceptable::Past),
            (|r| r.uses = Some(0), Unacceptable::NoUses),
            (|r| r.description = "ä".repeat(257), Unacceptable::Description),
        ];
        for (change, want) in table {
            let mut request = request();
            change(&mut request);
            assert_eq!(create(request), Err(want));
        }
        let personal =
            CreateApiKey { kind: KeyKind::Personal, groups: Vec::new(), expires: None, ..request() };
        let year = Duration::from_hours(365 * 24);
        assert_eq!(create(personal).expect("allowed").expires, Expiry::At(NOW + year));
    }

    #[test]
    fn revoked_stays_revoked() {
        use KeyEvent::{Resume, Revoke, Suspend};
        use KeyState::{Active, Revoked, Suspended};
        for (state, event, want) in [
            (Active, Suspend, Some(Suspended)),
            (Active, Resume, None),
            (Active, Revoke, Some(Revoked)),
            (Suspended, Suspend, None),
            (Suspended, Resume, Some(Active)),
            (Suspended, Revoke, Some(Revoked)),
            (Revoked, Suspend, None),
            (Revoked, Resume, None),
            (Revoked, Revoke, None),
        ] {
            assert_eq!(apply(state, event), want.ok_or(IllegalMove { state, event }));
        }
    }

    #[test]
    fn standing_changes_at_the_very_instant() {
        for (left, want) in [
            (-1, Standing::Expired),
            (0, Standing::Expired),
            (1, Standing::Expiring),
            (3_600_000, Standing::Expiring),
            (3_600_001, Standing::Valid),
        ] {
            assert_eq!(standing(Expiry::At(UnixTime(NOW.0 + left)), NOW, HOUR), want, "{left} ms");
        }
        assert_eq!(standing(Expiry::Never, UnixTime(i64::MAX), HOUR), Standing::Valid);
    }

    #[test]
    fn only_who_holds_the_secret_learns_why() {
        let (right, wrong) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let inside: IpAddr = "10.1.2.3".parse().expect("an address");
        let need = Capability::AgentEnrol;
        let key = create(request()).expect("allowed").into_record(KeyId([0; 10]), right.digest(), NOW);
        assert_eq!(key.admit(&right, need, inside, NOW), Ok(()));
        let mapped = "::ffff:10.1.2.3".parse().expect("an address");
        assert_eq!(key.admit(&right, need, mapped, NOW), Ok(()));
        let outside = "192.0.2.1".parse().expect("an address");
        assert_eq!(key.admit(&right, need, outside, NOW), Err(Refusal::Network));
        assert_eq!(
            key.admit(&right, Capability::KeyCreate, inside, NOW),
            Err(Refusal::Lacks(Capability::KeyCreate))
        );
        let expired = Err(Refusal::KeyExpired { at: NOW + HOUR });
        assert_eq!(key.admit(&right, need, outside, NOW + HOUR), expired);
        for (state, want) in
            [(KeyState::Suspended, Refusal::KeySuspended), (KeyState::Revoked, Refusal::KeyRevoked)]
        {
            let key = ApiKeyRecord { state, ..key.clone() };
            assert_eq!(key.admit(&right, need, outside, NOW + HOUR), Err(want));
            assert_eq!(key.admit(&wrong, need, inside, NOW), Err(Refusal::WrongSecret));
        }
    }

    #[test]
    fn a_stranger_sees_no_difference() {
        let codes = [Refusal::UnknownKey, Refusal::WrongSecret, Refusal::KeyRevoked].map(Refusal::code);
        assert_eq!(codes, [Code::ApiKeyRefused; 3]);
    }
}
