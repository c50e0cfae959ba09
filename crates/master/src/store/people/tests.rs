//! What users, groups, roles, tokens and sessions have to do on each engine; the list of them stands in
//! [`crate::store::tests`].

use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::TokenId;
use gatepass_contract::name::UserName;
use gatepass_contract::wire::admin::{
    Capability, CreateGroup, CreateRole, CreateToken, CreateUser, EditGroup, EditRole, EditUser, UserState,
};
use tokio::task::JoinSet;

use super::{NewPassword, NewUser, Settled};
use crate::domain::Refusal;
use crate::domain::apikey::{ExpiryPolicy, Objection};
use crate::domain::idempotency::Claim;
use crate::domain::people::{self, Giver, PasswordHash, Unacceptable, UserRecord};
use crate::domain::token::{Issuance, TokenHolder, TokenRecord};
use crate::domain::version::Expected;
use crate::random;
use crate::store::tests::*;
use crate::store::{Enrolled, NewSession, NewToken, OnceKey, OnceOrder, Store, Target};

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

fn everything() -> Giver {
    (&administrator()).into()
}

fn new_user(user: &str, roles: &[&str], groups: &[&str]) -> NewUser {
    let request = CreateUser {
        name: name(user),
        full_name: String::new(),
        email: None,
        roles: roles.iter().map(|role| name(role)).collect(),
        groups: groups.iter().map(|group| name(group)).collect(),
        password: None,
        annotation: None,
    };
    NewUser { request, password: None, claim: None }
}

async fn make(store: &Store, user: &str, roles: &[&str], groups: &[&str]) -> UserRecord {
    let made = store.create_user(cause(NOW), everything(), new_user(user, roles, groups)).await;
    let Ok(Settled::Done(made)) = made else { panic!("{made:?}") };
    made
}

async fn held(store: &Store, user: &str) -> Vec<Capability> {
    store.user(name(user)).await.expect("readable").expect("there").capabilities
}

async fn edit(store: &Store, by: Giver, user: &str, request: EditUser) -> Settled<UserRecord> {
    store.edit_user(cause(NOW), by, (name(user), Expected::Any), request).await.expect("works")
}

fn disable() -> EditUser {
    EditUser { enabled: Some(false), ..EditUser::default() }
}

pub(in crate::store) async fn what_everybody_holds_is_kept_in_step(master: Master) {
    let store = &master.store;
    let role = CreateRole {
        name: name("watch"),
        description: String::new(),
        capabilities: vec![Capability::AgentRead],
        annotation: None,
    };
    let role = store.create_role(cause(NOW), everything(), (role, None)).await.expect("works");
    assert!(matches!(role, Settled::Done(_)), "{role:?}");
    let group = CreateGroup {
        name: name("night"),
        description: String::new(),
        roles: vec![name("watch")],
        annotation: None,
    };
    store.create_group(cause(NOW), everything(), (group, None)).await.expect("works");
    make(store, "ann", &["user"], &["night"]).await;
    let (read, create, token) = (Capability::AgentRead, Capability::KeyCreate, Capability::TokenCreate);
    assert_eq!(held(store, "ann").await, [read, create, token]);
    let wider = EditRole { capabilities: Some(vec![Capability::AuditRead]), ..EditRole::default() };
    store.edit_role(cause(NOW), everything(), (name("watch"), Expected::Any), wider).await.expect("works");
    assert_eq!(held(store, "ann").await, [create, token, Capability::AuditRead]);
    let none = EditGroup { roles: Some(Vec::new()), ..EditGroup::default() };
    store.edit_group(cause(NOW), everything(), (name("night"), Expected::Any), none).await.expect("works");
    assert_eq!(held(store, "ann").await, [create, token]);
    let in_use = store.delete_group(cause(NOW), everything(), (name("night"), Expected::Any)).await;
    assert_eq!(in_use.expect("works"), Settled::InUse("ann belongs to it".to_owned()));
    let gone = store.delete_role(cause(NOW), everything(), (name("watch"), Expected::Any)).await;
    assert_eq!(gone.expect("works"), Settled::Done(()));
    store.settle(NOW + DAY).await.expect("works");
    let roles = store.list_roles(None, 100).await.expect("readable");
    assert!(
        roles.iter().all(|role| role.builtin && role.version == 1),
        "nothing was to be brought up to date"
    );
    master.audit_is_whole().await;
}

pub(in crate::store) async fn the_second_editor_is_told(master: Master) {
    let store = &master.store;
    make(store, "ann", &[], &[]).await;
    let target = || (name("ann"), Expected::OneOf(vec![1]));
    let called = |name: &str| EditUser { full_name: Some(name.to_owned()), ..EditUser::default() };
    let mut editors = JoinSet::new();
    for editor in 0..20 {
        let (store, request) = (store.clone(), called(&format!("Ann {editor}")));
        editors.spawn(async move { store.edit_user(cause(NOW), everything(), target(), request).await });
    }
    let outcomes = editors.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Settled::Done(_)))).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Settled::Outdated(2)))).count(), 19);
}

pub(in crate::store) async fn of_the_last_two_administrators_one_stays(master: Master) {
    let store = &master.store;
    make(store, "second", &[people::ADMINISTRATOR], &[]).await;
    let mut tries = JoinSet::new();
    for user in [people::ADMINISTRATOR, "second"] {
        let store = store.clone();
        // Whichever comes first: the other one's own right to do so has gone with it, or nobody would be left.
        tries.spawn(async move {
            edit(&store, Giver { user: name("second"), ..everything() }, user, disable()).await
        });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(
        outcomes.iter().filter(|outcome| matches!(outcome, Settled::Done(_))).count(),
        1,
        "{outcomes:?}"
    );
    let refused = |outcome: &&Settled<UserRecord>| matches!(outcome, Settled::Refused(_));
    assert_eq!(outcomes.iter().filter(refused).count(), 1, "{outcomes:?}");
}

pub(in crate::store) async fn who_was_demoted_meanwhile_gives_nothing(master: Master) {
    let store = &master.store;
    make(store, "boss", &[people::ADMINISTRATOR], &[]).await;
    let boss = Giver { user: name("boss"), ..everything() };
    let demoted = EditUser { roles: Some(vec![name("auditor")]), ..EditUser::default() };
    assert!(matches!(edit(store, everything(), "boss", demoted).await, Settled::Done(_)));
    let exceeds = Settled::Refused(Unacceptable::Exceeds(Capability::AgentEnrol));
    let made = store.create_user(cause(NOW), boss.clone(), new_user("ann", &["operator"], &[])).await;
    assert_eq!(made.expect("works"), exceeds);
    assert!(matches!(edit(store, everything(), "boss", disable()).await, Settled::Done(_)));
    let made = store.create_user(cause(NOW), boss, new_user("bob", &["auditor"], &[])).await;
    assert!(matches!(made, Ok(Settled::Refused(Unacceptable::Exceeds(_)))), "disabled: nothing at all");
}

fn new_token(token: &str, user: &UserName, claim: Option<Claim>) -> NewToken {
    let request = CreateToken {
        name: name(token),
        user: None,
        description: String::new(),
        roles: vec![name("operator")],
        expires: None,
        networks: Vec::new(),
        annotation: None,
    };
    NewToken { request, id: random::api_token_id(), user: user.clone(), claim }
}

async fn token(store: &Store, named: &str, user: &UserName, claim: Option<Claim>) -> TokenHolder {
    let new = (new_token(named, user, claim), ExpiryPolicy::default());
    let made = store.create_token(cause(NOW), everything(), new).await;
    let Ok(Settled::Done(made)) = made else { panic!("{made:?}") };
    made
}

async fn admitted(store: &Store, shown: &TokenHolder) -> bool {
    let claims = shown.claims(Issuance { issuer: "https://m", audience: &[], backdate: Duration::ZERO });
    let now = store.token_holder(shown.token.id).await.expect("readable");
    now.is_some_and(|holder| holder.admit(&claims, HERE, NOW).is_ok())
}

pub(in crate::store) async fn of_many_unlocks_the_last_one_counts(master: Master) {
    let store = &master.store;
    let ann = make(store, "ann", &["operator"], &[]).await.name;
    let first = token(store, "ci", &ann, None).await;
    assert!(admitted(store, &first).await);
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let (store, target) = (store.clone(), Target::of(&first.token));
        tries.spawn(async move { store.unlock_token(cause(NOW), everything(), target, None).await });
    }
    let mut serials = Vec::new();
    for outcome in tries.join_all().await {
        let Ok(Settled::Done(unlocked)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(admitted(store, &unlocked).await, unlocked.token.serial == 21);
        serials.push(unlocked.token.serial);
    }
    serials.sort_unstable();
    assert!(serials.into_iter().eq(2..=21), "each its own");
    assert!(!admitted(store, &first).await);
    master.audit_is_whole().await;
}

pub(in crate::store) async fn repeated_creations_of_people_and_tokens_are_recognised(master: Master) {
    let store = &master.store;
    let claim = |request: &[u8]| Claim {
        user: people::administrator(),
        key: "once".to_owned(),
        request: Sha256::of(request),
    };
    let ann = || NewUser { claim: Some(claim(b"ann")), ..new_user("ann", &["operator"], &[]) };
    let create = |new| store.create_user(cause(NOW), everything(), new);
    let (first, again) = (create(ann()).await.expect("works"), create(ann()).await.expect("works"));
    assert_eq!(first, again);
    let other = NewUser { claim: Some(claim(b"other")), ..new_user("bob", &[], &[]) };
    assert_eq!(create(other).await.expect("works"), Settled::Otherwise);
    assert_eq!(create(new_user("ann", &[], &[])).await.expect("works"), Settled::NameTaken);
    let ci = Claim { key: "twice".to_owned(), ..claim(b"ci") };
    let (first, again) = (
        token(store, "ci", &name("ann"), Some(ci.clone())).await,
        token(store, "ci", &name("ann"), Some(ci)).await,
    );
    assert_eq!(first, again);
    assert!(admitted(store, &again).await);
}

fn session(user: &UserName, password: &PasswordHash) -> NewSession {
    let token = TokenRecord::session(TokenId(random::bytes()), user, NOW, DAY);
    NewSession { token, password: password.clone() }
}

pub(in crate::store) async fn a_key_for_a_password_needs_the_present_one_and_the_right_to_enrol(
    master: Master,
) {
    let store = &master.store;
    let hash = |text: &str| PasswordHash::from_stored(text.to_owned());
    for (user, roles) in [("ann", &["administrator"][..]), ("bob", &[])] {
        make(store, user, roles, &[]).await;
        let (user, hash) = (name(user), hash("right"));
        let new = NewPassword { user, hash, known: None, session: None, expected: Expected::Any };
        let set = store.set_password(cause(NOW), everything(), new).await;
        assert!(matches!(set, Ok(Settled::Done(_))), "{set:?}");
    }
    let ask = async |user: &str, password: &str| {
        let order = OnceOrder {
            user: name(user),
            password: hash(password),
            host: name("db7"),
            id: random::key_id(),
            secret: Sha256::of(b"secret"),
            rules: Arc::new(rules()),
        };
        store.create_once_key(cause(NOW), order).await.expect("works")
    };
    assert_eq!(ask("ann", "former").await, OnceKey::Stranger);
    let lacks = Objection::Lacks(Capability::AgentEnrol);
    assert_eq!(ask("bob", "right").await, OnceKey::Refused(lacks));
    let OnceKey::Made(made) = ask("ann", "right").await else { panic!("she may") };
    let holder = store.bearer_key(made.id).await.expect("readable").expect("there");
    assert_eq!(holder.key, *made);
    assert_eq!(holder.capabilities(), [Capability::AgentEnrol]);
    let enrol = || store.enrol(cause(NOW), master.enrolment(made.id, &applicant(), NOW));
    assert!(matches!(enrol().await, Ok(Enrolled::New(_))));
    assert!(matches!(enrol().await, Ok(Enrolled::Refused(Refusal::UsedUp))));
    assert!(matches!(edit(store, everything(), "ann", disable()).await, Settled::Done(_)));
    assert_eq!(ask("ann", "right").await, OnceKey::Stranger, "disabled");
    let told = store.audit_records(0, 1000).await.expect("readable");
    let told = |outcome: &str| {
        let of_keys = told.iter().filter(|record| record.action == "key.create" && record.outcome == outcome);
        of_keys.filter(|record| record.detail.contains("db7")).count()
    };
    assert_eq!((told("done"), told("capability-missing")), (1, 1));
    master.audit_is_whole().await;
}

pub(in crate::store) async fn a_session_needs_the_present_password_and_ends_with_it(master: Master) {
    let store = &master.store;
    let ann = make(store, "ann", &["operator"], &[]).await.name;
    let hash = |text: &str| PasswordHash::from_stored(text.to_owned());
    let set = async |new: &str, known: Option<&str>, by: Giver| {
        let (user, known) = (name("ann"), known.map(hash));
        let new = NewPassword { user, hash: hash(new), known, session: None, expected: Expected::Any };
        store.set_password(cause(NOW), by, new).await.expect("works")
    };
    assert!(matches!(set("one", None, everything()).await, Settled::Done(_)));
    let begin = |with: &str| store.begin_session(cause(NOW), session(&ann, &hash(with)));
    assert_eq!(begin("other").await.expect("works"), None);
    let running = begin("one").await.expect("works").expect("the present password");
    assert!(admitted(store, &running).await);
    let own = || Giver { user: ann.clone(), ..everything() };
    let wrong = Settled::Refused(Unacceptable::PresentPassword);
    assert_eq!(
        (set("two", None, own()).await, set("two", Some("other"), own()).await),
        (wrong.clone(), wrong)
    );
    assert!(admitted(store, &running).await);
    assert!(matches!(set("two", Some("one"), own()).await, Settled::Done(_)));
    assert!(!admitted(store, &running).await, "it ended with the former password");
    let running = begin("two").await.expect("works").expect("the present password");
    assert!(matches!(edit(store, everything(), "ann", disable()).await, Settled::Done(_)));
    assert_eq!(begin("two").await.expect("works"), None, "disabled");
    let enable = EditUser { enabled: Some(true), ..EditUser::default() };
    let Settled::Done(user) = edit(store, everything(), "ann", enable).await else { panic!("enabled again") };
    assert_eq!(user.state, UserState::Active);
    assert!(!admitted(store, &running).await, "disabling ended it");
}
