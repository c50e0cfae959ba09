//! The outbox and the ends, on a database with a few people, keys and tokens.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gatepass_contract::id::{KeyId, RequestId, TokenId};
use gatepass_contract::span::Span;
use gatepass_contract::wire::admin::{NoticeQuery, NoticeView};

use super::*;
use crate::domain::audit::{Actor, Cause, Credential};
use crate::domain::notice::{Next, NoticeEvent, WebhookRoute};
use crate::store::Database;
use crate::store::tests::cluster::Cluster;

const NOW: UnixTime = UnixTime(1_795_379_123_000);
const DAY: Duration = Duration::from_hours(24);
const ADVANCE: Duration = Duration::from_hours(5 * 24);
const KEY: KeyId = KeyId([7; 10]);

#[derive(Debug, Clone, Copy)]
enum Engine {
    Sqlite,
    Postgres,
}

struct Place {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Place {
    /// Ada, who owns keys; Grace and Alan, who approve; Eve, who did; Bob, who cannot be reached.
    async fn new(engine: Engine) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&match engine {
            Engine::Sqlite => Database::File(dir.path().join("master.db")),
            Engine::Postgres => Database::Server(Cluster::shared().database().parse().expect("a URL")),
        })
        .expect("opened");
        let place = Self { store, _dir: dir };
        for (name, email, state, capabilities) in [
            ("ada", Some("ada@example.com"), "active", r#"["key.create","key.approve"]"#),
            ("grace", Some("grace@example.com"), "active", r#"["key.read","key.approve"]"#),
            ("alan", Some("alan@example.com"), "active", r#"["key.approve"]"#),
            ("eve", Some("eve@example.com"), "disabled", r#"["key.approve"]"#),
            ("bob", None, "active", r#"["key.approve"]"#),
        ] {
            place
                .run(ACCOUNT, move |conn, sql| conn.execute(sql, params![name, email, state, capabilities]))
                .await;
        }
        place
    }

    async fn routed(engine: Engine, advance: Duration) -> Self {
        let place = Self::new(engine).await;
        place.route(advance).await;
        place
    }

    async fn route(&self, advance: Duration) {
        self.store.route_notices(routing(advance), NOW).await.expect("kept");
    }

    async fn run(
        &self,
        sql: &'static str,
        job: impl FnOnce(Conn<'_>, &str) -> sql::Result<u64> + Send + 'static,
    ) {
        let done =
            self.store.write(writer::PROBE, move |ledger| job(ledger.conn, sql)).await.expect("written");
        assert_eq!(done, 1, "{sql}");
    }

    async fn key(&self, id: KeyId, state: &'static str, expires: Option<UnixTime>) {
        let name = format!("key {}", id.0[0]);
        self.run(API_KEY, move |conn, sql| conn.execute(sql, params![id, name, state, expires])).await;
        let watch = move |ledger: &mut Ledger<'_>| ledger.watch_end(About::ApiKey(id), expires);
        self.store.write(writer::PROBE, watch).await.expect("watched");
    }

    async fn token(&self, id: TokenId, kind: &'static str, expires: Option<UnixTime>) {
        let name = format!("token {}", id.0[0]);
        self.run(TOKEN, move |conn, sql| conn.execute(sql, params![id, kind, name, expires])).await;
        let watch = move |ledger: &mut Ledger<'_>| ledger.watch_end(About::Token(id), expires);
        self.store.write(writer::PROBE, watch).await.expect("watched");
    }

    async fn tell(&self, facts: Facts) {
        self.store.write(writer::PROBE, move |ledger| ledger.notify(&facts)).await.expect("told");
    }

    /// Whatever is due, claimed and forgotten: event and receiver.
    async fn told(&self, at: UnixTime) -> BTreeSet<(String, String)> {
        let holder = Holder([9; 16]);
        let claimed = self.store.claim_notices(holder, (at, at + DAY), 1000).await.expect("claimed");
        let mut told = BTreeSet::new();
        for Claimed { outgoing, .. } in claimed {
            told.insert((outgoing.facts.event.to_string(), outgoing.to.as_str().to_owned()));
            self.store.settle_notice(holder, outgoing.id, Fate::Sent, at).await.expect("settled");
        }
        told
    }

    /// The events of a whole scan.
    async fn scan(&self, at: UnixTime) -> Vec<(NoticeEvent, String)> {
        while self.store.tell_of_ends(ADVANCE, at).await.expect("scanned").due > 0 {}
        let holder = Holder([8; 16]);
        let claimed = self.store.claim_notices(holder, (at, at + DAY), 1000).await.expect("claimed");
        let mut told = Vec::new();
        for Claimed { outgoing, .. } in claimed {
            self.store.settle_notice(holder, outgoing.id, Fate::Sent, at).await.expect("settled");
            if outgoing.to.as_str() == "ada@example.com" {
                told.push((outgoing.facts.event, outgoing.facts.name));
            }
        }
        told.sort();
        told
    }

    async fn list(&self, query: NoticeQuery) -> Vec<NoticeView> {
        self.store.list_notices(query, None, 100).await.expect("listed")
    }
}

const ACCOUNT: &str =
    "INSERT INTO account (name, full_name, email, state, roles, teams, held_roles, capabilities, created, version)
    VALUES (?1, '', ?2, ?3, '[]', '[]', '[]', ?4, 0, 1)";

const API_KEY: &str =
    "INSERT INTO api_key (id, secret, kind, name, description, owner, groups, capabilities, networks, state, created, used,
        expires)
    VALUES (?1, ?1, 'personal', ?2, '', 'ada', '[]', '[]', '[]', ?3, 0, 0, ?4)";

const TOKEN: &str =
    "INSERT INTO token (id, kind, name, account, creator, description, roles, enabled, expires, networks, serial, created,
        updated, version)
    VALUES (?1, ?2, ?3, 'ada', 'ada', '', '[]', 1, ?4, '[]', 1, 0, 0, 1)";

fn routing(advance: Duration) -> Routing {
    let hook = |name: &str, events| WebhookRoute { name: name.to_owned(), events };
    Routing {
        mail: true,
        provider: vec!["ops@example.com".parse().expect("an address")],
        webhooks: vec![hook("siem", None), hook("pager", Some(vec![NoticeEvent::KeyExpired]))],
        advance: Span::from(advance),
    }
}

fn facts(event: NoticeEvent) -> Facts {
    Facts {
        owner: Some("ada".to_owned()),
        requester: Some("grace".to_owned()),
        ..Facts::new(event, NOW, About::ApiKey(KEY), "backup")
    }
}

fn cause(at: UnixTime) -> Cause {
    let actor = Actor::User("ada".parse().expect("a name"), Credential::ApiKey(KEY));
    Cause { request: RequestId([1; 10]), actor, from: IpAddr::V4(Ipv4Addr::LOCALHOST), at, annotation: None }
}

async fn everybody_whom_it_concerns_is_told_and_nobody_else(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    for (event, want) in [
        (NoticeEvent::KeyCreationPending, &["alan@example.com", "ops@example.com", "siem"][..]),
        (NoticeEvent::KeyCreated, &["ada@example.com", "ops@example.com", "siem"]),
        (
            NoticeEvent::KeyRenewalApproved,
            &["ada@example.com", "grace@example.com", "ops@example.com", "siem"],
        ),
        (NoticeEvent::KeyRenewalRejected, &["ada@example.com", "grace@example.com", "siem"]),
        (NoticeEvent::KeyRevoked, &["ada@example.com", "siem"]),
        (NoticeEvent::KeyExpired, &["ada@example.com", "ops@example.com", "pager", "siem"]),
    ] {
        place.tell(facts(event)).await;
        let want: BTreeSet<_> = want.iter().map(|to| (event.to_string(), (*to).to_owned())).collect();
        assert_eq!(place.told(NOW).await, want, "{event}");
    }
    for owner in ["eve", "bob", "nobody"] {
        place.tell(Facts { owner: Some(owner.to_owned()), ..facts(NoticeEvent::KeyRevoked) }).await;
        assert_eq!(place.told(NOW).await.len(), 1, "{owner}: only the webhook");
    }
}

async fn without_a_change_there_is_no_notice_and_without_a_routing_neither(engine: Engine) {
    let place = Place::new(engine).await;
    place.tell(facts(NoticeEvent::KeyRevoked)).await;
    assert_eq!(place.list(NoticeQuery::default()).await, []);
    place.route(ADVANCE).await;
    let failing = place.store.write(writer::PROBE, |ledger| {
        ledger.notify(&facts(NoticeEvent::KeyRevoked))?;
        ledger.conn.execute("INSERT INTO setting (name, value) VALUES (NULL, '')", &[])
    });
    failing.await.expect_err("the change fails");
    assert_eq!(place.list(NoticeQuery::default()).await, []);
}

async fn a_notice_is_one_masters_until_its_lease_ends_and_settled_by_no_other(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    place.tell(facts(NoticeEvent::KeyRevoked)).await;
    let (one, other) = (Holder([1; 16]), Holder([2; 16]));
    let claim = async |holder, at: UnixTime, most| {
        place.store.claim_notices(holder, (at, at + Duration::from_secs(20)), most).await.expect("claimed")
    };
    let first = claim(one, NOW, 1).await;
    let second = claim(other, NOW, 9).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].outgoing, second[0].outgoing);
    assert_eq!(claim(one, NOW, 9).await, [], "nothing is free");
    let later = NOW + Duration::from_secs(15);
    let ids = vec![first[0].outgoing.id, second[0].outgoing.id];
    place.store.keep_notices(one, ids, later + Duration::from_secs(20)).await.expect("kept");
    let over = NOW + Duration::from_secs(20);
    assert_eq!(
        claim(one, over, 9).await,
        second,
        "the lease of the other has ended, not the one that was kept"
    );
    let id = second[0].outgoing.id;
    place.store.settle_notice(other, id, Fate::Sent, over).await.expect("nothing happens");
    let retry = |why: &str, at| Fate::Failed { why: why.to_owned(), next: Next::Retry { at } };
    place.store.settle_notice(one, id, retry("busy", over + DAY), over).await.expect("settled");
    let waiting = place.list(NoticeQuery { state: Some(NoticeState::Waiting), ..Default::default() }).await;
    let view = waiting.iter().find(|view| view.id == id).expect("it waits");
    assert_eq!((view.attempts, view.due, view.error.as_deref()), (1, Some(over + DAY), Some("busy")));
    assert_eq!(
        claim(other, over + DAY, 9).await.len(),
        2,
        "that one again, and the one that was kept for a while"
    );
    let give_up = Fate::Failed { why: "unknown".to_owned(), next: Next::GiveUp };
    place.store.settle_notice(other, id, give_up, over + DAY).await.expect("settled");
    place.store.settle_notice(other, first[0].outgoing.id, Fate::Sent, over + DAY).await.expect("settled");
    assert_eq!(claim(one, over + DAY * 100, 9).await, []);
    let states: Vec<_> = place.list(NoticeQuery::default()).await.iter().map(|view| view.state).collect();
    assert_eq!(BTreeSet::from_iter(states), BTreeSet::from([NoticeState::Sent, NoticeState::Failed]));
}

async fn ends_are_told_of_once_a_day_before_and_once_after(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    let end = NOW + DAY * 10;
    for (first, state) in (1..).zip(["active", "suspended", "pending", "revoked", "rejected", "deleted"]) {
        place.key(KeyId([first; 10]), state, Some(end)).await;
    }
    place.key(KeyId([9; 10]), "active", None).await;
    place.token(TokenId([1; 10]), "api", Some(end)).await;
    place.token(TokenId([2; 10]), "session", Some(end)).await;
    let told = |events: &[(NoticeEvent, &str)]| -> Vec<_> {
        events.iter().map(|(event, name)| (*event, (*name).to_owned())).collect()
    };
    let soon = told(&[
        (NoticeEvent::KeyExpiresSoon, "key 1"),
        (NoticeEvent::KeyExpiresSoon, "key 2"),
        (NoticeEvent::TokenExpiresSoon, "token 1"),
    ]);
    let over = told(&[
        (NoticeEvent::KeyExpired, "key 1"),
        (NoticeEvent::KeyExpired, "key 2"),
        (NoticeEvent::TokenExpired, "token 1"),
    ]);
    let nothing = Vec::new();
    for hours in 0..13 * 24 {
        let want = match hours {
            120 | 144 | 168 | 192 | 216 => &soon,
            240 => &over,
            _ => &nothing,
        };
        assert_eq!(&place.scan(NOW + Duration::from_hours(hours)).await, want, "after {hours} hours");
    }
}

async fn a_later_end_is_told_of_later_and_what_was_slept_through_once(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    place.key(KEY, "active", Some(NOW + DAY * 10)).await;
    assert_eq!(place.scan(NOW + DAY * 6).await.len(), 1);
    let renewed = NOW + DAY * 100;
    let renew = move |ledger: &mut Ledger<'_>| {
        ledger.conn.execute("UPDATE api_key SET expires = ?2 WHERE id = ?1", params![KEY, renewed])?;
        ledger.watch_end(About::ApiKey(KEY), Some(renewed))
    };
    place.store.write(writer::PROBE, renew).await.expect("renewed");
    assert_eq!(place.scan(NOW + DAY * 11).await, []);
    let over = place.scan(NOW + DAY * 200).await;
    assert_eq!(over, [(NoticeEvent::KeyExpired, "key 7".to_owned())], "the days before are not made up for");
}

async fn another_advance_moves_what_was_not_told_yet_and_the_first_one_begins_to_watch(engine: Engine) {
    let place = Place::new(engine).await;
    place.key(KeyId([1; 10]), "active", Some(NOW + DAY * 10)).await;
    place.key(KeyId([2; 10]), "active", Some(NOW - DAY)).await;
    place.key(KeyId([3; 10]), "revoked", Some(NOW + DAY * 10)).await;
    place.token(TokenId([1; 10]), "api", Some(NOW + DAY * 10)).await;
    place.route(ADVANCE).await;
    assert_eq!(place.scan(NOW + DAY * 4).await, [], "long over, or not near");
    place.route(DAY * 2).await;
    assert_eq!(place.store.tell_of_ends(DAY * 2, NOW + DAY * 6).await.expect("scanned").due, 0);
    place.route(DAY * 7).await;
    let scanned = place.store.tell_of_ends(DAY * 7, NOW + DAY * 3).await.expect("scanned");
    assert_eq!((scanned.due, scanned.told), (2, 2));
    place.route(DAY * 8).await;
    let again = place.store.tell_of_ends(DAY * 8, NOW + DAY * 3).await.expect("scanned");
    assert_eq!(again.due, 0, "what was told today is told tomorrow");
}

async fn people_see_notices_page_by_page_send_them_again_and_try_one_out(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    for seconds in 0..7 {
        let at = NOW + Duration::from_secs(seconds / 2);
        place.tell(Facts { at, ..facts(NoticeEvent::KeyRevoked) }).await;
    }
    let all = place.list(NoticeQuery::default()).await;
    assert_eq!(all.len(), 14);
    assert!(all.is_sorted_by_key(|view| std::cmp::Reverse((view.created, view.id))));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = place.store.list_notices(NoticeQuery::default(), after, 3).await.expect("listed");
        let Some(last) = page.last() else { break };
        after = Some((last.created, last.id));
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let about = |text: &str| NoticeQuery { about: Some(text.to_owned()), ..Default::default() };
    assert_eq!(place.list(about(&format!("apikey:{KEY}"))).await.len(), 14);
    assert_eq!(place.list(about("apikey:nonsense")).await, []);

    let holder = Holder([1; 16]);
    let claimed = place.store.claim_notices(holder, (NOW, NOW + DAY), 1).await.expect("claimed");
    let id = claimed[0].outgoing.id;
    let again = place.store.resend_notice(cause(NOW), id).await.expect("answered");
    assert_eq!(again, Resent::UnderWay);
    place.store.settle_notice(holder, id, Fate::Sent, NOW).await.expect("settled");
    let sent = place.list(NoticeQuery { state: Some(NoticeState::Sent), ..Default::default() }).await;
    assert_eq!((sent.len(), sent[0].sent, sent[0].attempts), (1, Some(NOW), 1));
    let Resent::Done(view) = place.store.resend_notice(cause(NOW + DAY), id).await.expect("answered") else {
        panic!("it is nobody's")
    };
    assert_eq!((view.state, view.due, view.attempts), (NoticeState::Waiting, Some(NOW + DAY), 0));
    let nobody = place.store.resend_notice(cause(NOW), random::notice_id()).await.expect("answered");
    assert_eq!(nobody, Resent::Unknown);

    let to: MailAddress = "me@example.com".parse().expect("an address");
    let test =
        place.store.test_notice(cause(NOW), to.clone()).await.expect("answered").expect("there is mail");
    assert_eq!(
        (test.event.as_str(), test.to.as_str(), test.about.as_str()),
        ("notice.test", "me@example.com", "")
    );
    let no_mail = Routing { mail: false, ..routing(ADVANCE) };
    place.store.route_notices(no_mail, NOW).await.expect("kept");
    assert_eq!(place.store.test_notice(cause(NOW), to).await.expect("answered"), None);
}

async fn only_what_is_old_and_done_is_dropped(engine: Engine) {
    let place = Place::routed(engine, ADVANCE).await;
    place.tell(facts(NoticeEvent::KeyRevoked)).await;
    let holder = Holder([1; 16]);
    let claimed = place.store.claim_notices(holder, (NOW, NOW + DAY), 1).await.expect("claimed");
    place.store.settle_notice(holder, claimed[0].outgoing.id, Fate::Sent, NOW).await.expect("settled");
    assert_eq!(place.store.sweep_notices(NOW).await.expect("swept"), 0);
    assert_eq!(place.store.sweep_notices(NOW + DAY).await.expect("swept"), 1);
    assert_eq!(place.list(NoticeQuery::default()).await.len(), 1, "the one that still waits");
}

/// Each of these holds on each engine.
macro_rules! conformance {
    ($($name:ident,)*) => {
        mod sqlite_conforms {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Engine::Sqlite).await;
            })*
        }

        mod postgres_conforms {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Engine::Postgres).await;
            })*
        }
    };
}

conformance! {
    everybody_whom_it_concerns_is_told_and_nobody_else,
    without_a_change_there_is_no_notice_and_without_a_routing_neither,
    a_notice_is_one_masters_until_its_lease_ends_and_settled_by_no_other,
    ends_are_told_of_once_a_day_before_and_once_after,
    a_later_end_is_told_of_later_and_what_was_slept_through_once,
    another_advance_moves_what_was_not_told_yet_and_the_first_one_begins_to_watch,
    people_see_notices_page_by_page_send_them_again_and_try_one_out,
    only_what_is_old_and_done_is_dropped,
}
