//! The request arrives and the answer does not, or not whole.

use std::time::Duration;

use crate::support::{Agent, Identity, Master, Mishap, Proxy};

const IMPATIENT: &str = "http = { connect_timeout = \"1s\", timeout = \"1s\" }";

/// Every way in which an answer can fail to arrive, with what the agent says of it.
const MISHAPS: [(Mishap, &str); 9] = [
    (Mishap::CutAtOnce, "no connection"),
    (Mishap::LoseRequest, "cut off"),
    (Mishap::LoseAnswer, "cut off"),
    (Mishap::CutAnswer(1), "cut off"),
    (Mishap::CutAnswer(22), "cut off"),
    (Mishap::CutAnswer(100), "cut off"),
    (Mishap::CutAnswer(1500), "cut off"),
    (Mishap::Garble, "cut off"),
    (Mishap::Delay(Duration::from_secs(3)), "does not answer within 1s"),
];

/// Whether the master has issued before the mishap.
fn is_after_commit(mishap: Mishap) -> bool {
    !matches!(mishap, Mishap::CutAtOnce | Mishap::LoseRequest)
}

fn whole(agent: &Agent) -> Identity {
    let identity = agent.identity().expect("an identity");
    identity.assert_whole();
    identity
}

#[test]
fn an_enrolment_whose_answer_is_lost_is_asked_for_again_and_is_the_same() {
    let master = Master::start();
    let proxy = Proxy::before(master.url());
    for (number, (mishap, reason)) in MISHAPS.into_iter().enumerate() {
        let name = format!("key {number}");
        let agent = Agent::with(&[&proxy.url()], &master.api_key(&name, &["--uses", "1"]), IMPATIENT);
        proxy.set(mishap);
        let before = proxy.happened();
        let failed = agent.run(&["download"]).expect(3);
        assert!(failed.stdout.contains(reason), "{mishap:?}: {failed:?}");
        assert!(proxy.happened() > before, "{mishap:?} happened");
        assert_eq!(agent.identity(), None);
        let key = || master.ctl(&["key", "show", &name, "--json"]).expect(0).json();
        assert_eq!(key()["used"], u64::from(is_after_commit(mishap)), "{mishap:?}");
        proxy.set(Mishap::None);
        agent.run(&["download"]).expect(0);
        whole(&agent);
        assert_eq!(
            (&key()["used"], &agent.status()["identity"]["generation"]),
            (&1.into(), &1.into()),
            "{mishap:?}"
        );
    }
    let known = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(known["items"].as_array().map(Vec::len), Some(MISHAPS.len()), "one agent each");
}

#[test]
fn a_renewal_whose_answer_is_lost_keeps_what_is_held_and_gets_the_same_generation() {
    let master = Master::start();
    let proxy = Proxy::before(master.url());
    let agent = Agent::with(&[&proxy.url()], &master.api_key("hosts", &["--uses", "1"]), IMPATIENT);
    agent.run(&["download"]).expect(0);
    let known = || master.ctl(&["agent", "show", "test-host", "--json"]).expect(0).json();
    for (before, (mishap, reason)) in (1_u64..).zip(MISHAPS) {
        let held = whole(&agent);
        proxy.set(mishap);
        let failed = agent.run(&["renew"]).expect(3);
        assert!(failed.stdout.contains(reason), "{mishap:?}: {failed:?}");
        assert_eq!(whole(&agent), held, "{mishap:?}");
        assert_eq!(known()["generation"], before + u64::from(is_after_commit(mishap)), "{mishap:?}");
        proxy.set(Mishap::None);
        agent.run(&["renew"]).expect(0);
        assert_ne!(whole(&agent).key, held.key);
        assert_eq!(known()["generation"], before + 1, "{mishap:?}: the same key gets the same generation");
        assert_eq!(agent.status()["identity"]["generation"], before + 1, "{mishap:?}");
    }
}

/// The answer that was lost is not needed either: with another key still to be made, the old one goes on proving.
#[test]
fn a_host_whose_pending_key_is_gone_as_well_still_renews() {
    let master = Master::start();
    let proxy = Proxy::before(master.url());
    let agent = Agent::with(&[&proxy.url()], &master.api_key("hosts", &["--uses", "1"]), IMPATIENT);
    agent.run(&["download"]).expect(0);
    proxy.set(Mishap::LoseAnswer);
    agent.run(&["renew"]).expect(3);
    std::fs::remove_file(agent.state().join("pending.key")).expect("it is kept for the next try");
    proxy.set(Mishap::None);
    agent.run(&["renew"]).expect(0);
    whole(&agent);
    assert_eq!(agent.status()["identity"]["generation"], 3, "the second one was never anybody's");
}
