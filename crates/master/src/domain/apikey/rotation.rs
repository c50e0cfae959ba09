//! A second secret: from the moment it is made until it is the only one.
//!
//! Invariant: at every instant at least one secret of a key that is in use is good.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{RotationState, RotationView};

use super::record::ApiKeyRecord;

/// A second secret on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// How far it is.
    pub state: RotationState,
    /// Digest of the second secret.
    pub next: Sha256,
    /// When it was made.
    pub started: UnixTime,
    /// From then on the former secret is refused, unless the second one still waits for approval.
    pub deadline: UnixTime,
}

impl Rotation {
    /// A second secret that is good at once, or once somebody has agreed.
    #[must_use]
    pub fn begun(next: Sha256, now: UnixTime, overlap: Duration, waits: bool) -> Self {
        let state = if waits { RotationState::Pending } else { RotationState::Ready };
        Self { state, next, started: now, deadline: now + overlap }
    }

    /// The same, agreed to: the time that both are good begins only now.
    #[must_use]
    pub fn approved(self, now: UnixTime) -> Self {
        let overlap = self.deadline.since(self.started);
        Self { state: RotationState::Ready, deadline: now + overlap, ..self }
    }

    /// Whether the former secret is over. A fact about time: nobody has to do anything for it.
    #[must_use]
    pub fn has_replaced(&self, now: UnixTime) -> bool {
        match self.state {
            RotationState::Pending => false,
            RotationState::Ready | RotationState::Overlap => now >= self.deadline,
        }
    }

    /// As it may be listed.
    #[must_use]
    pub const fn view(&self) -> RotationView {
        RotationView { state: self.state, started: self.started, deadline: self.deadline, waiting: None }
    }
}

impl ApiKeyRecord {
    /// The number of the newest secret that is good.
    #[must_use]
    pub fn newest_secret(&self) -> u32 {
        let second = self.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Pending);
        self.secret_number + u32::from(second.is_some())
    }

    /// Takes note that its secret of that number was used. Tells whether that was the first use of the second one.
    pub fn seen_with(&mut self, number: u32) -> bool {
        let is_second = number > self.secret_number;
        match &mut self.rotation {
            Some(rotation) if is_second && rotation.state == RotationState::Ready => {
                rotation.state = RotationState::Overlap;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Makes the second secret the only one.
    pub fn retire(&mut self) {
        if let Some(rotation) = self.rotation.take() {
            self.secret = rotation.next;
            self.secret_number += 1;
            self.version += 1;
        }
    }

    /// Leaves nothing that a secret could be compared with: no secret has this digest.
    pub(super) fn forget_secrets(&mut self) {
        self.secret = Sha256([0; 32]);
        self.rotation = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::apikey::sample::{HOUR, NOW, SECRETS, record};

    #[test]
    fn the_former_secret_ends_at_the_deadline_unless_the_second_one_waits_for_approval() {
        let waits = Rotation::begun(SECRETS[1].digest(), NOW, HOUR, true);
        assert!(!waits.has_replaced(NOW + HOUR * 100));
        let approved = waits.approved(NOW + HOUR * 5);
        assert_eq!(approved.deadline, NOW + HOUR * 6);
        for (at, want) in
            [(NOW + HOUR * 5, false), (UnixTime(approved.deadline.0 - 1), false), (approved.deadline, true)]
        {
            assert_eq!(approved.has_replaced(at), want, "{at}");
        }
    }

    #[test]
    fn the_first_use_of_the_second_secret_is_seen_once_and_retiring_leaves_it_alone() {
        let mut key = record();
        key.rotation = Some(Rotation::begun(SECRETS[1].digest(), NOW, HOUR, false));
        assert_eq!((key.newest_secret(), key.seen_with(1)), (2, false));
        assert!(key.seen_with(2) && !key.seen_with(2) && !key.seen_with(1));
        assert_eq!(key.rotation.as_ref().map(|rotation| rotation.state), Some(RotationState::Overlap));
        key.retire();
        assert_eq!((key.secret, key.secret_number, &key.rotation), (SECRETS[1].digest(), 2, &None));
        assert_eq!(key.newest_secret(), 2);
        let before = key.clone();
        key.retire();
        assert_eq!(key, before);
    }
}
