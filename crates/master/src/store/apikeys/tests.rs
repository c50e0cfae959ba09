//! What keys and approvals have to do on each engine; the list of them stands in [`crate::store::tests`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::{ApprovalId, KeyId};
use gatepass_contract::name::UserName;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{
    ApprovalKind, ApprovalState, Capability, EditApiKey, Expiry, KeyKind, KeyOrder, KeyQuery, KeyState,
    KeySummary, RotationState, Standing,
};
use tokio::task::JoinSet;

use super::list::plans;
use super::*;
use crate::domain::Refusal;
use crate::domain::apikey::{Act, Asked, Case, KeyEvent, KeyRules, Objection};
use crate::domain::approval::{ApprovalPolicy, Trigger};
use crate::domain::idempotency::Claim;
use crate::domain::people;
use crate::domain::principal::Principal;
use crate::domain::version::Expected;
use crate::random;
use crate::store::tests::*;
use crate::store::{Database, Enrolled, Store};

const HOUR: Duration = Duration::from_hours(1);
const SECRETS: [&[u8]; 2] = [b"secret", b"second"];

fn approver() -> Principal {
    principal("grace", &[Capability::KeyRead, Capability::KeyApprove])
}

/// Everything of service keys waits.
fn careful() -> KeyRules {
    let all = vec![Trigger::Kind(KeyKind::Service)];
    let approval = ApprovalPolicy { creation: all.clone(), renewal: all.clone(), rotation: all };
    KeyRules { approval, ..rules() }
}

fn rotate() -> Act {
    Act::Rotate { next: Sha256::of(SECRETS[1]), overlap: None }
}

fn refusal(written: &Written) -> Option<Code> {
    match written {
        Written::Refused(why) => Some(why.code()),
        Written::Done(_) | Written::Again(..) | Written::Otherwise => None,
    }
}

#[track_caller]
fn done(written: Written) -> Shown {
    let Written::Done(shown) = written else { panic!("{written:?}") };
    *shown
}

async fn found(master: &Master, id: KeyId) -> ApiKeyRecord {
    master.store.api_key(id).await.expect("works").expect("it is there")
}

async fn story(master: &Master, id: KeyId) -> Vec<String> {
    let records = master.store.audit_records(0, 100_000).await.expect("works");
    let of_key = records.iter().filter(|record| record.subject == format!("apikey:{id}"));
    of_key.map(|record| format!("{} {}", record.action, record.outcome)).collect()
}

pub(in crate::store) async fn of_two_hundred_decisions_exactly_one_wins(master: Master) {
    let master = Arc::new(master);
    let asked = done(master.ask(request("wanted", None), administrator(), careful()).await);
    assert_eq!(asked.key.state, KeyState::Pending);
    assert_eq!(asked.pending.expect("it waits").kind, ApprovalKind::Creation);
    let id = asked.key.id;
    let own = master.act(id, Act::Approve(String::new()), &administrator(), NOW).await;
    assert_eq!(own, Written::Refused(Objection::Own));
    let mut tries = JoinSet::new();
    for n in 0..200 {
        let (master, by) = (Arc::clone(&master), approver());
        let act = if n % 2 == 0 { Act::Approve(n.to_string()) } else { Act::Reject(n.to_string()) };
        tries.spawn(async move { master.act(id, act, &by, NOW).await });
    }
    let outcomes = tries.join_all().await;
    let won: Vec<_> = outcomes.iter().filter(|outcome| matches!(outcome, Written::Done(_))).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| refusal(outcome) == Some(Code::IllegalMove)).count(), 199);
    let state = found(&master, id).await.state;
    assert!(matches!(state, KeyState::Active | KeyState::Rejected), "{state}");
    let told = outcomes.iter().filter_map(|outcome| match outcome {
        Written::Refused(why) => Some(why.to_string()),
        Written::Done(_) | Written::Again(..) | Written::Otherwise => None,
    });
    assert!(told.into_iter().all(|why| why.contains(state.as_str())), "each is told the state");
    let decided = ApprovalListing { requester: None, state: None, after: None, limit: 10 };
    let decided = master.store.list_approvals(decided).await.expect("works");
    assert_eq!((decided.len(), decided[0].decided_by.clone()), (1, Some(approver().user)));
    master.audit_is_whole().await;
}

pub(in crate::store) async fn rotating_renewing_and_revoking_race_and_every_outcome_is_told_truly(
    master: Master,
) {
    let master = Arc::new(master);
    for round in 0..8 {
        let id = master.make(&format!("raced {round}"), None).await;
        let mut tries = JoinSet::new();
        for n in 0..30 {
            let master = Arc::clone(&master);
            let act = match n % 3 {
                0 => rotate(),
                1 => Act::Renew(Some(Expiry::At(NOW + HOUR * (n + 1)))),
                _ => Act::Revoke,
            };
            tries.spawn(async move { (act.event(), master.act(id, act, &administrator(), NOW).await) });
        }
        let outcomes = tries.join_all().await;
        let count = |event| {
            outcomes
                .iter()
                .filter(|(of, outcome)| *of == event && matches!(outcome, Written::Done(_)))
                .count()
        };
        assert_eq!(count(KeyEvent::Revoke), 1, "revoked once");
        assert!(count(KeyEvent::Rotate) <= 1, "one second secret at a time");
        let refused = outcomes.iter().filter_map(|(_, outcome)| refusal(outcome));
        assert!(refused.into_iter().all(|code| code == Code::IllegalMove));
        let key = found(&master, id).await;
        assert_eq!(key.state, KeyState::Revoked);
        assert_eq!(key.rotation.is_some(), count(KeyEvent::Rotate) == 1);
        let done = story(&master, id).await.iter().filter(|told| told.ends_with(" done")).count();
        assert_eq!(
            done,
            1 + outcomes.iter().filter(|(_, outcome)| matches!(outcome, Written::Done(_))).count()
        );
    }
    master.audit_is_whole().await;
}

/// What an enrolment with that secret of the key comes to, from a host of its own.
async fn enrol(master: &Master, id: KeyId, secret_number: u32, host: u8, at: UnixTime) -> Option<Refusal> {
    let mut order = master.enrolment(id, &applicant(), NOW);
    order.secret_number = secret_number;
    order.facts.machine = Some(Sha256([host; 32]));
    match master.store.enrol(cause(at), order).await.expect("works") {
        Enrolled::New(_) => None,
        Enrolled::Refused(why) => Some(why),
        Enrolled::Again(_) => panic!("the applicant is new"),
    }
}

pub(in crate::store) async fn both_secrets_are_good_until_everybody_has_the_new_one(master: Master) {
    let id = master.make("rotated", None).await;
    let long_ago = NOW - Duration::from_hours(31 * 24);
    for (host, at) in [(1, NOW), (2, NOW), (3, long_ago)] {
        assert_eq!(enrol(&master, id, 1, host, at).await, None);
    }
    assert_eq!(enrol(&master, id, 2, 1, NOW).await, Some(Refusal::SecretReplaced), "there is none yet");
    let rotated = done(master.act(id, rotate(), &administrator(), NOW).await);
    let rotation = rotated.key.rotation.clone().expect("under way");
    assert_eq!(
        (rotation.state, rotation.deadline, rotated.waiting),
        (RotationState::Ready, NOW + DAY, Some(2))
    );
    let twice = master.act(id, rotate(), &administrator(), NOW).await;
    assert_eq!(twice, Written::Refused(Objection::Rotating(RotationState::Ready)));
    assert_eq!(enrol(&master, id, 2, 1, NOW).await, None);
    let shown = master.store.shown_api_key(id, NOW).await.expect("works").expect("there");
    assert_eq!(shown.key.rotation.map(|rotation| rotation.state), Some(RotationState::Overlap));
    assert_eq!(shown.waiting, Some(1), "the second host; the third one has not been seen for a month");
    assert_eq!(enrol(&master, id, 1, 2, NOW).await, None, "the former one is still good");
    assert_eq!(enrol(&master, id, 2, 2, NOW).await, None);
    let key = found(&master, id).await;
    assert_eq!((key.rotation.clone(), key.secret_number, key.secret), (None, 2, Sha256::of(SECRETS[1])));
    assert_eq!(enrol(&master, id, 1, 2, NOW).await, Some(Refusal::SecretReplaced));
    assert_eq!(enrol(&master, id, 2, 4, NOW).await, None);
    assert!(story(&master, id).await.contains(&"key.retire done".to_owned()));
}

pub(in crate::store) async fn a_former_secret_ends_at_its_deadline_with_or_without_a_note(master: Master) {
    let (told, untold) = (master.make("told", None).await, master.make("untold", None).await);
    let waits = master.make("waits", None).await;
    for id in [told, untold] {
        assert_eq!(enrol(&master, id, 1, 1, NOW).await, None);
        done(master.act(id, rotate(), &administrator(), NOW).await);
    }
    done(master.act_by(waits, rotate(), &administrator(), (NOW, careful())).await);
    let deadline = NOW + DAY;
    assert_eq!(enrol(&master, untold, 1, 1, UnixTime(deadline.0 - 1)).await, None);
    assert_eq!(enrol(&master, untold, 1, 1, deadline).await, Some(Refusal::SecretReplaced));
    assert_eq!(master.store.retire_overdue(cause(UnixTime(deadline.0 - 1))).await.expect("works"), 0);
    assert_eq!(master.store.retire_overdue(cause(deadline)).await.expect("works"), 2);
    assert_eq!(master.store.retire_overdue(cause(deadline)).await.expect("works"), 0);
    assert_eq!((found(&master, told).await.secret_number, found(&master, told).await.rotation), (2, None));
    assert_eq!(enrol(&master, waits, 1, 1, deadline).await, None, "what waits for approval replaces nothing");
    assert_eq!(enrol(&master, waits, 2, 1, deadline).await, Some(Refusal::SecretPending));
    done(master.act(waits, Act::Approve(String::new()), &approver(), deadline).await);
    assert_eq!(found(&master, waits).await.rotation.map(|rotation| rotation.deadline), Some(deadline + DAY));
    assert_eq!(enrol(&master, waits, 2, 1, deadline).await, None);
}

pub(in crate::store) async fn several_keys_are_deleted_together_or_not_at_all(master: Master) {
    let (one, two) = (master.make("one", None).await, master.make("two", None).await);
    let (active, nobody) = (master.make("active", None).await, KeyId([7; 10]));
    for id in [one, two] {
        done(master.act(id, Act::Revoke, &administrator(), NOW).await);
    }
    let delete = |ids: &[KeyId]| {
        master.store.delete_api_keys(cause(NOW), ids.to_vec(), administrator(), Arc::new(rules()))
    };
    let Deleted::None(in_the_way) = delete(&[one, active, nobody, two]).await.expect("works") else {
        panic!("two stand in the way")
    };
    assert_eq!(in_the_way.iter().map(|key| key.id).collect::<Vec<_>>(), [active, nobody]);
    assert_eq!(Deleted::code(&in_the_way), Code::NotFound);
    for id in [one, two] {
        assert_eq!(found(&master, id).await.state, KeyState::Revoked, "nothing was deleted");
    }
    assert_eq!(delete(&[one, two]).await.expect("works"), Deleted::All);
    for id in [one, two] {
        assert_eq!(found(&master, id).await.state, KeyState::Deleted);
        assert_eq!(story(&master, id).await, ["key.create done", "key.revoke done", "key.delete done"]);
        assert_eq!(master.store.shown_api_key(id, NOW).await.expect("works"), None);
    }
}

pub(in crate::store) async fn a_deleted_key_frees_its_name_and_keeps_no_secret(master: Master) {
    let id = master.make("again", None).await;
    assert_eq!(enrol(&master, id, 1, 1, NOW).await, None);
    done(master.act(id, rotate(), &administrator(), NOW).await);
    done(master.act(id, Act::Revoke, &administrator(), NOW).await);
    done(master.act(id, Act::Delete, &administrator(), NOW).await);
    let gone = found(&master, id).await;
    assert_eq!((gone.secret, gone.rotation.clone()), (Sha256([0; 32]), None));
    assert_ne!(master.make("again", None).await, id);
    let usage = master.store.api_key_usage(id, NOW).await.expect("works");
    assert_eq!(usage.expect("its agents know it").agents_in_all, 1);
    let again = master.act(id, Act::Delete, &administrator(), NOW).await;
    assert_eq!(again, Written::Refused(Objection::Unknown));
}

async fn run(master: &Master, sql: &'static str) {
    let done =
        master.store.write(crate::store::writer::PROBE, move |ledger| ledger.conn.execute(sql, &[])).await;
    assert_eq!(done.expect("written"), 1, "{sql}");
}

pub(in crate::store) async fn what_a_key_may_depends_on_its_owner_its_roles_and_its_groups_now(
    master: Master,
) {
    let mut wanted = request("narrow", None);
    wanted.roles = vec!["auditor".parse().expect("a name")];
    let id = done(master.ask(wanted, administrator(), rules()).await).key.id;
    let holder = async || master.store.bearer_key(id).await.expect("works").expect("there");
    let may = async || holder().await.allows(1, HERE, NOW).map(|admission| admission.capabilities);
    let all = may().await.expect("admitted");
    assert!(all.contains(&Capability::AgentEnrol) && all.contains(&Capability::AuditRead), "{all:?}");
    run(&master, r#"UPDATE account SET capabilities = '["audit.read"]' WHERE name = 'administrator'"#).await;
    assert_eq!(may().await, Ok(vec![Capability::AuditRead]), "demoted");
    assert_eq!(enrol(&master, id, 1, 1, NOW).await, Some(Refusal::Lacks(Capability::AgentEnrol)));
    run(&master, "UPDATE account SET state = 'disabled' WHERE name = 'administrator'").await;
    assert_eq!(may().await, Err(Refusal::OwnerInactive));
    assert_eq!(enrol(&master, id, 1, 1, NOW).await, Some(Refusal::OwnerInactive));
    run(&master, "UPDATE account SET state = 'active' WHERE name = 'administrator'").await;
    let group = "db".parse().expect("a name");
    let forget = move |ledger: &mut crate::store::ledger::Ledger<'_>| forget_group(ledger.conn, &group);
    master.store.write(crate::store::writer::PROBE, forget).await.expect("works");
    assert_eq!(may().await, Err(Refusal::GroupsGone));
}

/// Twenty-four keys that differ in everything that can be asked for.
async fn many(master: &Master) -> Vec<ApiKeyRecord> {
    for (name, password) in [("ada", ""), ("bob", "")] {
        let insert = r#"INSERT INTO account (name, full_name, state, roles, teams, held_roles, capabilities, created, version)
            VALUES (?1, ?2, 'active', '[]', '[]', '[]', '["agent.enrol"]', 0, 1)"#;
        let job = move |ledger: &mut crate::store::ledger::Ledger<'_>| {
            ledger.conn.execute(insert, params![name, password])
        };
        master.store.write(crate::store::writer::PROBE, job).await.expect("written");
    }
    for n in 0..24_u32 {
        let mut wanted = request(&format!("key {:02}", (n * 7) % 24), None);
        wanted.owner = Some(["ada", "bob"][n as usize % 2].parse().expect("a name"));
        wanted.kind = if n % 3 == 0 { KeyKind::Personal } else { KeyKind::Service };
        wanted.groups = vec![["db", "web", "ops"][n as usize % 3].parse().expect("a name")];
        wanted.expires = Some(if n % 6 == 5 { Expiry::Never } else { Expiry::At(NOW + HOUR * (1 + n / 2)) });
        let id = done(master.ask(wanted, administrator(), rules()).await).key.id;
        if n % 4 == 1 {
            done(master.act(id, Act::Revoke, &administrator(), NOW).await);
        }
        if n % 8 == 5 {
            done(master.act(id, Act::Delete, &administrator(), NOW).await);
        }
    }
    let all = format!("SELECT {COLUMNS} FROM api_key k");
    master.store.scan(move |conn| conn.query(&all, &[], read)).await.expect("works")
}

/// All pages, of three each.
async fn listed(master: &Master, query: &KeyQuery, now: UnixTime) -> Vec<KeyId> {
    let (mut ids, mut place) = (Vec::new(), None);
    loop {
        let listing = Listing::new(query.clone(), (now, HOUR * 4), 3).after(place).expect("the same order");
        let (keys, next) = master.store.list_api_keys(listing).await.expect("works");
        assert!(keys.len() <= 3);
        ids.extend(keys.iter().map(|key| key.id));
        place = next;
        if place.is_none() {
            return ids;
        }
    }
}

fn fits(key: &ApiKeyRecord, query: &KeyQuery, now: UnixTime) -> bool {
    let within =
        |span: Span| matches!(key.key.expires, Expiry::At(at) if at > now && at <= now + span.duration());
    query.state.map_or(key.state != KeyState::Deleted, |state| key.state == state)
        && query.standing.is_none_or(|standing| key.standing(now, HOUR * 4) == standing)
        && query.kind.is_none_or(|kind| key.key.kind == kind)
        && query.owner.as_ref().is_none_or(|owner| key.key.owner == *owner)
        && query.group.as_ref().is_none_or(|group| key.key.groups.contains(group))
        && query.name.as_ref().is_none_or(|name| key.key.name == *name)
        && query.expiring_within.is_none_or(within)
}

fn sorted(mut keys: Vec<&ApiKeyRecord>, order: KeyOrder) -> Vec<KeyId> {
    match order {
        KeyOrder::Id => keys.sort_by_key(|key| key.id),
        KeyOrder::Name => keys.sort_by_key(|key| key.key.name.clone()),
        KeyOrder::Created => keys.sort_by_key(|key| (key.created, key.id)),
        KeyOrder::CreatedDown => keys.sort_by_key(|key| std::cmp::Reverse((key.created, key.id))),
        KeyOrder::Expires => keys.sort_by_key(|key| (end(key.key.expires), key.id)),
    }
    keys.into_iter().map(|key| key.id).collect()
}

pub(in crate::store) async fn a_list_is_complete_in_every_order_under_every_filter(master: Master) {
    let all = many(&master).await;
    let now = NOW + HOUR * 5;
    let plain = KeyQuery::default;
    let owner: Option<UserName> = Some("ada".parse().expect("a name"));
    let filters = [
        plain(),
        KeyQuery { owner: owner.clone(), ..plain() },
        KeyQuery { state: Some(KeyState::Revoked), ..plain() },
        KeyQuery { state: Some(KeyState::Deleted), ..plain() },
        KeyQuery { state: Some(KeyState::Deleted), owner: Some("bob".parse().expect("a name")), ..plain() },
        KeyQuery { kind: Some(KeyKind::Personal), ..plain() },
        KeyQuery { group: Some("web".parse().expect("a name")), ..plain() },
        KeyQuery { group: Some("ops".parse().expect("a name")), state: Some(KeyState::Active), ..plain() },
        KeyQuery { name: Some("key 07".parse().expect("a name")), ..plain() },
        KeyQuery { standing: Some(Standing::Expired), ..plain() },
        KeyQuery { standing: Some(Standing::Expiring), owner: owner.clone(), ..plain() },
        KeyQuery { standing: Some(Standing::Valid), kind: Some(KeyKind::Service), ..plain() },
        KeyQuery { expiring_within: Some(Span::from(HOUR * 3)), state: Some(KeyState::Active), ..plain() },
        KeyQuery { owner, state: Some(KeyState::Active), kind: Some(KeyKind::Service), ..plain() },
    ];
    for filter in filters {
        for order in KeyOrder::ALL.iter().copied().map(Some).chain([None]) {
            let query = KeyQuery { sort: order, ..filter.clone() };
            let fitting: Vec<_> = all.iter().filter(|key| fits(key, &query, now)).collect();
            let by_end = query.standing.is_some() || query.expiring_within.is_some();
            let usual = if by_end { KeyOrder::Expires } else { KeyOrder::Id };
            let want = sorted(fitting, order.unwrap_or(usual));
            assert!(filter.group.is_some() || !want.is_empty(), "{query:?} finds something");
            assert_eq!(listed(&master, &query, now).await, want, "{query:?}");
        }
    }
    let by_name = KeyQuery { sort: Some(KeyOrder::Name), ..plain() };
    let first = Listing::new(by_name, (now, HOUR), 3);
    let (keys, place) = master.store.list_api_keys(first).await.expect("works");
    let place = place.expect("there are more");
    assert_eq!(Listing::new(plain(), (now, HOUR), 3).after(Some(place.clone())), None, "another order");
    // What comes or goes in between shifts nothing.
    done(master.act(keys[0].id, Act::Suspend, &administrator(), now).await);
    master.make("A new one in front", None).await;
    let by_name = KeyQuery { sort: Some(KeyOrder::Name), ..plain() };
    let second = Listing::new(by_name, (now, HOUR), 3).after(Some(place)).expect("the same order");
    let (next, _) = master.store.list_api_keys(second).await.expect("works");
    assert!(next.iter().all(|key| key.key.name > keys[2].key.name), "no key twice");
}

pub(in crate::store) async fn a_page_that_finds_little_ends_early_and_goes_on(master: Master) {
    let fill = |ledger: &mut crate::store::ledger::Ledger<'_>| {
        let key = select(ledger.conn, KeyId([0; 10]))?;
        assert!(key.is_none());
        let copy = "INSERT INTO api_key (id, secret, kind, name, description, owner, groups, capabilities, expires, networks,
            state, created, used, creator, roles, enabled, version, secret_number)
            SELECT ?1, secret, 'service', ?2, '', owner, '[]', '[]', expires, '[]', 'active', ?3, 0, creator, '[]', 1, 1, 1
            FROM api_key WHERE name = 'administrator'";
        for n in 0..2500_i64 {
            let mut id = [1; 10];
            id[..8].copy_from_slice(&n.to_be_bytes());
            ledger.conn.execute(
                copy,
                params![id, format!("bulk {n:04}"), NOW + Duration::from_secs(n.unsigned_abs())],
            )?;
        }
        ledger.conn.execute("UPDATE api_key SET kind = 'personal' WHERE name = 'bulk 2499'", &[])
    };
    master.store.write(crate::store::writer::PROBE, fill).await.expect("written");
    let query =
        KeyQuery { kind: Some(KeyKind::Personal), sort: Some(KeyOrder::Created), ..KeyQuery::default() };
    let (keys, place) =
        master.store.list_api_keys(Listing::new(query.clone(), (NOW, HOUR), 50)).await.expect("works");
    assert!(keys.is_empty() && place.is_some(), "the needle is further down than one page looks");
    let listing = Listing::new(query, (NOW, HOUR), 50).after(place).expect("the same order");
    let (keys, place) = master.store.list_api_keys(listing).await.expect("works");
    assert_eq!((keys.len(), place), (1, None));
}

pub(in crate::store) async fn a_summary_counts_each_key_once(master: Master) {
    let all = many(&master).await;
    let now = NOW + HOUR * 5;
    let summary = master.store.summarise_api_keys(None, now, HOUR * 4).await.expect("works");
    let count = |state, standing| {
        all.iter().filter(|key| key.state == state && key.standing(now, HOUR * 4) == standing).count() as u64
    };
    let revoked = all.iter().filter(|key| key.state == KeyState::Revoked).count() as u64;
    let want = KeySummary {
        valid: count(KeyState::Active, Standing::Valid),
        expiring: count(KeyState::Active, Standing::Expiring),
        expired: count(KeyState::Active, Standing::Expired),
        revoked,
        ..KeySummary::default()
    };
    assert!(want.valid > 0 && want.expiring > 0 && want.expired > 0 && want.revoked > 0);
    assert_eq!(summary.counts, want);
    let soon = |key: &&ApiKeyRecord| matches!(key.key.expires, Expiry::At(at) if at > now);
    let next = all.iter().filter(|key| key.state == KeyState::Active).filter(soon).collect();
    let next: Vec<_> = sorted(next, KeyOrder::Expires).into_iter().take(10).collect();
    assert_eq!(summary.next.iter().map(|key| key.id).collect::<Vec<_>>(), next);
    let ada: UserName = "ada".parse().expect("a name");
    let theirs = master.store.summarise_api_keys(Some(ada.clone()), now, HOUR * 4).await.expect("works");
    let valid = all.iter().filter(|key| key.key.owner == ada && key.state == KeyState::Active);
    let valid = valid.filter(|key| key.standing(now, HOUR * 4) == Standing::Valid).count() as u64;
    assert_eq!(theirs.counts.valid, valid);
}

pub(in crate::store) async fn usage_tells_callers_and_agents(master: Master) {
    let id = master.make("used", None).await;
    let later = NOW + Duration::from_mins(5);
    assert_eq!(enrol(&master, id, 1, 1, NOW).await, None);
    assert_eq!(enrol(&master, id, 1, 2, later).await, None);
    let holder = master.store.bearer_key(id).await.expect("works").expect("there");
    for _ in 0..3 {
        master.store.note_use(&holder, 1, cause(later)).expect("accepted");
    }
    master.store.ready().await.expect("and so it is written");
    let usage = master.store.api_key_usage(id, later).await.expect("works").expect("there");
    assert_eq!((usage.callers.len(), usage.agents.len(), usage.agents_in_all), (3, 2, 2));
    let minute = |at: UnixTime| UnixTime(at.0 - at.0.rem_euclid(60_000));
    assert_eq!(
        usage.callers.iter().map(|caller| caller.last).collect::<Vec<_>>(),
        [minute(later), minute(later), minute(NOW)]
    );
    assert!(usage.callers.iter().all(|caller| caller.newest_secret && caller.from == HERE));
    assert_eq!(usage.callers.iter().filter(|caller| caller.agent.is_some()).count(), 2);
    assert_eq!((usage.key.key.used, usage.key.key.version), (2, 1), "uses are no edits");
    let much_later = later + Duration::from_hours(31 * 24);
    let usage = master.store.api_key_usage(id, much_later).await.expect("works").expect("there");
    assert_eq!((usage.callers.len(), usage.agents.len()), (0, 2));
}

pub(in crate::store) async fn a_repeated_request_is_recognised(master: Master) {
    let claim = |request: &[u8]| {
        Some(Claim { user: people::administrator(), key: "once".to_owned(), request: Sha256::of(request) })
    };
    let order = |name: &str, claim| CreateOrder {
        request: request(name, None),
        by: administrator(),
        id: random::key_id(),
        secret: Sha256::of(SECRETS[0]),
        approval: ApprovalId(random::bytes()),
        rules: Arc::new(rules()),
        claim,
    };
    let create = async |order| master.store.create_api_key(cause(NOW), order).await.expect("works");
    let first = done(create(order("repeated", claim(b"a"))).await);
    let Written::Again(again, before) = create(order("repeated", claim(b"a"))).await else {
        panic!("recognised")
    };
    assert_eq!((again.key.id, before.at), (first.key.id, NOW));
    assert_eq!(create(order("other", claim(b"b"))).await, Written::Otherwise);
    assert_eq!(refusal(&create(order("repeated", None)).await), Some(Code::NameTaken));
    let rotation = |claim| ChangeOrder {
        id: first.key.id,
        act: rotate(),
        by: administrator(),
        expected: Expected::OneOf(vec![1]),
        rules: Arc::new(rules()),
        request: ApprovalId(random::bytes()),
        claim,
    };
    let rotated = async |order| master.store.change_api_key(cause(NOW), order).await.expect("works");
    let second = Some(Claim { key: "twice".to_owned(), ..claim(b"c").expect("one") });
    done(rotated(rotation(second.clone())).await);
    assert!(
        matches!(rotated(rotation(second)).await, Written::Again(..)),
        "though the version is another one"
    );
    assert_eq!(rotated(rotation(None)).await, Written::Refused(Objection::Stale(2)));
    let narrow = principal(people::ADMINISTRATOR, &[Capability::KeyCreate]);
    let stolen = create(CreateOrder { by: narrow, ..order("repeated", claim(b"a")) }).await;
    assert_eq!(
        refusal(&stolen),
        Some(Code::CapabilityMissing),
        "a narrow key of the same user is not shown the secret"
    );
}

pub(in crate::store) async fn requests_are_listed_with_what_became_of_them(master: Master) {
    let ask =
        async |name: &str| done(master.ask(request(name, None), administrator(), careful()).await).key.id;
    let (approved, rejected, waits) = (ask("approved").await, ask("rejected").await, ask("waits").await);
    done(master.act(approved, Act::Approve("fine".to_owned()), &approver(), NOW + HOUR).await);
    done(master.act(rejected, Act::Reject("use another".to_owned()), &approver(), NOW + HOUR).await);
    let later = NOW + HOUR * 2;
    done(master.act_by(approved, Act::Renew(None), &administrator(), (later, careful())).await);
    assert_eq!(enrol(&master, waits, 1, 1, NOW).await, Some(Refusal::KeyPending));
    assert_eq!(enrol(&master, rejected, 1, 1, NOW).await, Some(Refusal::KeyRejected));
    let again = master.act(approved, Act::Renew(None), &administrator(), later).await;
    assert_eq!(again, Written::Refused(Objection::Waiting(ApprovalKind::Renewal)));
    done(master.act(approved, Act::Revoke, &administrator(), later).await);
    let listing = |requester, state| ApprovalListing { requester, state, after: None, limit: 10 };
    let list = async |listing| master.store.list_approvals(listing).await.expect("works");
    let all = list(listing(None, None)).await;
    let states: BTreeSet<_> =
        all.iter().map(|approval| (approval.key, approval.kind, approval.state)).collect();
    let want = [
        (approved, ApprovalKind::Creation, ApprovalState::Approved),
        (approved, ApprovalKind::Renewal, ApprovalState::Withdrawn),
        (rejected, ApprovalKind::Creation, ApprovalState::Rejected),
        (waits, ApprovalKind::Creation, ApprovalState::Pending),
    ];
    assert_eq!(states, want.into());
    assert_eq!(all.last().map(|approval| approval.at), Some(later), "oldest first");
    let rejections = list(listing(None, Some(ApprovalState::Rejected))).await;
    assert_eq!((rejections.len(), rejections[0].reason.as_str()), (1, "use another"));
    assert_eq!(list(listing(Some(approver().user), None)).await, []);
    assert_eq!(list(listing(Some(people::administrator()), Some(ApprovalState::Pending))).await.len(), 1);
    let rest = ApprovalListing { after: Some((all[1].at, all[1].id)), ..listing(None, None) };
    assert_eq!(list(rest).await, all[2..]);
}

/// A repeatable source of choices (Marsaglia's xorshift).
struct Lots(u64);

impl Lots {
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

fn any_act(lots: &mut Lots) -> Act {
    match lots.draw(9) {
        0 => Act::Edit(EditApiKey { enabled: Some(lots.draw(2) == 0), ..EditApiKey::default() }),
        1 => Act::Renew(None),
        2 => rotate(),
        3 => Act::Suspend,
        4 => Act::Resume,
        5 if lots.draw(3) == 0 => Act::Revoke,
        6 => Act::Delete,
        7 => Act::Reject("no".to_owned()),
        _ => Act::Approve(String::new()),
    }
}

/// The pure decision was compared with a model of its own; here it is the model for what the database does with it.
pub(in crate::store) async fn random_histories_leave_what_the_model_leaves(master: Master) {
    let people =
        [administrator(), approver(), principal("reader", &[Capability::KeyRead]), principal("eve", &[])];
    for seed in 1..16 {
        let mut lots = Lots(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut policy = || if lots.draw(2) == 0 { careful() } else { rules() };
        let asked =
            done(master.ask(request(&format!("history {seed}"), None), administrator(), policy()).await);
        let capabilities = asked.key.key.capabilities.clone();
        let mut model =
            Case { key: asked.key, pending: asked.pending, capabilities, owner: Capability::ALL.to_vec() };
        let mut now = NOW;
        for _ in 0..25 {
            now = now + Duration::from_hours(24 * 60 * u64::from(lots.draw(4) == 0));
            let (act, by) = (any_act(&mut lots), &people[lots.draw(people.len())]);
            let rules = if lots.draw(2) == 0 { careful() } else { rules() };
            let request = ApprovalId([0; 10]);
            let asked = Asked { by, at: now, expected: &Expected::Any, rules: &rules, request };
            let want = model.decide(act.clone(), asked);
            let got = master.act_by(model.key.id, act.clone(), by, (now, rules.clone())).await;
            match (want, got) {
                (Err(want), got) => assert_eq!(got, Written::Refused(want), "{act:?}"),
                (Ok(changed), Written::Done(shown)) => {
                    assert_eq!(shown.key, changed.key, "{act:?}");
                    model.key = changed.key;
                    if let Some(approval) = changed.approval {
                        model.pending = Some(approval).filter(|a| a.state == ApprovalState::Pending);
                    }
                    let waiting = |case: &Option<crate::domain::approval::ApprovalRecord>| {
                        case.as_ref()
                            .map(|approval| (approval.kind, approval.requester.clone(), approval.wanted))
                    };
                    assert_eq!(waiting(&shown.pending), waiting(&model.pending), "{act:?}");
                }
                (want, got) => panic!("{act:?}: {want:?}, {got:?}"),
            }
            assert_eq!(found(&master, model.key.id).await, model.key, "{act:?}");
        }
    }
    master.audit_is_whole().await;
}

/// Each page is read from an index, in the order it is wanted in; so is everything else that could grow.
#[tokio::test]
async fn every_page_is_read_from_an_index() {
    let place = tempfile::tempdir().expect("a directory");
    let store = Store::open(&Database::File(place.path().join("master.db"))).expect("a database");
    let others = [
        "SELECT id FROM api_key WHERE rotate_by <= ?1 AND rotation <> 'pending' ORDER BY rotate_by LIMIT 256",
        "SELECT count(*) FROM api_key_caller WHERE api_key = ?1 AND secret_number = ?2 AND last >= ?3",
        "SELECT count(*) FROM agent WHERE enrolled_with = ?1 AND state = 'active'",
        "SELECT a.id FROM approval a WHERE (a.at, a.id) > (?1, ?2) ORDER BY a.at, a.id LIMIT ?3",
        "SELECT a.id FROM approval a WHERE (a.at, a.id) > (?1, ?2) AND a.state = ?4 ORDER BY a.at, a.id LIMIT ?3",
        "SELECT a.id FROM approval a WHERE (a.at, a.id) > (?1, ?2) AND a.requester = ?4 ORDER BY a.at, a.id LIMIT ?3",
        "SELECT a.id FROM approval a WHERE a.api_key = ?1 AND a.state = 'pending'",
        "SELECT team FROM api_key_team WHERE api_key = ?1 ORDER BY team",
    ];
    let others = others.map(|text| ("another".to_owned(), text.to_owned()));
    for (what, text) in plans::all().into_iter().chain(others) {
        let explain = format!("EXPLAIN QUERY PLAN {text}");
        let places = (1..=9).take_while(|n| text.contains(&format!("?{n}"))).count();
        let plan = store
            .scan(move |conn| {
                conn.query(&explain, &vec![sql::Value::Null; places], |row| Ok(row.text(3)?.to_owned()))
            })
            .await
            .expect("explained");
        let steps = plan.join("; ");
        let indexed = plan.iter().all(|step| step.contains("USING") && !step.contains("TEMP B-TREE"));
        assert!(indexed, "{what}: {steps} for {text}");
    }
}
