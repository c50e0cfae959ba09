//! Whom a key lets in.
//!
//! Invariant: the secret comes first, in constant time; only who holds one learns anything else.

use std::net::IpAddr;

use gatepass_contract::digest::Sha256;
use gatepass_contract::name::GroupName;
use gatepass_contract::secret::Secret;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, Expiry, KeyKind, KeyState, RotationState, UserState};

use super::record::ApiKeyRecord;
use crate::domain::refusal::Refusal;

/// How the owner of a credential stands at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerStanding {
    /// What was done to them.
    pub state: UserState,
    /// What they may.
    pub capabilities: Vec<Capability>,
}

/// A key with all that decides about it at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key.
    pub key: ApiKeyRecord,
    /// Whose it is.
    pub owner: OwnerStanding,
    /// What its roles amount to.
    pub of_roles: Vec<Capability>,
    /// Those of its groups that have not been deleted.
    pub groups: Vec<GroupName>,
}

/// What somebody who was let in may do, and with which secret they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The number of the secret.
    pub secret_number: u32,
    /// What they may: never more than the owner may.
    pub capabilities: Vec<Capability>,
}

impl Admission {
    /// That they have a right, or why they are refused.
    pub fn may(&self, need: Capability) -> Result<(), Refusal> {
        if self.capabilities.contains(&need) { Ok(()) } else { Err(Refusal::Lacks(need)) }
    }
}

impl KeyHolder {
    /// What who brings `secret` may do here and now.
    pub fn admit(&self, secret: &Secret, from: IpAddr, now: UnixTime) -> Result<Admission, Refusal> {
        self.allows(self.key.recognise(secret)?, from, now)
    }

    /// All that [`Self::admit`] asks but the secret, whose number is known: what may change between the first look and
    /// the transaction.
    pub fn allows(&self, secret_number: u32, from: IpAddr, now: UnixTime) -> Result<Admission, Refusal> {
        self.key.accepts(secret_number, now)?;
        self.key.is_in_use(now)?;
        if self.owner.state != UserState::Active {
            return Err(Refusal::OwnerInactive);
        }
        if self.key.key.kind == KeyKind::Service && self.groups.is_empty() {
            return Err(Refusal::GroupsGone);
        }
        if !self.key.may_come_from(from) {
            return Err(Refusal::Network);
        }
        Ok(Admission { secret_number, capabilities: self.capabilities() })
    }

    /// What it may do: what was given to it, cut to what its owner may now.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        let given = self.key.key.capabilities.iter().chain(&self.of_roles);
        let mut all: Vec<_> = given.copied().filter(|one| self.owner.capabilities.contains(one)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl ApiKeyRecord {
    /// Which of its secrets that is. Both are always compared, whether there is a second one or not.
    fn recognise(&self, secret: &Secret) -> Result<u32, Refusal> {
        let second = self.rotation.as_ref().map_or(Sha256([0; 32]), |rotation| rotation.next);
        match (secret.has_digest(&self.secret), secret.has_digest(&second)) {
            (true, _) => Ok(self.secret_number),
            (false, true) => Ok(self.secret_number + 1),
            (false, false) => Err(Refusal::WrongSecret),
        }
    }

    fn accepts(&self, secret_number: u32, now: UnixTime) -> Result<(), Refusal> {
        let rotation = self.rotation.as_ref();
        if secret_number == self.secret_number {
            let replaced = rotation.is_some_and(|rotation| rotation.has_replaced(now));
            return if replaced { Err(Refusal::SecretReplaced) } else { Ok(()) };
        }
        match rotation.map(|rotation| rotation.state) {
            Some(_) if secret_number != self.secret_number + 1 => Err(Refusal::SecretReplaced),
            Some(RotationState::Pending) => Err(Refusal::SecretPending),
            Some(RotationState::Ready | RotationState::Overlap) => Ok(()),
            // Retired or rejected since it was looked at.
            None => Err(Refusal::SecretReplaced),
        }
    }

    fn is_in_use(&self, now: UnixTime) -> Result<(), Refusal> {
        match (self.state, self.key.expires) {
            (KeyState::Pending, _) => Err(Refusal::KeyPending),
            (KeyState::Suspended, _) => Err(Refusal::KeySuspended),
            (KeyState::Revoked, _) => Err(Refusal::KeyRevoked),
            (KeyState::Rejected, _) => Err(Refusal::KeyRejected),
            (KeyState::Deleted, _) => Err(Refusal::UnknownKey),
            (KeyState::Active, _) if !self.enabled => Err(Refusal::KeyDisabled),
            (KeyState::Active, Expiry::At(at)) if at <= now => Err(Refusal::KeyExpired { at }),
            (KeyState::Active, _) => Ok(()),
        }
    }

    fn may_come_from(&self, from: IpAddr) -> bool {
        self.key.networks.is_empty() || self.key.networks.iter().any(|network| network.contains(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::apikey::Rotation;
    use crate::domain::apikey::sample::{HOUR, NOW, SECRETS, record};

    fn holder() -> KeyHolder {
        let key = record();
        let owner = OwnerStanding { state: UserState::Active, capabilities: Capability::ALL.to_vec() };
        KeyHolder { groups: key.key.groups.clone(), key, owner, of_roles: Vec::new() }
    }

    fn inside() -> IpAddr {
        "10.1.2.3".parse().expect("an address")
    }

    fn refused(change: impl FnOnce(&mut KeyHolder)) -> Option<Refusal> {
        let mut holder = holder();
        change(&mut holder);
        holder.admit(&SECRETS[0], inside(), NOW).err()
    }

    #[test]
    fn only_who_holds_the_secret_learns_why() {
        let (holder, wrong) = (holder(), Secret::new([9; 32]));
        assert!(
            holder.admit(&SECRETS[0], inside(), NOW).expect("admitted").may(Capability::AgentEnrol).is_ok()
        );
        let mapped = "::ffff:10.1.2.3".parse().expect("an address");
        assert!(holder.admit(&SECRETS[0], mapped, NOW).is_ok());
        let outside = "192.0.2.1".parse().expect("an address");
        assert_eq!(holder.admit(&SECRETS[0], outside, NOW), Err(Refusal::Network));
        let late = NOW + HOUR;
        assert_eq!(holder.admit(&SECRETS[0], inside(), late), Err(Refusal::KeyExpired { at: late }));
        for state in KeyState::ALL {
            let mut holder = holder.clone();
            holder.key.state = *state;
            assert_eq!(holder.admit(&wrong, outside, late), Err(Refusal::WrongSecret), "{state}");
        }
    }

    #[test]
    fn every_reason_to_refuse_is_named() {
        for (state, want) in [
            (KeyState::Pending, Refusal::KeyPending),
            (KeyState::Suspended, Refusal::KeySuspended),
            (KeyState::Revoked, Refusal::KeyRevoked),
            (KeyState::Rejected, Refusal::KeyRejected),
            (KeyState::Deleted, Refusal::UnknownKey),
        ] {
            assert_eq!(refused(|holder| holder.key.state = state), Some(want));
        }
        assert_eq!(refused(|holder| holder.key.enabled = false), Some(Refusal::KeyDisabled));
        for state in [UserState::Disabled, UserState::Deleted] {
            assert_eq!(refused(|holder| holder.owner.state = state), Some(Refusal::OwnerInactive));
        }
        assert_eq!(refused(|holder| holder.groups.clear()), Some(Refusal::GroupsGone));
        let personal = |holder: &mut KeyHolder| {
            holder.key.key.kind = KeyKind::Personal;
            holder.groups.clear();
        };
        assert_eq!(refused(personal), None, "a personal key acts as its owner");
    }

    #[test]
    fn a_key_may_what_was_given_to_it_as_far_as_its_owner_may_now() {
        use Capability::{AgentEnrol, AgentRead, KeyRead};
        let mut holder = holder();
        holder.key.key.capabilities = vec![AgentEnrol, AgentRead];
        holder.of_roles = vec![AgentRead, KeyRead];
        for (owned, want) in [
            (Capability::ALL, &[AgentEnrol, AgentRead, KeyRead][..]),
            (&[KeyRead, AgentEnrol], &[AgentEnrol, KeyRead]),
            (&[Capability::KeyManage], &[]),
        ] {
            holder.owner.capabilities = owned.to_vec();
            assert_eq!(holder.capabilities(), want);
        }
        let admission = holder.admit(&SECRETS[0], inside(), NOW).expect("still known");
        assert_eq!(admission.may(AgentEnrol), Err(Refusal::Lacks(AgentEnrol)));
    }

    #[test]
    fn both_secrets_are_good_in_between_and_each_alone_before_and_after() {
        let mut holder = holder();
        holder.key.key.expires = Expiry::Never;
        let try_both = |holder: &KeyHolder, at| {
            SECRETS.map(|secret| holder.admit(&secret, inside(), at).map(|admission| admission.secret_number))
        };
        assert_eq!(try_both(&holder, NOW), [Ok(1), Err(Refusal::WrongSecret)]);
        let rotation = Rotation::begun(SECRETS[1].digest(), NOW, HOUR, true);
        holder.key.rotation = Some(rotation.clone());
        assert_eq!(try_both(&holder, NOW + HOUR * 9), [Ok(1), Err(Refusal::SecretPending)]);
        holder.key.rotation = Some(rotation.approved(NOW));
        assert_eq!(try_both(&holder, NOW), [Ok(1), Ok(2)]);
        assert_eq!(try_both(&holder, NOW + HOUR), [Err(Refusal::SecretReplaced), Ok(2)]);
        holder.key.retire();
        assert_eq!(try_both(&holder, NOW), [Err(Refusal::WrongSecret), Ok(2)]);
        assert_eq!(holder.allows(1, inside(), NOW), Err(Refusal::SecretReplaced), "retired in between");
    }
}
