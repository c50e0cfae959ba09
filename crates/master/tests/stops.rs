//! The process is stopped dead just before and just after each commit. Nothing acknowledged is lost, nothing half done
//! is seen, and the same request again comes to the same end.
//!
//! The test starts itself again as the process that is stopped: `cargo test --features faults`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::audit::{Head, verify};
use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, ApprovalId, KeyId, RequestId};
use gatepass_contract::pki::{KeyKind, PublicKey};
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{
    AgentState, Capability, ClockStanding, CreateApiKey, CredentialKind, Expiry, KeyKind as Kind, KeyState,
    UserState,
};
use gatepass_contract::wire::agent::{ClockReport, Facts};
use gatepass_master::ca::{self, Issuer};
use gatepass_master::domain::apikey::{Act, Creator, ExpiryPolicy, KeyRules, NewApiKey, Owner, Rights};
use gatepass_master::domain::approval::ApprovalPolicy;
use gatepass_master::domain::audit::{Actor, Cause, Credential};
use gatepass_master::domain::people;
use gatepass_master::domain::principal::Principal;
use gatepass_master::domain::profile::Profile;
use gatepass_master::domain::version::Expected;
use gatepass_master::faults::STOP_AT;
use gatepass_master::sealed::KeyEncryptionKey;
use gatepass_master::store::{ChangeOrder, Database, EnrolOrder, Foundation, RenewOrder, Store};
use rcgen::{KeyPair, PublicKeyData};

const NOW: UnixTime = UnixTime(1_795_379_123_000);
const PLACE: &str = "GATEPASS_TEST_PLACE";
const KEY: KeyId = KeyId([3; 10]);
const AGENT: AgentId = AgentId([4; 16]);
const KEK: [u8; 32] = [9; 32];

fn cause() -> Cause {
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Cause { request: RequestId([1; 10]), actor: Actor::Anonymous, from, at: NOW, annotation: None }
}

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::parse(&KEK).expect("32 bytes")
}

/// A master with one single-use key, closed again, and two key pairs beside it.
async fn found(place: &Path) {
    let created = ca::create(&"example.com".parse().expect("a domain"), KeyKind::EcdsaP256, &kek(), NOW);
    let created = created.expect("a CA");
    let request = CreateApiKey {
        kind: Kind::Personal,
        name: "once".parse().expect("a name"),
        description: String::new(),
        owner: None,
        groups: Vec::new(),
        capabilities: vec![Capability::AgentEnrol],
        roles: Vec::new(),
        expires: None,
        networks: Vec::new(),
        uses: Some(1),
        annotation: None,
    };
    let user = people::administrator();
    let creator = Creator { user: &user, capabilities: Capability::ALL };
    let owner = Owner { user: &user, state: UserState::Active, capabilities: Capability::ALL };
    let rights = Rights { creator, owner: Some(owner), roles: &[] };
    let key = NewApiKey::new(request, rights, ExpiryPolicy::default(), NOW).expect("within the rules");
    let administrator = key.into_record(KEY, Sha256([0; 32]), NOW);
    let store = Store::open(&Database::File(place.join("master.db"))).expect("a database");
    let foundation = Foundation { anchor: created.anchor, keys: created.keys, administrator };
    store.found(cause(), foundation).await.expect("stored");
    store.close().await;
    for name in ["first", "second"] {
        let pem = KeyPair::generate().expect("a key").serialize_pem();
        std::io::Write::write_all(
            &mut std::fs::File::create(place.join(name)).expect("created"),
            pem.as_bytes(),
        )
        .expect("written");
    }
}

fn key(place: &Path, name: &str) -> PublicKey {
    let pem = std::fs::read_to_string(place.join(name)).expect("readable");
    PublicKey::from_spki(&KeyPair::from_pem(&pem).expect("a key").subject_public_key_info()).expect("allowed")
}

async fn issuer(store: &Store) -> Issuer {
    let keys = store.signing_keys().await.expect("readable");
    keys.iter().find_map(|key| Issuer::open(key, &kek()).ok()).expect("the issuing CA")
}

fn facts() -> Facts {
    Facts { host_names: Vec::new(), addresses: Vec::new(), machine: None, version: String::new() }
}

const CLOCK: ClockReport = ClockReport { local: NOW, skew: Skew { ahead: 0, doubt: 1 }, steps: 0 };

/// Enrol, renew, revoke the agent and the key: each twice, as one does whose answer was lost.
async fn life(place: &Path) {
    let store = Store::open(&Database::File(place.join("master.db"))).expect("opens");
    let (issuer, name) = (issuer(&store).await, "db7".parse().expect("a name"));
    let profile = Profile::new("example.com".parse().expect("a domain"), "https://m".to_owned());
    let validity = profile.validity(NOW, issuer.validity()).expect("the CA is good");
    let names = profile.names(AGENT, &name, &facts());
    let sign = |key: &PublicKey| issuer.agent_certificate(&names, key, validity).expect("signed");
    let (first, second) = (key(place, "first"), key(place, "second"));
    let enrolment = EnrolOrder {
        api_key: KEY,
        secret_number: 1,
        agent: AGENT,
        name: name.clone(),
        facts: facts(),
        clock: CLOCK,
        clock_standing: ClockStanding::Agree,
        certificate: sign(&first),
        rekey_at: NOW,
    };
    let renewal = RenewOrder {
        proof: first.thumbprint(),
        key: second.thumbprint(),
        facts: facts(),
        clock: CLOCK,
        clock_standing: ClockStanding::Agree,
        grace: Duration::ZERO,
        certificate: Some((sign(&second), NOW)),
    };
    for _ in 0..2 {
        store.enrol(cause(), enrolment.clone()).await.expect("works");
        store.renew(cause(), renewal.clone()).await.expect("works");
    }
    for _ in 0..2 {
        store.change_api_key(cause(), revocation()).await.expect("works");
        store.revoke_agent(cause(), AGENT).await.expect("works");
    }
    store.close().await;
}

fn revocation() -> ChangeOrder {
    let by = Principal {
        user: people::administrator(),
        credential: Credential::ApiKey(KEY),
        kind: CredentialKind::ApiKey,
        name: "once".to_owned(),
        groups: Vec::new(),
        capabilities: Capability::ALL.to_vec(),
        expires: Expiry::Never,
    };
    let rules = KeyRules {
        expiry: ExpiryPolicy::default(),
        approval: ApprovalPolicy::default(),
        overlap: Duration::ZERO,
    };
    ChangeOrder {
        id: KEY,
        act: Act::Revoke,
        by,
        expected: Expected::Any,
        rules: Arc::new(rules),
        request: ApprovalId([5; 10]),
        claim: None,
    }
}

/// Not a test of its own: what runs in the process that is stopped.
#[test]
fn stopped_process() {
    if let Some(place) = std::env::var_os(PLACE) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(life(Path::new(&place)));
    }
}

fn run(place: &Path, stop_at: Option<&str>) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "stopped_process"]).env(PLACE, place).env_remove(STOP_AT);
    if let Some(point) = stop_at {
        command.env(STOP_AT, point);
    }
    command.output().expect("started").status.success()
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    used: u32,
    generation: Option<u64>,
    agent: Option<AgentState>,
    key: KeyState,
}

async fn look(place: &Path) -> Seen {
    let store = Store::open(&Database::File(place.join("master.db"))).expect("opens after a stop");
    let key = store.api_key(KEY).await.expect("readable").expect("there");
    let agent = store.agent(AGENT).await.expect("readable");
    verify(Head::EMPTY, store.audit_records(0, 1000).await.expect("readable")).expect("an unbroken chain");
    store.close().await;
    let generation = agent.as_ref().map(|agent| agent.generation);
    Seen { used: key.used, generation, agent: agent.map(|agent| agent.state), key: key.state }
}

#[tokio::test]
async fn a_stop_at_any_commit_loses_nothing_acknowledged_and_repeats_nothing() {
    let seen = |used, generation, agent, key| Seen { used, generation, agent, key };
    let nothing = || seen(0, None, None, KeyState::Active);
    let enrolled = || seen(1, Some(1), Some(AgentState::Active), KeyState::Active);
    let renewed = || seen(1, Some(2), Some(AgentState::Active), KeyState::Active);
    let key_revoked = || seen(1, Some(2), Some(AgentState::Active), KeyState::Revoked);
    let over = || seen(1, Some(2), Some(AgentState::Revoked), KeyState::Revoked);
    for (point, want) in [
        ("enrol.before-commit", nothing()),
        ("enrol.after-commit", enrolled()),
        ("renew.before-commit", enrolled()),
        ("renew.after-commit", renewed()),
        ("key-move.before-commit", renewed()),
        ("key-move.after-commit", key_revoked()),
        ("revoke.before-commit", key_revoked()),
        ("revoke.after-commit", over()),
    ] {
        let place = tempfile::tempdir().expect("a directory");
        found(place.path()).await;
        assert!(!run(place.path(), Some(point)), "it is stopped at {point}");
        assert_eq!(look(place.path()).await, want, "{point}");
        assert!(run(place.path(), None), "and goes on after {point}");
        assert_eq!(look(place.path()).await, over(), "after {point} and another run");
    }
}
