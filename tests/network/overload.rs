//! More is asked of the master than it can do: the least remaining validity first, an honest word to the others, and
//! the agent comes back when it was told to.

use std::time::Duration;

use gatepass::keys::KeyPair;
use gatepass_contract::id::{AgentId, RequestId};
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::{Code, Problem};
use rusqlite::Connection;

use crate::support::{Agent, Answer, Ca, Caller, Fake, Master, MasterOptions, days, eventually, http, key_pair, like_a_master, real_now};

const SOON: Duration = Duration::from_secs(10);
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

fn waiting(caller: &Caller) -> Option<String> {
    let metrics = caller.get("/metrics", "").body;
    metrics.lines().find_map(|line| line.strip_prefix("gatepass_master_queue_depth ")).map(str::to_owned)
}

#[test]
fn the_least_remaining_validity_is_served_first_and_the_others_are_told_when_to_come_back() {
    let master = Master::with(MasterOptions { config: ONE_AT_A_TIME, ..MasterOptions::default() });
    let api_key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let caller = Caller::of(&master);
    let mut hosts: Vec<Host> = Vec::new();
    for _ in 0..4 {
        let last = hosts.last().map_or(0, |host| host.until.seconds());
        eventually("the next second", SOON, || real_now().seconds() + 7 * 86_400 > last + 1);
        hosts.push(enrolled(&caller, api_key.trim()));
    }
    assert!(hosts.is_sorted_by(|one, next| one.until < next.until), "each ends later than the one before");
    let [soon, inside, late, latest] = &hosts[..] else { panic!("four hosts") };
    let renew = |host: &Host| caller.renew(host.agent, (1, &host.key), &key_pair());
    // Nothing is committed while somebody else writes: who is inside stays inside.
    let database = Connection::open(master.dir().join("gatepass.db")).expect("opened");
    database.execute_batch("BEGIN IMMEDIATE").expect("locked");
    std::thread::scope(|scope| {
        let two = [scope.spawn(|| renew(late)), scope.spawn(|| renew(inside))];
        eventually("one is inside and one waits", SOON, || waiting(&caller).as_deref() == Some("1"));
        let turned_away = renew(latest);
        assert_eq!((turned_away.status, turned_away.code()), (503, "overloaded"));
        assert!(retry_after(&turned_away) >= 1);
        let first = scope.spawn(|| renew(soon));
        eventually("somebody gave way", SOON, || two.iter().any(|call| call.is_finished()));
        database.execute_batch("COMMIT").expect("unlocked");
        let [late, inside] = two.map(|call| call.join().expect("no panic"));
        assert_eq!(first.join().expect("no panic").issued().generation, 2, "the most urgent one is served");
        let (gave_way, served) = if late.status == 200 { (inside, late) } else { (late, inside) };
        assert_eq!(served.issued().generation, 2);
        assert_eq!((gave_way.status, gave_way.code()), (503, "overloaded"));
        assert!(retry_after(&gave_way) >= 1);
    });
    for host in [late, latest] {
        assert_eq!(renew(host).status, 200, "later there is room for all");
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
        http("503 Service Unavailable", "retry-after: 300\r\ncontent-type: application/problem+json\r\n", &busy)
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
