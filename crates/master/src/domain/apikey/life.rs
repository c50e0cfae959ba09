//! The states of a key, and every way from one to another.

use gatepass_contract::wire::admin::KeyState;

/// What people do to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEvent {
    /// Agree that it exists.
    Approve,
    /// Do not.
    Reject,
    /// Change what it is.
    Edit,
    /// Change its end.
    Renew,
    /// Give it a second secret.
    Rotate,
    /// Refuse it until further notice.
    Suspend,
    /// Take it into use again.
    Resume,
    /// Refuse it for good.
    Revoke,
    /// Forget all of it but its id.
    Delete,
}

impl KeyEvent {
    /// Every one there is.
    pub const ALL: &[Self] = &[
        Self::Approve,
        Self::Reject,
        Self::Edit,
        Self::Renew,
        Self::Rotate,
        Self::Suspend,
        Self::Resume,
        Self::Revoke,
        Self::Delete,
    ];

    /// As in "the key was …".
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Edit => "edited",
            Self::Renew => "renewed",
            Self::Rotate => "rotated",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Revoke => "revoked",
            Self::Delete => "deleted",
        }
    }
}

/// A change the key's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that is {state} cannot be {}{}", .event.done(), .event.unless())]
pub struct IllegalMove {
    /// What people did to it before.
    pub state: KeyState,
    /// What was asked.
    pub event: KeyEvent,
}

impl KeyEvent {
    const fn unless(self) -> &'static str {
        match self {
            Self::Delete => " unless it is over; revoke it first",
            Self::Approve | Self::Reject => ": nothing waits for a decision",
            Self::Edit | Self::Renew | Self::Rotate | Self::Suspend | Self::Resume | Self::Revoke => "",
        }
    }
}

/// The state after `event`; `expired`: whether the key's time is over. There is no way out of `Revoked`, `Rejected` and
/// `Deleted` but to be forgotten.
pub fn apply(state: KeyState, expired: bool, event: KeyEvent) -> Result<KeyState, IllegalMove> {
    use KeyEvent::{Approve, Delete, Edit, Reject, Renew, Resume, Revoke, Rotate, Suspend};
    use KeyState::{Active, Deleted, Pending, Rejected, Revoked, Suspended};
    match (state, event) {
        (Pending, Approve) | (Suspended, Resume) | (Active, Edit | Renew | Rotate) => Ok(Active),
        (Active, Suspend) | (Suspended, Edit | Renew | Rotate) => Ok(Suspended),
        (Pending, Reject) => Ok(Rejected),
        (Active | Suspended, Revoke) => Ok(Revoked),
        (Revoked | Rejected, Delete) => Ok(Deleted),
        (Active | Suspended, Delete) if expired => Ok(Deleted),
        (state, event) => Err(IllegalMove { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each event makes of a key in use and of an expired one; `.`: nothing.
    const TABLE: [(KeyState, &str, &str); 6] = [
        // In the order of KeyEvent::ALL: Approve Reject Edit Renew Rotate Suspend Resume Revoke Delete.
        (KeyState::Pending, "A J . . . . . . .", "A J . . . . . . ."),
        (KeyState::Active, ". . A A A S . R .", ". . A A A S . R D"),
        (KeyState::Suspended, ". . S S S . A R .", ". . S S S . A R D"),
        (KeyState::Revoked, ". . . . . . . . D", ". . . . . . . . D"),
        (KeyState::Rejected, ". . . . . . . . D", ". . . . . . . . D"),
        (KeyState::Deleted, ". . . . . . . . .", ". . . . . . . . ."),
    ];

    fn state(letter: &str) -> Option<KeyState> {
        Some(match letter {
            "A" => KeyState::Active,
            "S" => KeyState::Suspended,
            "R" => KeyState::Revoked,
            "J" => KeyState::Rejected,
            "D" => KeyState::Deleted,
            _ => return None,
        })
    }

    #[test]
    fn every_move_is_allowed_or_refused_as_the_table_says() {
        assert_eq!(TABLE.len(), KeyState::ALL.len());
        for (from, in_time, expired) in TABLE {
            for (over, row) in [(false, in_time), (true, expired)] {
                let row: Vec<_> = row.split(' ').collect();
                assert_eq!(row.len(), KeyEvent::ALL.len());
                for (&event, letter) in KeyEvent::ALL.iter().zip(row) {
                    let want = state(letter).ok_or(IllegalMove { state: from, event });
                    assert_eq!(apply(from, over, event), want, "{from} {event:?} expired: {over}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_the_state() {
        for (state, event, want) in [
            (KeyState::Revoked, KeyEvent::Resume, "a key that is revoked cannot be resumed"),
            (
                KeyState::Active,
                KeyEvent::Delete,
                "a key that is active cannot be deleted unless it is over; revoke it first",
            ),
            (
                KeyState::Active,
                KeyEvent::Approve,
                "a key that is active cannot be approved: nothing waits for a decision",
            ),
        ] {
            assert_eq!(apply(state, false, event).expect_err("refused").to_string(), want);
        }
    }
}
