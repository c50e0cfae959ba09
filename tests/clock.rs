//! Wrong clocks: on the host, on the master, set while both run, and measured over a slow network.
//!
//! The host's and the master's wall clocks are off under libfaketime; what nobody can set stays the kernel's, as on a
//! host whose clock is set by hand.

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use gatepass::clock::{Clock as _, SystemClock};
use gatepass_contract::id::KeyId;
use gatepass_contract::pki::Chain;
use gatepass_contract::secret::{ApiKey, PREFIX, Secret};
use gatepass_contract::time::{UnixTime, Validity};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::{
    Agent, Ca, Fake, FakeClock, Identity, Master, MasterOptions, Output, eventually, http, like_a_master,
    real_now, slow_way, tool,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Of certificates and tokens: renewed every eight seconds or so.
const LIFETIME: Duration = Duration::from_secs(12);
const SOON: Duration = Duration::from_secs(40);

/// A master whose credentials are short-lived and whose agents report every two seconds.
fn master(env: Vec<(&'static str, String)>) -> Master {
    let config = "[reports]\nevery = \"2s\"\n[keys]\nallow_never = true\n";
    Master::with(MasterOptions { lifetime: "12s", token_lifetime: "12s", env, config, ..Default::default() })
}

fn api_key(master: &Master) -> std::path::PathBuf {
    master.api_key("hosts", &["--expires", "never"])
}

/// A host whose clock is that one, and which leaves metrics in `metrics`.
fn host(master: &str, api_key: &Path, clock: &FakeClock) -> Agent {
    let mut agent = Agent::new(&[master], api_key);
    let metrics = agent.path().join("metrics");
    agent.configure(&[master], api_key, &format!("metrics_file = \"{}\"", metrics.display()));
    for (name, value) in clock.env() {
        agent.set_env(name, value);
    }
    agent
}

/// Seconds by which a clock is ahead so that it shows that instant now.
fn showing(seconds_since_1970: i64) -> i64 {
    seconds_since_1970 - real_now().seconds()
}

fn second_of_january_1970() -> i64 {
    showing(DAY)
}

fn year_2060() -> i64 {
    showing(2_840_140_800)
}

/// What a clock that is off by that many seconds amounts to.
fn standing(seconds_off: i64) -> &'static str {
    match seconds_off.abs() {
        0..=5 => "agree",
        6..=60 => "warn",
        _ => "critical",
    }
}

/// `skew` says that the master is that many seconds ahead, as exactly as it claims to know.
#[track_caller]
fn assert_skew(skew: &Value, seconds: i64, what: &str) {
    let (ahead, doubt) =
        (skew["ahead"].as_i64().expect("a number"), skew["doubt"].as_i64().expect("a number"));
    assert!((ahead - seconds * 1_000).abs() <= doubt + 1_000, "{what}: {skew} is not {seconds} s");
    assert!((0..3_000).contains(&doubt), "{what}: {skew}");
}

/// All that the agent says about the clocks: the master's is that many seconds ahead of the host's.
#[track_caller]
fn assert_agent_tells(agent: &Agent, master_ahead: i64) {
    let clock = agent.status()["clock"].clone();
    assert_skew(&clock, master_ahead, "status");
    assert_eq!(clock["standing"], standing(master_ahead));
    let text = agent.run(&["status"]).stdout;
    let line = text.lines().find(|line| line.starts_with("clock")).expect("a line about the clock");
    let side = if master_ahead > 0 { "behind the master" } else { "ahead of the master" };
    assert!(line.contains(standing(master_ahead)) && line.contains(side), "{line}");
    let page = std::fs::read_to_string(agent.path().join("metrics")).expect("the metrics file");
    #[expect(clippy::cast_precision_loss, reason = "a few thousand million seconds")]
    let off = metric(&page, "gatepass_clock_ahead_seconds") - master_ahead as f64;
    assert!(off.abs() <= metric(&page, "gatepass_clock_doubt_seconds") + 1.0, "{page}");
}

/// What the master knows of an agent's clock.
#[track_caller]
fn assert_master_knows(master: &Master, id: &str, master_ahead: i64) {
    let view = master.ctl(&["agent", "show", id, "--json"]).expect(0).json();
    assert_skew(&view["clock"]["skew"], master_ahead, "the master's view");
    assert_eq!(view["clockStanding"], standing(master_ahead));
}

fn agents_of(master: &Master) -> usize {
    let list = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    list["items"].as_array().expect("a list").len()
}

#[track_caller]
fn metric(page: &str, name: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
}

/// `curl` on a host whose clock agrees with the master's.
fn get(master: &Master, path: &str, clock: &FakeClock, agent: &Agent, more: &[&str]) -> Output {
    let mut curl = tool("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "20"]);
    curl.arg("--cacert").arg(agent.state().join("current/ca.crt")).args(more);
    Output::of(curl.arg(format!("{}{path}", master.url())).envs(clock.env()))
}

/// The master takes the agent's token for what it is.
#[track_caller]
fn assert_token_accepted(master: &Master, clock: &FakeClock, agent: &Agent) {
    let identity = agent.identity().expect("an identity");
    let token = format!("Authorization: Bearer {}", identity.token);
    let view = get(master, "/api/v1/agents/self", clock, agent, &["--header", &token]).expect(0).json();
    assert_eq!(view["id"].as_str().map(str::to_owned), Some(id(&identity)));
}

fn metrics(master: &Master, clock: &FakeClock, agent: &Agent) -> String {
    get(master, "/metrics", clock, agent, &[]).expect(0).stdout
}

fn id(identity: &Identity) -> String {
    identity.chain().agent().expect("an agent's certificate").to_string()
}

/// The claims of a token, which somebody else has verified.
fn claims(identity: &Identity) -> Value {
    let middle = identity.token.split('.').nth(1).expect("three parts");
    let json = BASE64URL_NOPAD.decode(middle.as_bytes()).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

fn seconds(claims: &Value, name: &str) -> i64 {
    claims[name].as_i64().expect("a number")
}

fn is_good(identity: &Identity, now: UnixTime) -> bool {
    let claims = claims(identity);
    let token = seconds(&claims, "nbf")..seconds(&claims, "exp");
    identity.chain().validity().holds(now) && token.contains(&now.seconds())
}

/// Follows what a daemon publishes, and sees to it that a consumer always finds something good in the master's time.
struct Follower<'a> {
    agent: &'a Agent,
    master_ahead: i64,
    chains: Vec<Chain>,
}

impl<'a> Follower<'a> {
    /// `master_ahead`: of the real time.
    fn new(agent: &'a Agent, master_ahead: i64) -> Self {
        Self { agent, master_ahead, chains: Vec::new() }
    }

    #[track_caller]
    fn look(&mut self) {
        let Some(identity) = self.agent.identity() else { return };
        let now = UnixTime(real_now().0 + self.master_ahead * 1_000);
        assert!(
            is_good(&identity, now),
            "nothing good at {now}: {:?}\n{}",
            identity.chain().validity(),
            self.agent.log()
        );
        let chain = identity.chain();
        if self.chains.last().is_none_or(|last| last.serial() != chain.serial()) {
            self.chains.push(chain);
        }
    }

    #[track_caller]
    fn see(&mut self, renewals: usize) {
        until(self.agent, "the renewals", || {
            self.look();
            self.chains.len() > renewals
        });
    }

    /// One agent all the time, whose renewals each came when they were due: neither sooner nor late.
    #[track_caller]
    fn assert_on_time(&self) {
        let issued = |chain: &Chain| chain.validity().until() - LIFETIME;
        for pair in self.chains.windows(2) {
            assert_eq!(pair[0].agent(), pair[1].agent());
            let after = issued(&pair[1]).since(issued(&pair[0]));
            assert!(
                (LIFETIME / 2..LIFETIME).contains(&after),
                "renewed after {after:?}\n{}",
                self.agent.log()
            );
        }
    }
}

/// Waits until something is true; when it does not come true, the daemon's log says why.
#[track_caller]
fn until(agent: &Agent, what: &str, mut is_true: impl FnMut() -> bool) {
    let end = SystemClock.boot() + SOON;
    eventually(what, SOON * 2, || {
        assert!(SystemClock.boot() < end, "not within {SOON:?}: {what}\n{}", agent.log());
        is_true()
    });
}

fn wrong_clocks() -> [i64; 8] {
    [7, -7, 3 * HOUR, -3 * HOUR, 400 * DAY, -400 * DAY, second_of_january_1970(), year_2060()]
}

#[test]
fn a_host_whose_clock_is_wrong_lives_like_any_other_and_everybody_is_told() {
    let (master, right) = (master(Vec::new()), FakeClock::ahead_by(0));
    let api_key = api_key(&master);
    let agents: Vec<_> = thread::scope(|scope| {
        let live = |off| {
            let (master, right, api_key) = (&master, &right, &api_key);
            scope.spawn(move || live_with_a_clock_ahead_by(off, master, api_key, right))
        };
        let lives: Vec<_> = wrong_clocks().into_iter().map(live).collect();
        lives.into_iter().map(|life| life.join().expect("that host did well")).collect()
    });
    let page = metrics(&master, &right, &agents[0]);
    for (standing, count) in [("agree", 0.0), ("unsure", 0.0), ("warn", 2.0), ("critical", 6.0)] {
        let name = format!("gatepass_master_agents{{clock=\"{standing}\"}}");
        assert!((metric(&page, &name) - count).abs() < 0.1, "{standing}\n{page}");
    }
    assert_eq!(agents_of(&master), agents.len());
}

fn live_with_a_clock_ahead_by(off: i64, master: &Master, api_key: &Path, right: &FakeClock) -> Agent {
    let clock = FakeClock::ahead_by(off);
    let agent = host(master.url(), api_key, &clock);
    let first = agent.run(&["download"]).expect(0);
    assert!(first.stderr.contains("clock and the master's disagree"), "{}", first.stderr);
    let mut follower = Follower::new(&agent, 0);
    follower.look();
    assert_agent_tells(&agent, -off);
    assert_token_accepted(master, right, &agent);
    let _daemon = agent.daemon();
    follower.see(2);
    follower.assert_on_time();
    assert_agent_tells(&agent, -off);
    assert_token_accepted(master, right, &agent);
    assert_master_knows(master, &id(&agent.identity().expect("an identity")), -off);
    assert!(!agent.log().contains("was set"), "nobody set it\n{}", agent.log());
    agent
}

#[test]
fn a_hosts_clock_that_is_set_again_and_again_moves_nothing_and_is_noticed_each_time() {
    let (master, right) = (master(Vec::new()), FakeClock::ahead_by(0));
    let api_key = api_key(&master);
    let (past, future) = (second_of_january_1970(), year_2060());
    let days = [[7, 0, -7, 0], [3 * HOUR, -3 * HOUR, 400 * DAY, -400 * DAY], [past, future, past, 0]];
    thread::scope(|scope| {
        for settings in &days {
            let (master, right, api_key) = (&master, &right, &api_key);
            scope.spawn(move || live_while_the_clock_is_set(settings, master, api_key, right));
        }
    });
    assert_eq!(agents_of(&master), days.len(), "each enrolled once");
}

fn live_while_the_clock_is_set(settings: &[i64], master: &Master, api_key: &Path, right: &FakeClock) {
    let clock = FakeClock::ahead_by(0);
    let agent = host(master.url(), api_key, &clock);
    let _daemon = agent.daemon();
    until(&agent, "the first identity", || agent.identity().is_some());
    let mut follower = Follower::new(&agent, 0);
    for (&off, steps) in settings.iter().zip(1_u64..) {
        clock.set(off);
        until(&agent, "the step is noticed and reported", || {
            follower.look();
            agent.status()["clock"]["steps"] == steps && reported_steps(master, &agent) == steps
        });
        assert_skew(&agent.status()["clock"], -off, "after the step");
        assert_master_knows(master, &id(&agent.identity().expect("an identity")), -off);
        assert_token_accepted(master, right, &agent);
    }
    follower.see(2);
    follower.assert_on_time();
    let log = agent.log();
    assert_eq!(log.matches("the system clock was set").count(), settings.len(), "{log}");
    assert!(!log.contains("tried again") && !log.contains("ERROR"), "{log}");
}

fn reported_steps(master: &Master, agent: &Agent) -> Value {
    let id = id(&agent.identity().expect("an identity"));
    master.ctl(&["agent", "show", &id, "--json"]).expect(0).json()["clock"]["steps"].clone()
}

#[test]
fn a_hosts_clock_that_is_set_while_no_master_answers_moves_nothing_either() {
    let mut master = Master::start();
    let api_key = master.api_key("hosts", &[]);
    let enrolled = |off| {
        let clock = FakeClock::ahead_by(0);
        let agent = host(master.url(), &api_key, &clock);
        let daemon = agent.daemon();
        until(&agent, "the first step", || !agent.status()["clock"].is_null());
        (off, clock, agent, daemon)
    };
    let hosts = [400 * DAY, -400 * DAY, second_of_january_1970(), year_2060()].map(enrolled);
    master.kill();
    for (off, clock, _, daemon) in &hosts {
        clock.set(*off);
        // The kernel wakes it when its clock is set; it does not know of this one.
        daemon.signal("USR1");
    }
    for (off, _, agent, _) in &hosts {
        until(agent, "the step is noticed", || agent.status()["clock"]["steps"] == 1);
        let status = agent.status();
        assert_skew(&status["clock"], -off, "carried on without a master");
        let now: UnixTime = status["now"].as_str().expect("an instant").parse().expect("an instant");
        assert!(now.0.abs_diff(real_now().0) < 2_000, "{status}");
        assert_ne!(status["verdict"], "no-identity", "what is held is as good as before: {status}");
    }
}

#[test]
fn a_master_whose_clock_is_wrong_serves_all_the_same_and_both_sides_say_so() {
    thread::scope(|scope| {
        for off in [3 * HOUR, -3 * HOUR, 400 * DAY, -400 * DAY, year_2060()] {
            scope.spawn(move || live_with_a_master_ahead_by(off));
        }
    });
}

fn live_with_a_master_ahead_by(off: i64) {
    let (clock, right) = (FakeClock::ahead_by(off), FakeClock::ahead_by(0));
    let master = master(clock.env());
    let agent = host(master.url(), &api_key(&master), &right);
    let first = agent.run(&["download"]).expect(0);
    assert!(first.stderr.contains("clock and the master's disagree"), "{}", first.stderr);
    let mut follower = Follower::new(&agent, off);
    follower.look();
    let _daemon = agent.daemon();
    follower.see(1);
    follower.assert_on_time();
    assert_agent_tells(&agent, off);
    assert_token_accepted(&master, &clock, &agent);
    assert_master_knows(&master, &id(&agent.identity().expect("an identity")), off);
    assert!(master.log().contains("an agent's clock disagrees"), "{}", master.log());
    let page = metrics(&master, &clock, &agent);
    assert!((metric(&page, r#"gatepass_master_agents{clock="critical"}"#) - 1.0).abs() < 0.1, "{page}");
}

#[test]
fn when_the_masters_clock_is_set_its_agents_follow_by_themselves() {
    let (clock, right) = (FakeClock::ahead_by(0), FakeClock::ahead_by(0));
    let master = master(clock.env());
    let agent = host(master.url(), &api_key(&master), &right);
    let _daemon = agent.daemon();
    until(&agent, "the first identity", || agent.identity().is_some());
    let (began, first) = (SystemClock.boot(), id(&agent.identity().expect("an identity")));
    // Within the grace period the agent stays who it is; 400 days later it has to enrol again.
    for (off, stays) in [(2 * HOUR, true), (0, true), (-30, true), (400 * DAY, false), (0, false)] {
        clock.set(off);
        let lives_at = |off: i64| {
            let now = UnixTime(real_now().0 + off * 1_000);
            let status = agent.status();
            let skew = status["clock"]["ahead"].as_i64().expect("measured");
            status["verdict"] == "good"
                && (skew - off * 1_000).abs() < 2_000
                && is_good(&agent.identity().expect("kept"), now)
        };
        until(&agent, &format!("the agent lives in the master's time, {off} s ahead"), || lives_at(off));
        assert_token_accepted(&master, &clock, &agent);
        assert_eq!(id(&agent.identity().expect("an identity")) == first, stays, "{off}\n{}", agent.log());
    }
    let mut follower = Follower::new(&agent, 0);
    follower.see(1);
    follower.assert_on_time();
    let elapsed = SystemClock.boot().saturating_sub(began).as_secs_f64();
    let page = metrics(&master, &clock, &agent);
    let count = |name: &str| metric(&page, &format!("gatepass_master_{name}"));
    // Each setting costs an issue, or two; beyond that no more than the slots ask for.
    let issued = count("renewals_total") + count("token_refreshes_total") + count("enrolments_total");
    assert!(issued <= 10.0 + elapsed / 6.0, "{issued} in {elapsed} s\n{}", agent.log());
    // A floor of a second, and up to ten requests a visit.
    assert!(count("request_duration_seconds_count") <= 10.0 * (elapsed + 2.0), "{page}");
    assert!((count("enrolments_total") - 2.0).abs() < 0.1, "{page}");
}

#[test]
fn over_a_slow_network_nothing_is_claimed_that_is_not_known() {
    let master = Master::start();
    let api_key = master.api_key("hosts", &[]);
    thread::scope(|scope| {
        for (off, standing) in [(0, "unsure"), (3 * HOUR, "critical")] {
            let (master, api_key) = (&master, &api_key);
            scope.spawn(move || enrol_slowly(off, standing, master, api_key));
        }
    });
}

fn enrol_slowly(off: i64, standing: &str, master: &Master, api_key: &Path) {
    const ONE_WAY: Duration = Duration::from_millis(1_100);
    let clock = FakeClock::ahead_by(off);
    let agent = host(&slow_way(master.url(), ONE_WAY), api_key, &clock);
    agent.run(&["download"]).expect(0);
    let status = agent.status();
    assert_eq!(status["clock"]["standing"], standing, "{status}");
    assert_skew(&status["clock"], -off, "over a slow network");
    let doubt = status["clock"]["doubt"].as_i64().expect("a number");
    assert!(doubt >= 1_100, "{status}");
    let identity = agent.identity().expect("an identity");
    let view = master.ctl(&["agent", "show", &id(&identity), "--json"]).expect(0).json();
    assert_eq!(view["clockStanding"], standing);
    // What the agent's clock may be off by is taken off the beginning of its token.
    let claims = claims(&identity);
    let before = seconds(&claims, "iat") - seconds(&claims, "nbf");
    assert!(before * 1_000 >= doubt && before <= 300, "{claims} {status}");
}

/// From a day to an hour before now.
fn ended_an_hour_ago() -> Validity {
    let now = real_now();
    Validity::new(now - Duration::from_hours(24), now - Duration::from_hours(1)).expect("a span of time")
}

/// An API key that pins that CA, in a file.
fn pinning(ca: &Ca) -> NamedTempFile {
    let key = ApiKey::new(KeyId([7; 10]), Secret::new([9; 32]), ca.pin());
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(key.reveal().as_bytes()).expect("room for a key");
    file
}

const ASKS_FOR_TRUST: &str = "GET /api/v1/trust HTTP/1.1";
const ASKS_FOR_TIME: &str = "GET /api/v1/time HTTP/1.1";
const ENROLS: &str = "POST /api/v1/agents HTTP/1.1";

fn refuses(_: &str) -> Option<Vec<u8>> {
    http("403 Forbidden", "", "")
}

#[test]
fn a_server_of_another_ca_is_not_even_asked_for_the_time() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let api_key = pinning(&ours);
    let impostor = Fake::start(
        Some(theirs.server("localhost", ended_an_hour_ago())),
        like_a_master(ours.anchors(), real_now, refuses),
    );
    let agent = Agent::new(&[&impostor.url()], api_key.path());
    let refused = agent.run(&["download"]).expect(4);
    assert!(refused.stderr.contains("another CA"), "{}", refused.stderr);
    assert_eq!(impostor.asked(), [ASKS_FOR_TRUST]);
    // Whoever knows the CA already asks nothing at all.
    let ca_file = agent.path().join("ca.pem");
    write!(std::fs::File::create(&ca_file).expect("a file"), "{}", ours.anchors()).expect("room");
    agent.configure(&[&impostor.url()], api_key.path(), &format!("ca_file = {ca_file:?}"));
    agent.run(&["download"]).expect(4);
    assert_eq!(impostor.asked(), [ASKS_FOR_TRUST]);
}

#[test]
fn an_ended_certificate_of_the_pinned_ca_is_asked_for_the_time_and_given_nothing() {
    let (ca, good) = (Ca::new(), ended_an_hour_ago());
    let api_key = pinning(&ca);
    let old = Fake::start(Some(ca.server("localhost", good)), like_a_master(ca.anchors(), real_now, refuses));
    let agent = Agent::new(&[&old.url()], api_key.path());
    let refused = agent.run(&["download"]).expect(4);
    let end = UnixTime::from_seconds(good.until().seconds());
    assert!(refused.stderr.contains(&format!("expired on {end}")), "{}", refused.stderr);
    let asked = old.asked();
    assert_eq!(asked.first().map(String::as_str), Some(ASKS_FOR_TRUST));
    assert!(asked.len() > 1 && asked[1..].iter().all(|line| line == ASKS_FOR_TIME), "{asked:?}");
    assert!(old.told().iter().all(|request| !request.contains(PREFIX)), "{:?}", old.told());
    assert!(agent.identity().is_none());
}

#[test]
fn one_that_is_good_at_the_time_it_tells_is_believed() {
    let (ca, good) = (Ca::new(), ended_an_hour_ago());
    let (api_key, then) = (pinning(&ca), good.at_percent(50));
    let slow_clock = like_a_master(ca.anchors(), move || then, refuses);
    let master = Fake::start(Some(ca.server("localhost", good)), slow_clock);
    Agent::new(&[&master.url()], api_key.path()).run(&["download"]);
    assert_eq!(master.asked().last().map(String::as_str), Some(ENROLS));
}
