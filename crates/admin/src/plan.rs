//! What would stop working when, if a key were revoked or deleted. Pure: nothing is asked, nothing is changed.

use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApiKeyView, CallerView, KeyState, KeyUsage, Standing};

use crate::table::{Width, key_usage};

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Refuse the key for good.
    Revoke,
    /// Remove it.
    Delete,
}

impl Deed {
    const fn verb(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Delete => "delete",
        }
    }
}

/// The plan, for people.
#[must_use]
pub fn text(deed: Deed, usage: &KeyUsage, now: UnixTime, width: Width) -> String {
    let key = &usage.key;
    let head = format!("plan: {} key {} ({}); nothing was changed", deed.verb(), key.name, key.id);
    let body = match obstacle(deed, key) {
        Some(obstacle) => obstacle,
        None if is_refused(key) => "the key is refused already: nothing more would stop working".to_owned(),
        None => [callers(usage, now), agents(usage)].join("\n"),
    };
    [head, body, key_usage(usage, now, width)].join("\n")
}

/// Why it could not be done, if so.
fn obstacle(deed: Deed, key: &ApiKeyView) -> Option<String> {
    let over = key.standing == Standing::Expired;
    let may = match (deed, key.state) {
        (Deed::Revoke, KeyState::Active | KeyState::Suspended)
        | (Deed::Delete, KeyState::Revoked | KeyState::Rejected) => true,
        (Deed::Delete, KeyState::Active | KeyState::Suspended) => over,
        (Deed::Revoke, KeyState::Pending | KeyState::Revoked | KeyState::Rejected | KeyState::Deleted)
        | (Deed::Delete, KeyState::Pending | KeyState::Deleted) => false,
    };
    let first = if deed == Deed::Delete && !may { ": revoke or reject it first" } else { "" };
    (!may).then(|| format!("it would be refused: the key is {}{first}", key.state))
}

fn is_refused(key: &ApiKeyView) -> bool {
    key.state != KeyState::Active || key.standing == Standing::Expired || !key.enabled
}

/// Whoever shows the key itself is refused the next time.
fn callers(usage: &KeyUsage, now: UnixTime) -> String {
    let days = Span::from_secs(now.since(usage.since).as_secs());
    match usage.callers.as_slice() {
        [] => format!("at once: nobody, as far as is known; the key was not used in the last {days}"),
        all => format!(
            "at once: {} that used the key in the last {days}, {}",
            count(all.len(), "caller"),
            daily(all, now)
        ),
    }
}

fn daily(callers: &[CallerView], now: UnixTime) -> String {
    const DAY: std::time::Duration = std::time::Duration::from_hours(24);
    let recent = callers.iter().filter(|caller| now.since(caller.last) < DAY).count();
    format!("{recent} of them in the last day")
}

/// Agents renew with keys of their own; they need an API key only to enrol.
fn agents(usage: &KeyUsage) -> String {
    match usage.agents_in_all {
        0 => "later: nothing; no active agent was enrolled with it".to_owned(),
        n => format!(
            "never by itself: {} enrolled with it, which renew with keys of their own until they are revoked; \
             an agent that has to enrol anew needs another API key",
            count(usize::try_from(n).unwrap_or(usize::MAX), "active agent")
        ),
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use crate::table::samples::{NOW, some_key, some_usage};

    use super::*;

    #[test]
    fn a_plan_says_who_is_stopped_when() {
        let plan = text(Deed::Revoke, &some_usage(), NOW, None);
        for part in [
            "plan: revoke key ci (AEAQCAIBAEAQCAIB); nothing was changed\n",
            "at once: 1 caller that used the key in the last 30d, 1 of them in the last day\n",
            "never by itself: 1 active agent enrolled with it",
            "192.0.2.7",
            "db7",
        ] {
            assert!(plan.contains(part), "{part} in {plan}");
        }
        let unused = KeyUsage { callers: vec![], agents: vec![], agents_in_all: 0, ..some_usage() };
        let plan = text(Deed::Revoke, &unused, NOW, None);
        assert!(plan.contains("at once: nobody") && plan.contains("later: nothing"), "{plan}");
    }

    #[test]
    fn what_cannot_be_done_is_said_before_it_is_tried() {
        for (deed, state, standing, want) in [
            (
                Deed::Delete,
                KeyState::Active,
                Standing::Valid,
                "it would be refused: the key is active: revoke",
            ),
            (Deed::Delete, KeyState::Pending, Standing::Valid, "it would be refused: the key is pending"),
            (Deed::Revoke, KeyState::Revoked, Standing::Valid, "it would be refused: the key is revoked"),
            (Deed::Delete, KeyState::Active, Standing::Expired, "the key is refused already"),
            (Deed::Delete, KeyState::Revoked, Standing::Valid, "the key is refused already"),
            (Deed::Revoke, KeyState::Suspended, Standing::Valid, "the key is refused already"),
        ] {
            let usage = KeyUsage { key: ApiKeyView { state, standing, ..some_key() }, ..some_usage() };
            let plan = text(deed, &usage, NOW, None);
            assert!(plan.contains(want), "{want} in {plan}");
        }
    }
}
