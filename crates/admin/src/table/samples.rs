//! Things to show in tests.

use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{
    AgentState, AgentView, ApiKeyView, ApprovalKind, ApprovalState, ApprovalView, CallerView, Capability,
    ClockStanding, EnrolledAgent, Expiry, KeyKind, KeyState, KeyUsage, Standing, TokenView,
};
use gatepass_contract::wire::agent::{ClockReport, Facts, HookResult};

pub(crate) const NOW: UnixTime = UnixTime(1_795_379_123_456);
const DAY: i64 = 86_400_000;

pub(crate) fn some_key() -> ApiKeyView {
    ApiKeyView {
        id: "AEAQCAIBAEAQCAIB".parse().expect("an id"),
        kind: KeyKind::Service,
        name: "ci".parse().expect("a name"),
        description: "for \u{1b}[2Jthe build".to_owned(),
        owner: "first".parse().expect("a name"),
        creator: "first".parse().expect("a name"),
        groups: vec!["web".parse().expect("a group")],
        capabilities: vec![Capability::AgentEnrol],
        roles: vec!["API user".parse().expect("a role")],
        state: KeyState::Active,
        standing: Standing::Valid,
        enabled: true,
        created: UnixTime(NOW.0 - DAY),
        expires: Expiry::At(UnixTime(NOW.0 + 90 * DAY)),
        networks: vec!["10.0.0.0/8".parse().expect("a network")],
        uses: Some(3),
        used: 1,
        last_used: None,
        rotation: None,
        pending: None,
        version: 1,
    }
}

pub(crate) fn some_approval() -> ApprovalView {
    ApprovalView {
        id: "CEIRCEIRCEIRCEIR".parse().expect("an id"),
        kind: ApprovalKind::Renewal,
        key: some_key().id,
        key_name: some_key().name,
        key_state: KeyState::Active,
        by: "ann".parse().expect("a name"),
        at: UnixTime(NOW.0 - DAY),
        expires: Some(Expiry::At(UnixTime(NOW.0 + DAY))),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
        reason: String::new(),
    }
}

pub(crate) fn some_usage() -> KeyUsage {
    KeyUsage {
        key: some_key(),
        since: UnixTime(NOW.0 - 30 * DAY),
        callers: vec![CallerView {
            from: "192.0.2.7".parse().expect("an address"),
            agent: Some(some_agent().id),
            first: UnixTime(NOW.0 - 2 * DAY),
            last: UnixTime(NOW.0 - 60_000),
            newest_secret: true,
        }],
        agents: vec![EnrolledAgent {
            id: some_agent().id,
            name: some_agent().name,
            state: AgentState::Active,
            last_seen: some_agent().last_seen,
            not_after: some_agent().not_after,
        }],
        agents_in_all: 1,
    }
}

pub(crate) fn some_token() -> TokenView {
    TokenView {
        id: "CEIRCEIRCEIRCEIR".parse().expect("an id"),
        name: "nagios".parse().expect("a name"),
        user: "ann".parse().expect("a name"),
        creator: "first".parse().expect("a name"),
        description: String::new(),
        roles: vec!["API user".parse().expect("a role"), "auditor".parse().expect("a role")],
        enabled: true,
        expires: Expiry::Never,
        standing: Standing::Valid,
        networks: vec![],
        unlocked: 3,
        created: UnixTime(NOW.0 - DAY),
        updated: UnixTime(NOW.0 - DAY),
        last_used: None,
        version: 1,
    }
}

pub(crate) fn some_agent() -> AgentView {
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
