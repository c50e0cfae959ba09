//! API keys.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{
    ApiKeyView, ApprovalView, CallerView, KeyState, KeySummary, KeyUsage, RotationState, RotationView,
    Standing,
};

use super::layout::{
    Width, about, end, ends, few, fields, instant, last_use, listed, networks, or_dash, relative, short,
    since, table, yes,
};

/// Some API keys.
#[must_use]
pub fn keys(keys: &[ApiKeyView], now: UnixTime, width: Width) -> String {
    let narrow = width.is_some_and(|columns| columns < WIDE);
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| !(narrow && column.only_wide)).collect();
    let header: Vec<_> = columns.iter().map(|column| column.name).collect();
    let rows = keys.iter().map(|key| columns.iter().map(|column| (column.cell)(key, now, width)).collect());
    table(&header, rows, width)
}

/// From here on a terminal has room for all of a list's columns.
const WIDE: u16 = 100;

/// A column of a list of keys.
struct Column {
    name: &'static str,
    only_wide: bool,
    cell: fn(&ApiKeyView, UnixTime, Width) -> String,
}

const fn column(
    name: &'static str,
    only_wide: bool,
    cell: fn(&ApiKeyView, UnixTime, Width) -> String,
) -> Column {
    Column { name, only_wide, cell }
}

const COLUMNS: [Column; 9] = [
    column("NAME", false, |key, _, _| key.name.to_string()),
    column("ID", false, |key, _, width| short(key.id, width)),
    column("KIND", true, |key, _, _| key.kind.to_string()),
    column("OWNER", false, |key, _, _| key.owner.to_string()),
    column("STATE", false, |key, _, _| state(key)),
    column("EXPIRES", false, |key, now, _| ends(key.expires, now)),
    column("USED", false, |key, _, _| uses(key)),
    column("LAST USED", false, |key, now, _| since(key.last_used.map(|used| used.at), now)),
    column("MAY", true, |key, _, _| rights(key)),
];

/// One API key.
#[must_use]
pub fn key(key: &ApiKeyView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", key.name.to_string()),
        ("id", key.id.to_string()),
        ("description", or_dash(&key.description)),
        ("kind", key.kind.to_string()),
        ("owner", key.owner.to_string()),
        ("made by", key.creator.to_string()),
        ("groups", listed(&key.groups)),
        ("capabilities", listed(&key.capabilities)),
        ("roles", listed(&key.roles)),
        ("state", state(key)),
        ("enabled", yes(key.enabled)),
        ("created", instant(key.created, now)),
        ("expires", end(key.expires, now)),
        ("networks", networks(&key.networks)),
        ("used", uses(key)),
        ("last used", last_use(key.last_used, now)),
    ];
    let rotation = key.rotation.map(|under_way| ("rotation", rotation(under_way, now)));
    let pending = key.pending.as_ref().map(|waits| ("waits for", pending(waits, now)));
    fields(rows.into_iter().chain(rotation).chain(pending), width)
}

/// How the keys stand.
#[must_use]
pub fn key_summary(summary: &KeySummary, now: UnixTime, width: Width) -> String {
    let counts = [
        ("valid", summary.valid),
        ("expiring", summary.expiring),
        ("expired", summary.expired),
        ("pending", summary.pending),
        ("suspended", summary.suspended),
        ("revoked", summary.revoked),
        ("rejected", summary.rejected),
    ];
    let counts = fields(counts.map(|(name, count)| (name, count.to_string())), width);
    if summary.next.is_empty() {
        return counts;
    }
    format!("{counts}\n\nThe next to end:\n{}", keys(&summary.next, now, width))
}

/// Who used a key.
#[must_use]
pub fn key_usage(usage: &KeyUsage, now: UnixTime, width: Width) -> String {
    let callers = match usage.callers.as_slice() {
        [] => format!("nobody has used it since {}", instant(usage.since, now)),
        callers => table(
            &["CALLER", "ENROLLED", "FIRST USE", "LAST USE", "SECRET"],
            callers.iter().map(|caller| row(caller, usage.key.rotation.is_some(), now)),
            width,
        ),
    };
    if usage.agents.is_empty() {
        return format!("\n{callers}");
    }
    let header = ["AGENT", "ID", "STATE", "LAST SEEN", "CERTIFICATE ENDS"];
    let agents = usage.agents.iter().map(|agent| {
        vec![
            agent.name.to_string(),
            short(agent.id, width),
            agent.state.to_string(),
            about(agent.last_seen, now),
            relative(agent.not_after, now),
        ]
    });
    let agents = table(&header, agents, width);
    let more = usage.agents_in_all.saturating_sub(usage.agents.len() as u64);
    let more = if more == 0 { String::new() } else { format!("\nand {more} more") };
    format!("\n{callers}\n\n{agents}{more}")
}

/// Which secret matters only while there are two.
fn row(caller: &CallerView, rotating: bool, now: UnixTime) -> Vec<String> {
    let secret = match (rotating, caller.newest_secret) {
        (false, _) => "-",
        (true, true) => "new",
        (true, false) => "former",
    };
    vec![
        caller.from.to_string(),
        caller.agent.map_or_else(|| "-".to_owned(), |agent| agent.to_string()),
        about(caller.first, now),
        about(caller.last, now),
        secret.to_owned(),
    ]
}

/// What people and time have done to it, in as few words as say it.
fn state(key: &ApiKeyView) -> String {
    let state = match (key.state, key.standing) {
        (KeyState::Revoked | KeyState::Rejected | KeyState::Deleted, _) | (_, Standing::Valid) => {
            key.state.to_string()
        }
        (KeyState::Active, standing) => standing.to_string(),
        (KeyState::Suspended | KeyState::Pending, standing) => format!("{}, {standing}", key.state),
    };
    if key.enabled { state } else { format!("{state}, off") }
}

fn uses(key: &ApiKeyView) -> String {
    key.uses.map_or_else(|| key.used.to_string(), |most| format!("{} of {most}", key.used))
}

fn rights(key: &ApiKeyView) -> String {
    let capabilities = key.capabilities.iter().map(ToString::to_string);
    few(&capabilities.chain(key.roles.iter().map(|role| format!("role {role}"))).collect::<Vec<_>>())
}

fn rotation(rotation: RotationView, now: UnixTime) -> String {
    let how = match rotation.state {
        RotationState::Pending => "the new secret waits for approval",
        RotationState::Ready => "nobody has used the new secret yet",
        RotationState::Overlap => "both secrets are in use",
    };
    let waiting = rotation.waiting.map(|n| format!("; still with the former one: {n}")).unwrap_or_default();
    format!("{how}{waiting}; the former one ends {}", instant(rotation.deadline, now))
}

fn pending(request: &ApprovalView, now: UnixTime) -> String {
    let to = request.expires.map(|end| format!(" (to end {})", ends(end, now))).unwrap_or_default();
    format!("approval of its {}{to}, requested by {} {}", request.kind, request.by, relative(request.at, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::samples::{NOW, some_approval, some_key, some_usage};

    #[test]
    fn a_list_of_keys_has_a_line_for_each_and_no_clutter() {
        let text = keys(&[some_key()], NOW, None);
        assert_eq!(
            text,
            "NAME  ID                KIND     OWNER  STATE   EXPIRES  USED    LAST USED  MAY\n\
             ci    AEAQCAIBAEAQCAIB  service  first  active  in 90d   1 of 3  never      agent.enrol, role API user"
        );
        assert_eq!(keys(&[], NOW, None).lines().count(), 1);
        assert_eq!(
            keys(&[some_key()], NOW, Some(80)),
            "NAME  ID        OWNER  STATE   EXPIRES  USED    LAST USED\n\
             ci    AEAQCAIB  first  active  in 90d   1 of 3  never"
        );
    }

    #[test]
    fn one_key_shows_everything_safely() {
        let rotation = RotationView {
            state: RotationState::Overlap,
            started: NOW,
            deadline: UnixTime(NOW.0 + 86_400_000),
            waiting: Some(2),
        };
        let text = key(
            &ApiKeyView { rotation: Some(rotation), pending: Some(some_approval()), ..some_key() },
            NOW,
            None,
        );
        for part in [
            "10.0.0.0/8",
            "2026-11-21T20:25:23.456Z (1d ago)",
            "for \u{fffd}[2Jthe build",
            "both secrets are in use; still with the former one: 2; the former one ends",
            "approval of its renewal (to end in 1d), requested by ann 1d ago",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn state_and_standing_are_said_in_as_few_words_as_it_takes() {
        for (state_, standing, enabled, want) in [
            (KeyState::Active, Standing::Valid, true, "active"),
            (KeyState::Active, Standing::Expiring, true, "expiring"),
            (KeyState::Active, Standing::Expired, true, "expired"),
            (KeyState::Active, Standing::Valid, false, "active, off"),
            (KeyState::Suspended, Standing::Valid, true, "suspended"),
            (KeyState::Suspended, Standing::Expired, true, "suspended, expired"),
            (KeyState::Pending, Standing::Valid, true, "pending"),
            (KeyState::Revoked, Standing::Expired, true, "revoked"),
        ] {
            assert_eq!(state(&ApiKeyView { state: state_, standing, enabled, ..some_key() }), want);
        }
    }

    #[test]
    fn a_summary_is_numbers_and_what_ends_next() {
        let summary = KeySummary { valid: 12, next: vec![some_key()], ..KeySummary::default() };
        let text = key_summary(&summary, NOW, None);
        assert!(text.starts_with("valid      12\n") && text.contains("The next to end:\nNAME"), "{text}");
        assert!(!key_summary(&KeySummary::default(), NOW, None).contains("next"));
    }

    #[test]
    fn usage_names_callers_and_agents_and_counts_what_it_leaves_out() {
        let usage = KeyUsage { agents_in_all: 501, ..some_usage() };
        let text = key_usage(&usage, NOW, None);
        for part in ["192.0.2.7", "db7", "and 500 more"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let unused = KeyUsage { callers: vec![], agents: vec![], agents_in_all: 0, ..some_usage() };
        assert!(key_usage(&unused, NOW, None).contains("nobody has used it since"));
    }
}
