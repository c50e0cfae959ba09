//! Answers for people. Pure: `now` is the master's time, the width is an argument.

use std::fmt::Display;

use comfy_table::{ContentArrangement, Table, presets};
use gatepass_contract::span::Span;
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{
    AgentState, AgentView, ApiKeyView, ClockStanding, Expiry, KeyState, LastUse, Standing,
};

use crate::output::printable;

/// How much of an agent's id a list shows: enough to tell agents apart and to name one.
const SHORT: usize = 8;

/// Columns of the terminal; `None` when nobody reads it there, and nothing is to be wrapped.
pub type Width = Option<u16>;

/// All API keys.
#[must_use]
pub fn keys(keys: &[ApiKeyView], now: UnixTime, width: Width) -> String {
    let header = ["NAME", "ID", "KIND", "STATE", "EXPIRES", "USED", "LAST USED", "CAPABILITIES"];
    let rows = keys.iter().map(|key| {
        vec![
            key.name.to_string(),
            key.id.to_string(),
            key.kind.to_string(),
            key_state(key),
            ends(key.expires, now),
            uses(key),
            key.last_used.map_or_else(|| "never".to_owned(), |used| relative(used.at, now)),
            listed(&key.capabilities),
        ]
    });
    table(&header, rows, width)
}

/// One API key.
#[must_use]
pub fn key(key: &ApiKeyView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", key.name.to_string()),
        ("id", key.id.to_string()),
        ("description", key.description.clone()),
        ("kind", key.kind.to_string()),
        ("owner", key.owner.to_string()),
        ("groups", listed(&key.groups)),
        ("capabilities", listed(&key.capabilities)),
        ("state", key_state(key)),
        ("created", instant(key.created, now)),
        (
            "expires",
            match key.expires {
                Expiry::At(at) => instant(at, now),
                Expiry::Never => "never".to_owned(),
            },
        ),
        ("networks", if key.networks.is_empty() { "anywhere".to_owned() } else { listed(&key.networks) }),
        ("used", uses(key)),
        ("last used", key.last_used.map_or_else(|| "never".to_owned(), |used| last_use(used, now))),
    ];
    fields(rows, width)
}

/// All agents.
#[must_use]
pub fn agents(agents: &[AgentView], now: UnixTime, width: Width) -> String {
    let header = ["NAME", "ID", "STATE", "GENERATION", "CERTIFICATE", "LAST SEEN", "CLOCK"];
    let rows = agents.iter().map(|agent| {
        vec![
            agent.name.to_string(),
            agent.id.to_string()[..SHORT].to_owned(),
            agent.state.to_string(),
            agent.generation.to_string(),
            certificate(agent, now),
            relative(agent.last_seen, now),
            clock(agent.clock.skew, agent.clock_standing),
        ]
    });
    table(&header, rows, width)
}

/// One agent.
#[must_use]
pub fn agent(agent: &AgentView, now: UnixTime, width: Width) -> String {
    let facts = &agent.facts;
    let rows = [
        ("name", agent.name.to_string()),
        ("id", agent.id.to_string()),
        ("state", agent.state.to_string()),
        ("groups", listed(&agent.groups)),
        ("generation", format!("{} issued, {} in use", agent.generation, agent.confirmed)),
        ("certificate ends", instant(agent.not_after, now)),
        ("enrolled", format!("{} with key {}", instant(agent.enrolled, now), agent.enrolled_with)),
        ("last seen", format!("{} from {}", instant(agent.last_seen, now), agent.from)),
        ("host names", listed(&facts.host_names)),
        ("addresses", listed(&facts.addresses)),
        ("version", facts.version.clone()),
        ("clock", clock(agent.clock.skew, agent.clock_standing)),
        ("clock steps", agent.clock.steps.to_string()),
    ];
    let hooks = agent.hooks.iter().map(|hook| {
        let outcome = if hook.ok { "ok" } else { "failed" };
        ("hook", format!("{}: {outcome} ({})", hook.name, hook.detail))
    });
    fields(rows.into_iter().chain(hooks), width)
}

/// What people and time have done to it, in as few words as say it.
fn key_state(key: &ApiKeyView) -> String {
    match (key.state, key.standing) {
        (KeyState::Revoked, _) | (_, Standing::Valid) => key.state.to_string(),
        (KeyState::Active, standing) => standing.to_string(),
        (KeyState::Suspended, standing) => format!("{}, {standing}", key.state),
    }
}

fn ends(expires: Expiry, now: UnixTime) -> String {
    match expires {
        Expiry::At(at) => relative(at, now),
        Expiry::Never => "never".to_owned(),
    }
}

fn uses(key: &ApiKeyView) -> String {
    key.uses.map_or_else(|| key.used.to_string(), |most| format!("{} of {most}", key.used))
}

fn last_use(used: LastUse, now: UnixTime) -> String {
    let by = used.agent.map(|agent| format!(" by agent {agent}")).unwrap_or_default();
    format!("{} from {}{by}", instant(used.at, now), used.from)
}

fn certificate(agent: &AgentView, now: UnixTime) -> String {
    match (agent.state, agent.not_after > now) {
        (AgentState::Active, true) => format!("ends {}", relative(agent.not_after, now)),
        (AgentState::Active, false) => format!("expired {}", relative(agent.not_after, now)),
        (AgentState::Deregistered | AgentState::Revoked, _) => "-".to_owned(),
    }
}

/// `2.1s behind ±12ms (warn)`: where the agent's clock stands to the master's.
fn clock(skew: Skew, standing: ClockStanding) -> String {
    let off = milliseconds(skew.ahead.unsigned_abs());
    let off = match skew.ahead {
        0 => "in step".to_owned(),
        1.. => format!("{off} behind"),
        _ => format!("{off} ahead"),
    };
    format!("{off} ±{} ({standing})", milliseconds(skew.doubt.unsigned_abs()))
}

/// Two digits that matter: milliseconds, tenths of seconds below a minute, then units.
fn milliseconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        _ => Span::from_secs(ms / 1_000).to_string(),
    }
}

fn instant(at: UnixTime, now: UnixTime) -> String {
    format!("{at} ({})", relative(at, now))
}

/// `in 3d 4h`, `12s ago`: whole seconds, the master's.
fn relative(at: UnixTime, now: UnixTime) -> String {
    if at > now {
        format!("in {}", Span::from_secs(at.since(now).as_secs()))
    } else {
        format!("{} ago", Span::from_secs(now.since(at).as_secs()))
    }
}

fn listed<T: Display>(all: &[T]) -> String {
    if all.is_empty() {
        return "-".to_owned();
    }
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn table<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = Vec<String>>,
    width: Width,
) -> String {
    let mut table = plain(width);
    table.set_header(header.to_vec());
    table.add_rows(rows.map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>()));
    finished(table)
}

fn fields(rows: impl IntoIterator<Item = (&'static str, String)>, width: Width) -> String {
    let mut table = plain(width);
    table.add_rows(rows.into_iter().map(|(name, value)| [name.to_owned(), printable(&value)]));
    finished(table)
}

fn plain(width: Width) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(columns) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

fn finished(mut table: Table) -> String {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use gatepass_contract::wire::admin::{Capability, KeyKind};
    use gatepass_contract::wire::agent::{ClockReport, Facts, HookResult};

    use super::*;

    const NOW: UnixTime = UnixTime(1_795_379_123_456);
    const DAY: i64 = 86_400_000;

    fn some_key() -> ApiKeyView {
        ApiKeyView {
            id: "AEAQCAIBAEAQCAIB".parse().expect("an id"),
            kind: KeyKind::Service,
            name: "ci".parse().expect("a name"),
            description: "for \u{1b}[2Jthe build".to_owned(),
            owner: "first".parse().expect("a name"),
            groups: vec!["web".parse().expect("a group")],
            capabilities: vec![Capability::AgentEnrol],
            state: KeyState::Active,
            standing: Standing::Valid,
            created: UnixTime(NOW.0 - DAY),
            expires: Expiry::At(UnixTime(NOW.0 + 90 * DAY)),
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            uses: Some(3),
            used: 1,
            last_used: None,
        }
    }

    fn some_agent() -> AgentView {
        AgentView {
            id: "0123456789ABCDEF0123456789ABCDEF".parse().expect("an id"),
            name: "db7".parse().expect("a name"),
            state: AgentState::Active,
            groups: Vec::new(),
            generation: 7,
            confirmed: 6,
            not_after: UnixTime(NOW.0 + 6 * DAY),
            enrolled: UnixTime(NOW.0 - DAY),
            enrolled_with: "AEAQCAIBAEAQCAIB".parse().expect("an id"),
            last_seen: UnixTime(NOW.0 - 120_000),
            from: "192.0.2.7".parse().expect("an address"),
            facts: Facts {
                host_names: vec!["db7.example.com".parse().expect("a host name")],
                addresses: vec![],
                machine: None,
                version: "0.1.0".to_owned(),
            },
            clock: ClockReport { local: NOW, skew: Skew { ahead: 2_140, doubt: 12 }, steps: 1 },
            clock_standing: ClockStanding::Agree,
            hooks: vec![HookResult {
                name: "nginx".parse().expect("a name"),
                ok: false,
                detail: "exit status 1".to_owned(),
            }],
        }
    }

    #[test]
    fn a_list_of_keys_has_a_line_for_each_and_no_clutter() {
        let text = keys(&[some_key()], NOW, None);
        assert_eq!(
            text,
            "NAME  ID                KIND     STATE   EXPIRES  USED    LAST USED  CAPABILITIES\n\
             ci    AEAQCAIBAEAQCAIB  service  active  in 90d   1 of 3  never      agent.enrol"
        );
        assert_eq!(keys(&[], NOW, None).lines().count(), 1);
    }

    #[test]
    fn a_list_of_agents_says_how_they_are_doing() {
        let text = agents(&[some_agent()], NOW, None);
        assert_eq!(
            text,
            "NAME  ID        STATE   GENERATION  CERTIFICATE  LAST SEEN  CLOCK\n\
             db7   01234567  active  7           ends in 6d   2min ago   2.1s behind ±12ms (agree)"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_and_a_pipe_does_not() {
        let widest = |text: String| text.lines().map(|line| line.chars().count()).max();
        assert!(widest(agents(&[some_agent()], NOW, Some(60))) <= Some(60));
        assert_eq!(agents(&[some_agent()], NOW, None).lines().count(), 2);
    }

    #[test]
    fn one_agent_and_one_key_show_everything_safely() {
        let text = agent(&some_agent(), NOW, None);
        for part in ["7 issued, 6 in use", "nginx: failed (exit status 1)", "192.0.2.7", "db7.example.com"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = key(&some_key(), NOW, None);
        for part in ["10.0.0.0/8", "2026-11-21T20:25:23.456Z (1d ago)", "for \u{fffd}[2Jthe build"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn state_and_standing_are_said_in_as_few_words_as_it_takes() {
        for (state, standing, want) in [
            (KeyState::Active, Standing::Valid, "active"),
            (KeyState::Active, Standing::Expiring, "expiring"),
            (KeyState::Active, Standing::Expired, "expired"),
            (KeyState::Suspended, Standing::Valid, "suspended"),
            (KeyState::Suspended, Standing::Expired, "suspended, expired"),
            (KeyState::Revoked, Standing::Expired, "revoked"),
        ] {
            assert_eq!(key_state(&ApiKeyView { state, standing, ..some_key() }), want);
        }
    }

    #[test]
    fn a_clock_is_said_with_its_doubt() {
        for (ahead, doubt, want) in [
            (0, 1, "in step ±1ms (agree)"),
            (999, 12, "999ms behind ±12ms (agree)"),
            (-61_000, 12, "1min 1s ahead ±12ms (agree)"),
            (34_560_000_000, 1_500, "1y 35d behind ±1.5s (agree)"),
        ] {
            assert_eq!(clock(Skew { ahead, doubt }, ClockStanding::Agree), want);
        }
    }
}
