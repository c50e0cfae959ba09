mod server;

use std::time::Duration;

use gatepass_contract::id::{AgentId, RequestId};
use gatepass_contract::pki::KeyKind;
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::wire::{Code, Problem};

use super::*;
use crate::clock::ManualClock;
use crate::keys::KeyPair;
use crate::master::Remedy;
use crate::net::Egress;
use server::{Answers, Ca, Seen, http, serve, serve_plain};

const TODAY: UnixTime = UnixTime(1_795_379_123_456);
const DAY: Duration = Duration::from_hours(24);
const WAIT: Remedy = Remedy::Wait { at_least: Duration::ZERO };

fn around(at: UnixTime) -> Validity {
    Validity::new(at - DAY, at + 30 * DAY).expect("from < until")
}

/// A master whose clock shows `at`.
fn master(ca: &Ca, at: UnixTime) -> impl Answers {
    let anchors = ca.anchors().to_pem();
    move |request: &str| {
        let time = format!(r#"{{"received":{0},"sent":{0}}}"#, at.0);
        Some(if request.contains(path::TIME) {
            http("200 OK", "", &time)
        } else if request.contains(path::TRUST) {
            http("200 OK", "", &anchors)
        } else {
            http("204 No Content", "", "")
        })
    }
}

fn client(masters: &[&Seen], trust: Trust, clock: UnixTime) -> (Client, MasterTime) {
    let time = MasterTime::new(Arc::new(ManualClock::at(clock)));
    let (connect_timeout, timeout) = (Duration::from_millis(300), Duration::from_millis(300));
    let masters = masters.iter().map(|seen| seen.url.clone()).collect();
    let (gateways, egress) = (Vec::new(), Egress::default());
    let endpoint = Endpoint { masters, gateways, egress, trust, connect_timeout, timeout };
    (Client::new(endpoint, time.clone()), time)
}

fn caller() -> Caller {
    Caller {
        agent: AgentId([1; 16]),
        generation: 1,
        key: KeyPair::generate(KeyKind::EcdsaP256).signing_key(),
    }
}

/// What one probe of one server ends in: the words and the remedy.
async fn probe_fails(seen: &Seen, trust: Trust, clock: UnixTime) -> (String, Remedy) {
    let error = client(&[seen], trust, clock).0.probe().await.expect_err("it cannot be used");
    (error.to_string(), error.remedy())
}

async fn good(ca: &Ca) -> Seen {
    serve(ca, "127.0.0.1", around(TODAY), master(ca, TODAY)).await
}

#[tokio::test]
async fn first_contact_takes_one_connection_for_trust_and_one_for_all_else() {
    let ca = Ca::new();
    let seen = good(&ca).await;
    let (client, _) = client(&[&seen], Trust::Fingerprint(ca.pin()), TODAY);
    let skew = client.probe().await.expect("a skew");
    assert!(skew.ahead == 0 && skew.doubt <= 2, "{skew:?}");
    client.deregister(&caller()).await.expect("done");
    assert_eq!(seen.connections(), 2, "{:?}", seen.requests());
    let asked: Vec<_> =
        seen.requests().iter().map(|text| text.split(' ').nth(1).map(str::to_owned)).collect();
    let want = [path::TRUST, path::TIME, path::TIME, path::TIME, path::TIME, path::SELF];
    assert_eq!(asked, want.map(|path| Some(path.to_owned())));
    client.hang_up();
    client.probe().await.expect("again");
    assert_eq!(seen.connections(), 3, "trust is not asked for twice");
}

#[tokio::test]
async fn another_ca_or_pin_or_name_is_named_and_for_a_person() {
    let (ca, other) = (Ca::new(), Ca::new());
    let seen = good(&ca).await;
    for (trust, want) in [
        (Trust::Pinned(other.anchors()), "signed by another CA than those that are trusted here"),
        (Trust::Fingerprint(other.pin()), "none of the server's trust anchors has the pinned fingerprint"),
        (Trust::System, "signed by another CA than those this system trusts"),
    ] {
        let (words, remedy) = probe_fails(&seen, trust, TODAY).await;
        // Where no CA is installed at all, that is what is said.
        assert!(words.contains(want) || words.contains("has no trusted CAs"), "{words}");
        assert_eq!(remedy, Remedy::CallHuman);
    }
    let misnamed = serve(&ca, "db7.example.com", around(TODAY), master(&ca, TODAY)).await;
    let (words, remedy) = probe_fails(&misnamed, Trust::Pinned(ca.anchors()), TODAY).await;
    assert!(words.contains("db7.example.com") && remedy == Remedy::CallHuman, "{words}");
    assert!(misnamed.requests().is_empty());
}

/// It hands out the right anchor, which anybody can copy, and cannot show a certificate that leads to it.
#[tokio::test]
async fn who_only_copies_the_anchor_is_not_believed() {
    let (ca, thief) = (Ca::new(), Ca::new());
    let seen = serve(&thief, "127.0.0.1", around(TODAY), master(&ca, TODAY)).await;
    let (words, _) = probe_fails(&seen, Trust::Fingerprint(ca.pin()), TODAY).await;
    assert!(words.contains("signed by another CA than the pinned one"), "{words}");
    assert_eq!(seen.requests().len(), 1, "nothing but /trust was ever asked");
}

#[tokio::test]
async fn an_insane_clock_learns_the_time_and_then_verifies_in_full() {
    let ca = Ca::new();
    let seen = good(&ca).await;
    for clock in [UnixTime(0), UnixTime(TODAY.0 - 400 * 86_400_000), UnixTime(2_840_140_800_000)] {
        let (client, time) = client(&[&seen], Trust::Pinned(ca.anchors()), clock);
        let skew = client.probe().await.expect("a skew");
        assert_eq!(skew.at_master(clock), TODAY);
        assert_eq!(time.skew(), None, "whoever probes decides whether to believe it");
        time.observe(skew);
        client.deregister(&caller()).await.expect("verified in the master's time");
    }
    let (words, remedy) = probe_fails(&seen, Trust::System, UnixTime(0)).await;
    assert!(remedy == Remedy::CallHuman, "{words}");
}

#[tokio::test]
async fn a_certificate_that_is_not_good_by_the_masters_own_clock_is_refused() {
    let ca = Ca::new();
    for (good, want) in [
        (Validity::new(TODAY - 3 * DAY, TODAY - DAY), "expired on 2026-11-21"),
        (Validity::new(TODAY + DAY, TODAY + 3 * DAY), "not valid before 2026-11-23"),
    ] {
        let seen = serve(&ca, "127.0.0.1", good.expect("from < until"), master(&ca, TODAY)).await;
        let (words, remedy) = probe_fails(&seen, Trust::Fingerprint(ca.pin()), TODAY).await;
        assert!(words.contains(want) && words.contains("the master's time is 2026-11-22"), "{words}");
        assert_eq!(remedy, Remedy::CallHuman);
    }
}

#[tokio::test]
async fn what_is_no_master_is_told_by_what_it_is() {
    let ca = Ca::new();
    let trust = || Trust::Pinned(ca.anchors());
    let plain = serve_plain(|_| Some(http("400 Bad Request", "", "plain"))).await;
    let (words, remedy) = probe_fails(&plain, trust(), TODAY).await;
    assert!(words.contains("plain HTTP") && remedy == Remedy::CallHuman, "{words}");
    let silent = serve_plain(|_| None).await;
    let (words, remedy) = probe_fails(&silent, trust(), TODAY).await;
    assert!(words.contains("does not answer within 300ms") && remedy == WAIT, "{words}");
    let nowhere = Seen::clone(&silent).at("https://127.0.0.1:1");
    let (words, remedy) = probe_fails(&nowhere, trust(), TODAY).await;
    assert!(words.contains("connection refused") && remedy == WAIT, "{words}");
    let unknown = Seen::clone(&silent).at("https://no-such-host.invalid:1");
    let (words, remedy) = probe_fails(&unknown, trust(), TODAY).await;
    assert!(words.contains("cannot be resolved") && remedy == WAIT, "{words}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_told_apart() {
    let ca = Ca::new();
    let oversized = "x".repeat(gatepass_contract::wire::MAX_REPLY_BYTES + 1);
    let answers: [(Option<Vec<u8>>, &str, Remedy); 9] = [
        (None, "does not answer within 300ms", WAIT),
        (Some(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nclose".to_vec()), "cut off", WAIT),
        (Some(b"HTTP/1.1 200 OK\r\nclose".to_vec()), "cut off", WAIT),
        (Some(b"220 smtp ready\r\n".to_vec()), "is not HTTP", WAIT),
        (Some(http("200 OK", "", "<html>")), "is not one of a gatepass master", WAIT),
        (Some(http("200 OK", "", &oversized)), "larger than", WAIT),
        (
            Some(http("302 Found", "location: https://elsewhere/\r\n", "")),
            "never followed",
            Remedy::CallHuman,
        ),
        (Some(http("404 Not Found", "", "")), "HTTP status 404", Remedy::CallHuman),
        (
            Some(http("502 Bad Gateway", "retry-after: 7\r\n", "")),
            "HTTP status 502",
            Remedy::Wait { at_least: Duration::from_secs(7) },
        ),
    ];
    for (answer, want, remedy) in answers {
        let seen = serve(&ca, "127.0.0.1", around(TODAY), move |_: &str| answer.clone()).await;
        let got = probe_fails(&seen, Trust::Pinned(ca.anchors()), TODAY).await;
        assert!(got.0.contains(want) && got.1 == remedy, "wanted {want}, got {got:?}");
    }
}

fn problem(code: Code) -> Vec<u8> {
    let problem = Problem::new(code, "not \u{1b}[31mnow", RequestId([2; 10]));
    let body = serde_json::to_string(&problem).expect("plain data");
    http(&format!("{} x", code.status()), "retry-after: 90\r\n", &body)
}

#[tokio::test]
async fn problems_bring_their_remedy() {
    let ca = Ca::new();
    for (code, want) in [
        (Code::Overloaded, Remedy::Wait { at_least: Duration::from_secs(90) }),
        (Code::ProofTime, Remedy::MeasureClock),
        (Code::KeySpent, Remedy::NewKey),
        (Code::GraceOver, Remedy::EnrolAgain),
        (Code::AgentRevoked, Remedy::CallHuman),
    ] {
        let seen = serve(&ca, "127.0.0.1", around(TODAY), move |_: &str| Some(problem(code))).await;
        let error =
            client(&[&seen], Trust::Pinned(ca.anchors()), TODAY).0.me(&caller()).await.expect_err("refused");
        assert_eq!(error.remedy(), want);
        let words = error.to_string();
        assert!(words.contains(code.as_str()) && words.contains("AIBAEAQCAIBAEAQC"), "{words}");
        assert!(!words.contains('\u{1b}'), "{words}");
    }
}

#[tokio::test]
async fn the_next_master_is_asked_and_remembered_until_the_step_is_over() {
    let (ca, other) = (Ca::new(), Ca::new());
    let busy = serve(&ca, "127.0.0.1", around(TODAY), |_: &str| Some(problem(Code::Overloaded))).await;
    let (stranger, fine) = (good(&other).await, good(&ca).await);
    let (client, _) = client(&[&busy, &stranger, &fine], Trust::Pinned(ca.anchors()), TODAY);
    client.probe().await.expect("the third one answers");
    client.deregister(&caller()).await.expect("done");
    assert_eq!((busy.connections(), stranger.connections(), fine.connections()), (1, 1, 1));
    assert!(stranger.requests().is_empty(), "the second one never saw a request");
    client.hang_up();
    client.probe().await.expect("again");
    assert_eq!((busy.connections(), fine.connections()), (2, 2));
}

/// Through gateways, whichever of the masters answers: verified by any of their names, and the gateway that worked goes first.
#[tokio::test]
async fn the_gateway_that_worked_last_goes_first() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (stranger, fine) = (good(&other).await, good(&ca).await);
    let elsewhere = serve(&ca, "db7.example.com", around(TODAY), master(&ca, TODAY)).await;
    let (direct, time) = client(&[&fine], Trust::Pinned(ca.anchors()), TODAY);
    let place = |seen: &Seen| Place::of(&seen.url.at("")).expect("a place");
    let named = ["https://m1.example.com", "https://127.0.0.1"].map(|url| url.parse().expect("a URL"));
    let gateways = vec![place(&stranger), place(&elsewhere), place(&fine)];
    let endpoint = Endpoint { masters: named.into(), gateways, ..direct.endpoint.clone() };
    let client = Client::new(endpoint, time);
    for connections in [1, 2] {
        client.probe().await.expect("the third one leads to a master");
        client.hang_up();
        let seen = (stranger.connections(), elsewhere.connections(), fine.connections());
        assert_eq!(seen, (1, 1, connections));
    }
    assert!(elsewhere.requests().is_empty(), "an agent of that name is no master");
}

#[tokio::test]
async fn when_none_answers_the_first_to_be_back_counts_and_all_are_named() {
    let (ca, other) = (Ca::new(), Ca::new());
    let busy = serve(&ca, "127.0.0.1", around(TODAY), |_: &str| Some(problem(Code::Overloaded))).await;
    let stranger = good(&other).await;
    let (both, _) = client(&[&busy, &stranger], Trust::Pinned(ca.anchors()), TODAY);
    let error = both.probe().await.expect_err("none can be used");
    assert_eq!(error.remedy(), Remedy::Wait { at_least: Duration::from_secs(90) });
    let words = error.to_string();
    assert!(words.contains("overloaded") && words.contains("another CA"), "{words}");
}

/// Every master would say the same: a refusal is final, and a credential is not carried from one to the next.
#[tokio::test]
async fn a_refusal_is_not_taken_to_the_next_master() {
    let ca = Ca::new();
    let refusing = serve(&ca, "127.0.0.1", around(TODAY), |_: &str| Some(problem(Code::AgentRevoked))).await;
    let fine = good(&ca).await;
    let (client, _) = client(&[&refusing, &fine], Trust::Pinned(ca.anchors()), TODAY);
    let error = client.deregister(&caller()).await.expect_err("refused");
    assert_eq!((error.code(), fine.connections()), (Some(Code::AgentRevoked), 0));
}

#[tokio::test]
async fn a_proof_fits_the_request_it_comes_with() {
    let ca = Ca::new();
    let seen = good(&ca).await;
    let (client, time) = client(&[&seen], Trust::Pinned(ca.anchors()), TODAY);
    let key = KeyPair::generate(KeyKind::Ed25519);
    let caller = Caller { agent: AgentId([3; 16]), generation: 9, key: key.signing_key() };
    client.deregister(&caller).await.expect("done");
    let request = seen.requests().pop().expect("one");
    let token = request.split("Bearer ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a proof");
    let proven = Proven { method: "DELETE", path: path::SELF, body: b"" };
    let proof = Proof::open(token, &key.public().jwk(), proven, time.now()).expect("a good proof");
    assert_eq!((proof.sub, proof.generation), (caller.agent, 9));
}
