//! What the master puts into the certificates and tokens of its agents.
//!
//! Invariant: a name or an address stands in a certificate only because a profile's pattern grants it; what a host says
//! about itself is a wish, and what a certification request says is not even read.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_contract::id::AgentId;
use gatepass_contract::name::{DisplayName, HostName, is_reserved};
use gatepass_contract::pki::Thumbprint;
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::token::{Claims, Confirmation};
use gatepass_contract::wire::agent::Facts;
use ipnet::IpNet;

use super::agent::AgentRecord;

/// The rules for a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The authority of the agents' SPIFFE ids.
    pub trust_domain: HostName,
    /// `iss` of the tokens.
    pub issuer: String,
    /// `aud` of the tokens.
    pub audience: Vec<String>,
    /// How long a certificate is good.
    pub lifetime: Duration,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// How long before its making a certificate begins to be good: for verifiers whose clocks are behind.
    pub backdate: Duration,
    /// For how long an ended credential still renews.
    pub grace: Duration,
    /// Host names that are granted to whoever claims them, see [`HostName::matches`].
    pub host_names: Vec<String>,
    /// Addresses that are granted to whoever claims them.
    pub networks: Vec<IpNet>,
}

/// The names in one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The subject's common name.
    pub common_name: DisplayName,
    /// `spiffe://<trust domain>/agent/<id>`.
    pub spiffe: String,
    /// DNS names.
    pub host_names: Vec<HostName>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
}

impl Profile {
    /// With what the design gives as defaults, and nothing granted but the agent's own id.
    #[must_use]
    pub fn new(trust_domain: HostName, issuer: String) -> Self {
        Self {
            trust_domain,
            issuer,
            audience: vec!["gatepass".to_owned()],
            lifetime: Duration::from_hours(7 * 24),
            token_lifetime: Duration::from_hours(1),
            backdate: Duration::from_mins(1),
            grace: Duration::from_hours(30 * 24),
            host_names: Vec::new(),
            networks: Vec::new(),
        }
    }

    /// Which of the names a host claims it gets. Never one of the masters' own, not even as a common name: there are
    /// verifiers that look there.
    #[must_use]
    pub fn names(&self, agent: AgentId, name: &DisplayName, facts: &Facts) -> Names {
        let name_granted = |host: &&HostName| {
            !is_reserved(host.as_str()) && self.host_names.iter().any(|pattern| host.matches(pattern))
        };
        let own = || agent.to_string().parse().expect("an id is letters and digits");
        let address_granted = |ip: &&IpAddr| self.networks.iter().any(|network| network.contains(*ip));
        Names {
            common_name: if is_reserved(name.as_str()) { own() } else { name.clone() },
            spiffe: format!("spiffe://{}/agent/{agent}", self.trust_domain),
            host_names: once_each(facts.host_names.iter().filter(name_granted), MOST_HOST_NAMES),
            addresses: once_each(facts.addresses.iter().filter(address_granted), MOST_ADDRESSES),
        }
    }

    /// When a certificate made `now` is good, cut to what its issuer is good for. On whole seconds, as certificates are;
    /// `None` when the issuer ends before it would begin.
    #[must_use]
    pub fn validity(&self, now: UnixTime, issuer: Validity) -> Option<Validity> {
        let whole = |at: UnixTime| UnixTime::from_seconds(at.seconds());
        let wished = Validity::new(whole(now - self.backdate), whole(now + self.lifetime))?;
        wished.and(issuer).filter(|granted| now < granted.until())
    }

    /// The claims of a token for an agent that holds the key `jkt`. How far the agent's clock may be off is taken off
    /// the beginning, so that the agent and its neighbours can use the token at once.
    #[must_use]
    pub fn claims(&self, agent: &AgentRecord, jkt: Thumbprint, jti: String, now: UnixTime) -> Claims {
        let iat = now.seconds();
        Claims {
            iss: self.issuer.clone(),
            sub: agent.id,
            aud: self.audience.clone(),
            iat,
            nbf: iat - doubt_seconds(agent.clock.skew.doubt),
            exp: (now + self.token_lifetime).seconds(),
            jti,
            upn: agent.name.to_string(),
            groups: agent.groups.clone(),
            cnf: Confirmation { jkt },
        }
    }
}

fn once_each<'a, T: Clone + PartialEq + 'a>(all: impl Iterator<Item = &'a T>, most: usize) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for one in all {
        if kept.len() < most && !kept.contains(one) {
            kept.push(one.clone());
        }
    }
    kept
}

/// Rounded up, and never so much that a captured clock report makes tokens of the past.
fn doubt_seconds(millis: i64) -> i64 {
    millis.clamp(0, LARGEST_DOUBT_SECONDS * 1000).saturating_add(999) / 1000
}

const LARGEST_DOUBT_SECONDS: i64 = 300;
const MOST_HOST_NAMES: usize = 8;
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use gatepass_contract::name::MASTER_BEHIND_GATEWAY;

    use super::*;

    const NOW: UnixTime = UnixTime(1_795_379_123_456);

    fn profile() -> Profile {
        Profile::new("example.com".parse().expect("a domain"), "https://m".to_owned())
    }

    #[test]
    fn only_what_a_pattern_grants_becomes_a_name() {
        let host = |text: &str| text.parse::<HostName>().expect("a host name");
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let facts = Facts {
            host_names: vec![
                host("db7.eu.example.com"),
                host("master.example.org"),
                host("db7.eu.example.com"),
            ],
            addresses: vec![address("10.1.2.3"), address("192.0.2.1")],
            machine: None,
            version: String::new(),
        };
        let (agent, name) = (AgentId([0xAB; 16]), "db7".parse().expect("a name"));
        let nothing = profile().names(agent, &name, &facts);
        assert!(nothing.host_names.is_empty() && nothing.addresses.is_empty());
        assert_eq!(nothing.spiffe, "spiffe://example.com/agent/ABABABABABABABABABABABABABABABAB");
        let granting = Profile {
            host_names: vec!["*.example.com".to_owned()],
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            ..profile()
        };
        let some = granting.names(agent, &name, &facts);
        assert_eq!(
            (some.host_names, some.addresses),
            (vec![facts.host_names[0].clone()], vec![facts.addresses[0]])
        );
    }

    #[test]
    fn names_of_the_masters_own_are_granted_to_nobody() {
        let host = |text: &str| text.parse::<HostName>().expect("a host name");
        let facts = Facts {
            host_names: vec![host(MASTER_BEHIND_GATEWAY), host("gatepass.internal"), host("db7.internal")],
            addresses: Vec::new(),
            machine: None,
            version: String::new(),
        };
        let (agent, name) = (AgentId([0xAB; 16]), "Master.Gatepass.internal".parse().expect("a name"));
        for pattern in ["*", "*.internal", MASTER_BEHIND_GATEWAY, "gatepass.internal", "db7.internal"] {
            let granting = Profile { host_names: vec![pattern.to_owned()], ..profile() };
            let names = granting.names(agent, &name, &facts);
            assert!(names.host_names.iter().all(|name| name.as_str() == "db7.internal"), "{names:?}");
            assert_eq!(names.common_name.as_str(), agent.to_string());
        }
    }

    #[test]
    fn a_certificate_never_outlives_its_issuer() {
        let ca = |from, until| Validity::new(from, until).expect("from < until");
        let day = Duration::from_hours(24);
        let whole = profile().validity(NOW, ca(NOW - day, NOW + day * 100)).expect("good");
        assert_eq!(whole.from(), UnixTime(1_795_379_063_000));
        assert_eq!(whole.until(), UnixTime(1_795_379_123_000) + day * 7);
        assert_eq!(profile().validity(NOW, ca(NOW - day, NOW + day)).expect("cut").until(), NOW + day);
        assert_eq!(profile().validity(NOW, ca(NOW - day, NOW)), None);
    }

    #[test]
    fn the_doubt_is_rounded_up_and_bounded() {
        for (millis, want) in
            [(-5, 0), (0, 0), (1, 1), (1_000, 1), (1_001, 2), (299_001, 300), (i64::MAX, 300)]
        {
            assert_eq!(doubt_seconds(millis), want, "{millis} ms");
        }
    }
}
