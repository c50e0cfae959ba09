//! Agents.

use gatepass_contract::span::Span;
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{AgentState, AgentView, ClockStanding};

use super::layout::{Width, about, fields, instant, listed, relative, short, table};

/// Some agents.
#[must_use]
pub fn agents(agents: &[AgentView], now: UnixTime, width: Width) -> String {
    let header = ["NAME", "ID", "STATE", "GENERATION", "CERTIFICATE", "LAST SEEN", "CLOCK"];
    let rows = agents.iter().map(|agent| {
        vec![
            agent.name.to_string(),
            short(agent.id, width),
            agent.state.to_string(),
            agent.generation.to_string(),
            certificate(agent, now),
            about(agent.last_seen, now),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::samples::{NOW, some_agent};

    #[test]
    fn a_list_of_agents_says_how_they_are_doing() {
        let text = agents(&[some_agent()], NOW, None);
        assert_eq!(
            text,
            "NAME  ID                                STATE   GENERATION  CERTIFICATE  LAST SEEN  CLOCK\n\
             db7   0123456789ABCDEF0123456789ABCDEF  active  7           ends in 6d   2min ago   2.1s behind ±12ms (agree)"
        );
        assert!(
            agents(&[some_agent()], NOW, Some(100)).contains(" 01234567  active "),
            "on a terminal less will do"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_and_a_pipe_does_not() {
        let widest = |text: String| text.lines().map(|line| line.chars().count()).max();
        assert!(widest(agents(&[some_agent()], NOW, Some(60))) <= Some(60));
        assert_eq!(agents(&[some_agent()], NOW, None).lines().count(), 2);
    }

    #[test]
    fn one_agent_shows_everything() {
        let text = agent(&some_agent(), NOW, None);
        for part in ["7 issued, 6 in use", "nginx: failed (exit status 1)", "192.0.2.7", "db7.example.com"] {
            assert!(text.contains(part), "{part} in {text}");
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
