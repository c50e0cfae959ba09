//! More is asked of the master than it can do: the least remaining validity first, an honest word to the others, and
//! the agent comes back when it was told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepass::keys::KeyPair;
use gatepass_contract::id::{AgentId, RequestId};
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::{Code, Problem};
use rusqlite::Connection;

use crate::support::{
    Agent, Answer, Ca, Caller, Fake, Master, MasterOptions, days, eventually, http, key_pair, like_a_master,
    real_now,
};

const SOON: Duration = Duration::from_secs(10);
const WEEK: Duration = Duration::from_hours(7 * 24);
const ONE_AT_A_TIME: &str = "[limits]\nissuing = 1\nqueue = 1\n";

/// A host that has enrolled, and when its certificate ends.
struct Host {
    agent: AgentId,
    key: KeyPair,
    until: UnixTime,
}

fn enrolled(caller: &Caller, api_key: &str) -> Host {
    let key = key_pair();
    let issued = caller.enrol(api_key, &key.csr()).issued();
    let chain = gatepass_contract::pki::Chain::from_pem(&issued.chain).expect("a chain");
    Host { agent: issued.agent, key, until: chain.validity().until() }
}

fn retry_after(answer: &Answer) -> u64 {
    let found = answer.headers.iter().find(|(name, _)| name == "retry-after");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("no Retry-After: {answer:?}"))
}

/// As many as are urgent fit into the queue: whoever of them arrives finds a place, or takes that of somebody who has
/// more time. The others are turned away whenever there are too many.
#[test]
fn the_least_remaining_validity_is_served_first_and_the_others_are_told_when_to_come_back() {
    const URGENT: usize = 4;
    let options = MasterOptions { config: "[limits]\nissuing = 1\nqueue = 4\n", ..MasterOptions::default() };
    let master = Master::with(options);
    let api_key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let caller = Caller::of(&master);
    let mut hosts: Vec<_> = (0..URGENT).map(|_| enrolled(&caller, api_key.trim())).collect();
    let last = hosts.iter().map(|host| host.until).max().expect("some");
    eventually("the next second", SOON, || real_now() + WEEK > last + Duration::from_secs(1));
    hosts.extend((0..16).map(|_| enrolled(&caller, api_key.trim())));
    assert!(hosts[URGENT..].iter().all(|host| host.until > last), "the others have more time");
    let over = AtomicBool::new(false);
    // The same key: whoever was served is as urgent as before.
    let refresh = |host: &Host| {
        let (mut served, mut turned_away) = (0, 0);
        while !over.load(Ordering::SeqCst) {
            let answer = caller.renew(host.agent, (1, &host.key), &host.key);
            if answer.status == 200 {
                served += 1;
                continue;
            }
            assert_eq!((answer.status, answer.code()), (503, "overloaded"));
            assert!((1..=600).contains(&retry_after(&answer)), "{answer:?}");
            turned_away += 1;
        }
        (served, turned_away)
    };
    let counts: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let calls: Vec<_> = hosts.iter().map(|host| scope.spawn(|| refresh(host))).collect();
        let held_up = scope.spawn(|| hold_up(&master, 8)).join();
        over.store(true, Ordering::SeqCst);
        held_up.expect("no panic");
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    });
    let (urgent, others) = counts.split_at(URGENT);
    assert!(urgent.iter().all(|&(served, turned_away)| served > 0 && turned_away == 0), "{counts:?}");
    assert!(others.iter().map(|(_, turned_away)| turned_away).sum::<u32>() > 0, "{counts:?}");
}

/// Nothing is committed while somebody else writes: requests pile up.
#[expect(clippy::disallowed_methods, reason = "the database is held up for a while")]
fn hold_up(master: &Master, times: u32) {
    let database = Connection::open(master.dir().join("gatepass.db")).expect("opened");
    database.busy_timeout(SOON).expect("set");
    for _ in 0..times {
        database.execute_batch("BEGIN IMMEDIATE").expect("locked");
        std::thread::sleep(Duration::from_millis(250));
        database.execute_batch("COMMIT").expect("unlocked");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn many_at_once_are_all_served_in_the_end() {
    let master = Master::with(MasterOptions { config: ONE_AT_A_TIME, ..MasterOptions::default() });
    let api_key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let caller = Caller::of(&master);
    let hosts: Vec<_> = (0..12).map(|_| enrolled(&caller, api_key.trim())).collect();
    std::thread::scope(|scope| {
        for host in &hosts {
            let caller = &caller;
            scope.spawn(move || {
                let next = key_pair();
                eventually("it is served", Duration::from_secs(30), || {
                    let answer = caller.renew(host.agent, (1, &host.key), &next);
                    assert!(answer.status == 200 || retry_after(&answer) >= 1, "{answer:?}");
                    answer.status == 200
                });
            });
        }
    });
}

#[test]
fn the_agent_obeys_and_says_when_it_comes_back() {
    let ca = Ca::new();
    let problem = Problem::new(Code::Overloaded, "not now", RequestId([1; 10]));
    let busy = serde_json::to_string(&problem).expect("plain data");
    let answers = move |_: &str| {
        http(
            "503 Service Unavailable",
            "retry-after: 300\r\ncontent-type: application/problem+json\r\n",
            &busy,
        )
    };
    let answers = like_a_master(ca.anchors(), real_now, answers);
    let server = Fake::start(Some(ca.server("localhost", days(1, 1))), answers);
    let master = Master::start();
    let agent = Agent::new(&[&server.url()], &master.api_key("hosts", &[]));
    let anchors = agent.path().join("ca.crt");
    std::io::Write::write_all(&mut std::fs::File::create(&anchors).expect("a file"), ca.anchors().as_bytes())
        .expect("written");
    agent.configure(&[&server.url()], &master.path("hosts.key"), &format!("ca_file = {anchors:?}"));
    let daemon = agent.daemon();
    eventually("it was refused", SOON, || agent.log().contains("again_in="));
    let log = agent.log();
    let again = log.split("again_in=").nth(1).and_then(|rest| rest.split(" held_for").next()).expect("said");
    let again: Span = again.replace(' ', "").parse().unwrap_or_else(|_| panic!("{again}"));
    assert!((300..=375).contains(&again.duration().as_secs()), "{again} in {log}");
    let status = agent.status();
    let due: UnixTime = status["due"].as_str().expect("due").parse().expect("an instant");
    assert!(due.since(real_now()) > Duration::from_secs(280), "{status}");
    let posts = server.asked().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 1);
    drop(daemon);
}
