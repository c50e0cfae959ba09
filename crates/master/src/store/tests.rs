//! What every database behind [`Store`] has to do, whatever it is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gatepass_contract::audit::{Broken, Flaw, Head, verify};
use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{AgentId, ApprovalId, KeyId, RequestId};
use gatepass_contract::pki::{KeyKind, PublicKey};
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::{
    AgentState, Capability, ClockStanding, CreateApiKey, CredentialKind, Expiry, KeyKind as Kind, KeyState,
    UserState,
};
use gatepass_contract::wire::agent::{ClockReport, Facts};
use rcgen::{KeyPair, PublicKeyData};

use super::apikeys::tests::*;
use super::audit::tests::*;
use super::people::tests::*;
use super::*;
use crate::ca::{self, Issuer};
use crate::domain::Refusal;
use crate::domain::agent::NewCertificate;
use crate::domain::apikey::{
    Act, ApiKeyRecord, Creator, ExpiryPolicy, IllegalMove, KeyRules, NewApiKey, Objection, Owner, Rights,
};
use crate::domain::approval::ApprovalPolicy;
use crate::domain::audit::{Action, Actor, Cause, Credential, Event, Subject};
use crate::domain::people;
use crate::domain::principal::Principal;
use crate::domain::profile::Profile;
use crate::domain::version::Expected;
use crate::random;
use crate::sealed::KeyEncryptionKey;

#[allow(dead_code, reason = "shared with the stories of the whole: each uses its part")]
#[expect(unreachable_pub, reason = "for the stories it is to be used by all of them")]
#[path = "../../../../tests/support/postgres.rs"]
pub(super) mod cluster;

use cluster::Cluster;

pub(super) const NOW: UnixTime = UnixTime(1_795_379_123_000);
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const GRACE: Duration = Duration::from_hours(30 * 24);
pub(super) const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

pub(super) struct Master {
    pub(super) store: Store,
    database: Database,
    issuer: Issuer,
    profile: Profile,
    pub(super) administrator: KeyId,
    /// Kept for as long as the file in it is used.
    _place: tempfile::TempDir,
}

pub(super) fn cause(at: UnixTime) -> Cause {
    Cause { request: RequestId([1; 10]), actor: Actor::Anonymous, from: HERE, at, annotation: None }
}

pub(super) fn request(name: &str, uses: Option<u32>) -> CreateApiKey {
    CreateApiKey {
        kind: Kind::Service,
        name: name.parse().expect("a name"),
        description: String::new(),
        owner: None,
        groups: vec!["db".parse().expect("a group")],
        capabilities: vec![Capability::AgentEnrol],
        roles: Vec::new(),
        expires: None,
        networks: Vec::new(),
        uses,
        annotation: None,
    }
}

/// Somebody who may all of this.
pub(super) fn principal(name: &str, capabilities: &[Capability]) -> Principal {
    Principal {
        user: name.parse().expect("a name"),
        credential: Credential::Password,
        kind: CredentialKind::ApiKey,
        name: String::new(),
        groups: Vec::new(),
        capabilities: capabilities.to_vec(),
        expires: Expiry::Never,
    }
}

pub(super) fn administrator() -> Principal {
    principal(people::ADMINISTRATOR, Capability::ALL)
}

pub(super) fn rules() -> KeyRules {
    let expiry = ExpiryPolicy { never: true, ..ExpiryPolicy::default() };
    KeyRules { expiry, approval: ApprovalPolicy::default(), overlap: DAY }
}

/// The first administrator's.
fn first_key() -> ApiKeyRecord {
    let user = people::administrator();
    let creator = Creator { user: &user, capabilities: Capability::ALL };
    let owner = Owner { user: &user, state: UserState::Active, capabilities: Capability::ALL };
    let rights = Rights { creator, owner: Some(owner), roles: &[] };
    let new = NewApiKey::new(request("administrator", None), rights, ExpiryPolicy::default(), NOW);
    new.expect("within the rules").into_record(random::key_id(), Sha256::of(b"secret"), NOW)
}

async fn master(engine: Engine) -> Master {
    let place = tempfile::tempdir().expect("a directory");
    let database = match engine {
        Engine::Sqlite => Database::File(place.path().join("master.db")),
        Engine::Postgres => Database::Server(Cluster::shared().database().parse().expect("a URL")),
    };
    let kek = KeyEncryptionKey::generate();
    let domain = "example.com".parse().expect("a domain");
    let created = ca::create(&domain, KeyKind::EcdsaP256, &kek, NOW).expect("a CA");
    let issuer = Issuer::open(&created.keys[0], &kek).expect("the issuing CA");
    let store = Store::open(&database).expect("a database");
    let administrator = first_key();
    let id = administrator.id;
    let foundation = Foundation { anchor: created.anchor, keys: created.keys, administrator };
    assert_eq!(store.found(cause(NOW), foundation.clone()).await.expect("stored"), Founded::New);
    assert_eq!(store.found(cause(NOW), foundation).await.expect("stored"), Founded::Already);
    let profile = Profile::new(domain, "https://m".to_owned());
    Master { store, database, issuer, profile, administrator: id, _place: place }
}

pub(super) fn applicant() -> PublicKey {
    let key = KeyPair::generate().expect("a key");
    PublicKey::from_spki(&key.subject_public_key_info()).expect("an allowed key")
}

fn facts() -> Facts {
    Facts {
        host_names: Vec::new(),
        addresses: Vec::new(),
        machine: Some(Sha256([7; 32])),
        version: "0".to_owned(),
    }
}

const CLOCK: ClockReport = ClockReport { local: NOW, skew: Skew { ahead: 0, doubt: 1 }, steps: 0 };

impl Master {
    fn certificate(&self, agent: AgentId, key: &PublicKey, now: UnixTime) -> NewCertificate {
        let names = self.profile.names(agent, &"db7".parse().expect("a name"), &facts());
        let validity = self.profile.validity(now, self.issuer.validity()).expect("the CA is good");
        self.issuer.agent_certificate(&names, key, validity).expect("a certificate")
    }

    /// A key of the administrator's; what came of asking for it.
    pub(super) async fn ask(&self, request: CreateApiKey, by: Principal, rules: KeyRules) -> Written {
        let order = CreateOrder {
            request,
            by,
            id: random::key_id(),
            secret: Sha256::of(b"secret"),
            approval: ApprovalId(random::bytes()),
            rules: Arc::new(rules),
            claim: None,
        };
        self.store.create_api_key(cause(NOW), order).await.expect("the database works")
    }

    pub(super) async fn make(&self, name: &str, uses: Option<u32>) -> KeyId {
        let made = self.ask(request(name, uses), administrator(), rules()).await;
        let Written::Done(shown) = made else { panic!("{made:?}") };
        shown.key.id
    }

    /// What came of doing that to a key.
    pub(super) async fn act(&self, id: KeyId, act: Act, by: &Principal, at: UnixTime) -> Written {
        self.act_by(id, act, by, (at, rules())).await
    }

    pub(super) async fn act_by(
        &self,
        id: KeyId,
        act: Act,
        by: &Principal,
        (at, rules): (UnixTime, KeyRules),
    ) -> Written {
        let order = ChangeOrder {
            id,
            act,
            by: by.clone(),
            expected: Expected::Any,
            rules: Arc::new(rules),
            request: ApprovalId(random::bytes()),
            claim: None,
        };
        self.store.change_api_key(cause(at), order).await.expect("the database works")
    }

    pub(super) fn enrolment(&self, api_key: KeyId, key: &PublicKey, now: UnixTime) -> EnrolOrder {
        let agent = random::agent_id();
        EnrolOrder {
            api_key,
            secret_number: 1,
            agent,
            name: "db7".parse().expect("a name"),
            facts: facts(),
            clock: CLOCK,
            clock_standing: ClockStanding::Agree,
            certificate: self.certificate(agent, key, now),
            rekey_at: now + DAY,
        }
    }

    async fn enrol(&self, key: &PublicKey) -> Holding {
        match self.store.enrol(cause(NOW), self.enrolment(self.administrator, key, NOW)).await {
            Ok(Enrolled::New(held)) => *held,
            other => panic!("{other:?}"),
        }
    }

    async fn renew(&self, held: &Holding, key: &PublicKey, now: UnixTime) -> Renewed {
        let order = RenewOrder {
            proof: held.credential.key.thumbprint(),
            key: key.thumbprint(),
            facts: facts(),
            clock: CLOCK,
            clock_standing: ClockStanding::Agree,
            grace: GRACE,
            certificate: Some((self.certificate(held.agent.id, key, now), now + DAY)),
        };
        self.store.renew(cause(now), order).await.expect("the database works")
    }

    async fn next(&self, held: &Holding, key: &PublicKey, now: UnixTime) -> Holding {
        let renewed = self.renew(held, key, now).await;
        let Renewed::New(held) = renewed else { panic!("{renewed:?}") };
        *held
    }

    pub(super) async fn audit_is_whole(&self) -> Head {
        let records = self.store.audit_records(0, 1_000_000).await.expect("readable");
        verify(Head::EMPTY, records).expect("an unbroken chain")
    }
}

/// Each of these holds on each engine.
macro_rules! conformance {
    ($($name:ident,)*) => {
        mod sqlite_conforms {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::master(super::Engine::Sqlite).await).await;
            })*
        }

        mod postgres_conforms {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::master(super::Engine::Postgres).await).await;
            })*
        }
    };
}

conformance! {
    a_single_use_key_admits_exactly_one_of_a_thousand,
    a_lost_answer_to_an_enrolment_costs_no_use_and_makes_no_second_agent,
    a_lost_answer_to_a_renewal_is_served_again_and_its_use_supersedes,
    a_key_of_another_agent_is_refused_and_a_missing_certificate_is_asked_for,
    an_expired_agent_renews_inside_the_grace_period_and_old_rows_go,
    revoked_stays_revoked,
    the_whole_life_of_a_key_is_in_the_audit,
    sixty_four_writers_make_one_chain,
    a_tampered_record_is_named,
    what_was_answered_is_there_after_closing_and_opening_again,
    uses_are_noted_to_the_minute,
    of_two_hundred_decisions_exactly_one_wins,
    rotating_renewing_and_revoking_race_and_every_outcome_is_told_truly,
    both_secrets_are_good_until_everybody_has_the_new_one,
    a_former_secret_ends_at_its_deadline_with_or_without_a_note,
    several_keys_are_deleted_together_or_not_at_all,
    a_deleted_key_frees_its_name_and_keeps_no_secret,
    what_a_key_may_depends_on_its_owner_its_roles_and_its_groups_now,
    a_list_is_complete_in_every_order_under_every_filter,
    a_page_that_finds_little_ends_early_and_goes_on,
    a_summary_counts_each_key_once,
    usage_tells_callers_and_agents,
    a_repeated_request_is_recognised,
    requests_are_listed_with_what_became_of_them,
    random_histories_leave_what_the_model_leaves,
    what_everybody_holds_is_kept_in_step,
    the_second_editor_is_told,
    of_the_last_two_administrators_one_stays,
    who_was_demoted_meanwhile_gives_nothing,
    of_many_unlocks_the_last_one_counts,
    repeated_creations_of_people_and_tokens_are_recognised,
    a_session_needs_the_present_password_and_ends_with_it,
    a_key_for_a_password_needs_the_present_one_and_the_right_to_enrol,
    what_retention_drops_is_told_and_the_rest_proves_itself,
    the_audit_is_listed_as_asked,
}

async fn a_single_use_key_admits_exactly_one_of_a_thousand(master: Master) {
    let id = master.make("once", Some(1)).await;
    let orders: Vec<_> = (0..1000).map(|_| master.enrolment(id, &applicant(), NOW)).collect();
    let mut tries = tokio::task::JoinSet::new();
    for order in orders {
        let store = master.store.clone();
        tries.spawn(async move { store.enrol(cause(NOW), order).await.expect("the database works") });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Enrolled::New(_))).count(), 1);
    let refused = |outcome: &&Enrolled| **outcome == Enrolled::Refused(Refusal::UsedUp);
    assert_eq!(outcomes.iter().filter(refused).count(), 999);
    assert_eq!(master.store.api_key(id).await.expect("readable").expect("stored").used, 1);
    assert_eq!(master.store.list_agents(None, 10).await.expect("readable").len(), 1);
    master.audit_is_whole().await;
}

async fn a_lost_answer_to_an_enrolment_costs_no_use_and_makes_no_second_agent(master: Master) {
    let (once_id, other_id) = (master.make("once", Some(1)).await, master.make("other", None).await);
    let key = applicant();
    let Enrolled::New(first) =
        master.store.enrol(cause(NOW), master.enrolment(once_id, &key, NOW)).await.expect("works")
    else {
        panic!("the first is new")
    };
    let again = master.store.enrol(cause(NOW), master.enrolment(once_id, &key, NOW)).await.expect("works");
    let Enrolled::Again(again) = again else { panic!("{again:?}") };
    assert_eq!(again.credential, first.credential);
    assert_eq!(again.agent.id, first.agent.id);
    let stolen = master.store.enrol(cause(NOW), master.enrolment(other_id, &key, NOW)).await.expect("works");
    assert_eq!(stolen, Enrolled::Refused(Refusal::KeyInUse));
    let late = first.credential.validity.until();
    let spent = master.store.enrol(cause(late), master.enrolment(once_id, &key, NOW)).await.expect("works");
    assert_eq!(spent, Enrolled::Refused(Refusal::KeySpent { expired: late }));
}

async fn a_lost_answer_to_a_renewal_is_served_again_and_its_use_supersedes(master: Master) {
    let (old, new, third) = (applicant(), applicant(), applicant());
    let first = master.enrol(&old).await;
    let second = master.next(&first, &new, NOW).await;
    assert_eq!((second.credential.generation, second.agent.confirmed), (2, 1));
    // Asked again by the same key, and by one that was lost altogether.
    let Renewed::Again(again) = master.renew(&first, &new, NOW).await else { panic!("served again") };
    assert_eq!(again.credential, second.credential);
    let lost = master.next(&first, &third, NOW).await;
    assert_eq!(lost.credential.generation, 3);
    // The second generation is seen in use: the first is dead, the third still good.
    let Renewed::Again(refreshed) = master.renew(&second, &new, NOW).await else { panic!("a fresh token") };
    assert_eq!(refreshed.agent.confirmed, 2);
    let superseded = Refusal::Superseded { generation: 1, confirmed: 2 };
    assert_eq!(master.renew(&first, &applicant(), NOW).await, Renewed::Refused(superseded));
    let fourth = master.next(&lost, &applicant(), NOW).await;
    assert_eq!((fourth.credential.generation, fourth.agent.confirmed), (4, 3));
    let head = master.audit_is_whole().await;
    assert_eq!(head.seq, 8, "founding, enrolment, three renewals, two answers again, one refusal");
}

async fn a_key_of_another_agent_is_refused_and_a_missing_certificate_is_asked_for(master: Master) {
    let (one, two) = (master.enrol(&applicant()).await, master.enrol(&applicant()).await);
    assert_eq!(master.renew(&one, &two.credential.key, NOW).await, Renewed::Refused(Refusal::KeyInUse));
    let order = RenewOrder {
        proof: one.credential.key.thumbprint(),
        key: applicant().thumbprint(),
        facts: facts(),
        clock: CLOCK,
        clock_standing: ClockStanding::Agree,
        grace: GRACE,
        certificate: None,
    };
    assert_eq!(master.store.renew(cause(NOW), order).await.expect("works"), Renewed::Unprepared);
}

async fn an_expired_agent_renews_inside_the_grace_period_and_old_rows_go(master: Master) {
    let keys: Vec<_> = (0..4).map(|_| applicant()).collect();
    let mut held = master.enrol(&keys[0]).await;
    for key in &keys[1..] {
        let now = held.credential.validity.until() + DAY;
        held = master.next(&held, key, now).await;
    }
    assert_eq!(held.credential.generation, 4);
    for (key, kept) in keys.iter().zip([false, false, true, true]) {
        assert_eq!(master.store.credential(key.thumbprint()).await.expect("works").is_some(), kept);
    }
    let expired = held.credential.validity.until();
    let over = master.renew(&held, &applicant(), expired + GRACE + DAY).await;
    assert_eq!(over, Renewed::Refused(Refusal::GraceOver { expired }));
    master.audit_is_whole().await;
}

async fn revoked_stays_revoked(master: Master) {
    let held = master.enrol(&applicant()).await;
    let Moved::Done(agent) = master.store.revoke_agent(cause(NOW), held.agent.id).await.expect("works")
    else {
        panic!("an active agent can be revoked")
    };
    assert_eq!(agent.state, AgentState::Revoked);
    assert!(matches!(master.store.deregister(cause(NOW), agent.id).await, Ok(Moved::Illegal(_))));
    assert!(matches!(master.store.revoke_agent(cause(NOW), agent.id).await, Ok(Moved::Illegal(_))));
    assert_eq!(master.store.revoke_agent(cause(NOW), AgentId([0; 16])).await.expect("works"), Moved::Unknown);
    assert_eq!(master.renew(&held, &applicant(), NOW).await, Renewed::Refused(Refusal::AgentRevoked));
    let order = master.enrolment(master.administrator, &held.credential.key, NOW);
    assert_eq!(
        master.store.enrol(cause(NOW), order).await.expect("works"),
        Enrolled::Refused(Refusal::AgentRevoked)
    );
    let report = Report {
        agent: agent.id,
        generation: 1,
        clock: CLOCK,
        clock_standing: ClockStanding::Critical,
        hooks: Vec::new(),
    };
    master.store.report(cause(NOW), report).await.expect("works");
    let counts = master.store.counts().await.expect("works");
    assert_eq!(counts.agents, [(AgentState::Revoked, ClockStanding::Agree, 1)]);
}

async fn the_whole_life_of_a_key_is_in_the_audit(master: Master) {
    let id = master.make("life", None).await;
    let taken = Objection::NameTaken("life".parse().expect("a name"));
    assert_eq!(master.ask(request("life", None), administrator(), rules()).await, Written::Refused(taken));
    for (act, want) in [
        (Act::Resume, Err(KeyState::Active)),
        (Act::Suspend, Ok(KeyState::Suspended)),
        (Act::Resume, Ok(KeyState::Active)),
        (Act::Revoke, Ok(KeyState::Revoked)),
        (Act::Resume, Err(KeyState::Revoked)),
        (Act::Suspend, Err(KeyState::Revoked)),
    ] {
        let event = act.event();
        match (master.act(id, act, &administrator(), NOW).await, want) {
            (Written::Done(shown), Ok(state)) => assert_eq!(shown.key.state, state, "{event:?}"),
            (Written::Refused(why), Err(state)) => assert_eq!(why, IllegalMove { state, event }.into()),
            (other, _) => panic!("{event:?}: {other:?}"),
        }
    }
    let order = master.enrolment(id, &applicant(), NOW);
    assert_eq!(
        master.store.enrol(cause(NOW), order).await.expect("works"),
        Enrolled::Refused(Refusal::KeyRevoked)
    );
    let records = master.store.audit_records(0, 100).await.expect("works");
    let story: Vec<_> = records
        .iter()
        .filter(|record| record.subject == format!("apikey:{id}"))
        .map(|record| format!("{} {}", record.action, record.outcome))
        .collect();
    let want = [
        "key.create done",
        "key.resume illegal-move",
        "key.suspend done",
        "key.resume done",
        "key.revoke done",
        "key.resume illegal-move",
        "key.suspend illegal-move",
        "agent.enrol api-key-refused",
    ];
    assert_eq!(story, want);
}

async fn sixty_four_writers_make_one_chain(master: Master) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64_u8 {
        let store = master.store.clone();
        writers.spawn(async move {
            for n in 0..16 {
                let event = Event {
                    action: Action::AgentRenew,
                    subject: Subject::None,
                    refused: None,
                    detail: serde_json::json!({ "writer": writer, "n": n }),
                };
                store.audit(cause(NOW), event).await.expect("works");
            }
        });
    }
    writers.join_all().await;
    assert_eq!(master.audit_is_whole().await.seq, 1 + 64 * 16);
}

async fn a_tampered_record_is_named(master: Master) {
    for _ in 0..5 {
        master.enrol(&applicant()).await;
    }
    let records = master.store.audit_records(0, 100).await.expect("works");
    let broken = |seq, why| Err(Broken { seq, why });
    let mut changed = records.clone();
    changed[2].detail = "{}".to_owned();
    assert_eq!(verify(Head::EMPTY, changed), broken(3, Flaw::Content));
    let mut removed = records.clone();
    removed.remove(3);
    assert_eq!(verify(Head::EMPTY, removed), broken(4, Flaw::Place));
    let mut forged = records.clone();
    let read = Event {
        action: Action::Read,
        subject: Subject::None,
        refused: None,
        detail: serde_json::Value::Null,
    };
    forged[1] = Head::EMPTY.append(read.entry(&cause(NOW)));
    forged[1].seq = 2;
    assert_eq!(verify(Head::EMPTY, forged), broken(2, Flaw::Previous));
    // In the database itself nothing is changed or removed by accident.
    for tampering in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        let done = master.store.write(writer::PROBE, move |ledger| ledger.conn.execute(tampering, &[])).await;
        assert!(matches!(done, Err(StoreError::Damaged(_))), "{tampering}: {done:?}");
    }
}

async fn what_was_answered_is_there_after_closing_and_opening_again(master: Master) {
    let held = master.enrol(&applicant()).await;
    master.store.ready().await.expect("ready");
    master.store.close().await;
    assert!(matches!(master.store.ready().await, Err(StoreError::Closed)));
    let store = Store::open(&master.database).expect("opens again");
    let found = store.credential(held.credential.key.thumbprint()).await.expect("works");
    assert_eq!(found, Some(held.clone()));
    let plan = store.rekey_plan(NOW, Duration::from_mins(1)).await.expect("works");
    assert_eq!(plan.iter().map(|(_, agents)| agents).sum::<u32>(), 1);
    assert_eq!(store.anchors().await.expect("works").len(), 1);
    assert_eq!(store.signing_keys().await.expect("works").len(), 2);
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_passes() {
    let master = master(Engine::Sqlite).await;
    let full = "PRAGMA max_page_count = 1";
    master.store.write(writer::PROBE, |ledger| ledger.conn.exists(full, &[])).await.expect("set");
    let mut refused = 0;
    let mut acknowledged = Vec::new();
    for _ in 0..200 {
        let key = applicant();
        let order = master.enrolment(master.administrator, &key, NOW);
        match master.store.enrol(cause(NOW), order).await {
            Ok(_) => acknowledged.push(key),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the disk is full at last");
    let room = "PRAGMA max_page_count = 100000";
    master.store.write(writer::PROBE, |ledger| ledger.conn.exists(room, &[])).await.expect("set");
    acknowledged.push(master.enrol(&applicant()).await.credential.key);
    for key in &acknowledged {
        assert!(master.store.credential(key.thumbprint()).await.expect("works").is_some());
    }
    let agents = master.store.list_agents(None, 500).await.expect("works");
    assert_eq!(agents.len(), acknowledged.len());
    master.audit_is_whole().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_not_ready() {
    let master = master(Engine::Sqlite).await;
    let freeze = "PRAGMA query_only = ON";
    master.store.write(writer::PROBE, |ledger| ledger.conn.execute(freeze, &[])).await.expect("set");
    assert!(matches!(master.store.ready().await, Err(StoreError::Unavailable(_))));
    let order = master.enrolment(master.administrator, &applicant(), NOW);
    assert!(matches!(master.store.enrol(cause(NOW), order).await, Err(StoreError::Unavailable(_))));
    assert!(master.store.list_agents(None, 10).await.expect("readable").is_empty());
}

async fn uses_are_noted_to_the_minute(master: Master) {
    let holder = master.store.bearer_key(master.administrator).await.expect("works").expect("there");
    master.store.note_use(&holder, 1, cause(NOW)).expect("accepted");
    master.store.ready().await.expect("and so it is written");
    let used = master
        .store
        .api_key(master.administrator)
        .await
        .expect("works")
        .expect("there")
        .last_used
        .expect("noted");
    assert_eq!(used.at.0 % 60_000, 0);
    assert!(used.at <= NOW && NOW.since(used.at) < Duration::from_mins(1));
}
