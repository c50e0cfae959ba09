//! Days of a daemon's life with masters that behave badly, on a clock that is moved by hand.
//!
//! Whatever a master says, it is not called more often than the floor allows; and where it behaves, nothing that is held
//! ever ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::id::{AgentId, KeyId, RequestId};
use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{self, Anchors, KeyKind, PublicKey};
use gatepass_contract::secret::{ApiKey, Secret};
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::token::{self, Claims, Confirmation};
use gatepass_contract::wire::admin::AgentView;
use gatepass_contract::wire::agent::{
    Directive, EnrolRequest, Facts, Issued, RenewRequest, ReportReply, ReportRequest,
};
use gatepass_contract::wire::{Code, Problem};
use jsonwebtoken::jwk::JwkSet;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, SanType, SubjectPublicKeyInfo};
use tempfile::TempDir;

use super::Master;
use super::{
    Daemon, LONGEST_NAP, MasterTime, Pace, RenewalPolicy, Settings, Source, Store, write_atomically,
};
use crate::clock::{Clock as _, ManualClock};
use crate::keys::KeyPair;
use crate::master::{Caller, Fault, MasterError, Refusal};

const TODAY: UnixTime = UnixTime(1_795_379_123_456);
const FLOOR: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const AGENT: AgentId = AgentId([7; 16]);

/// How a master behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As it should.
    Well,
    /// What it issues has ended already.
    IssuesTheExpired,
    /// It wants to be called again at once.
    RenewAtOnce,
    /// 503, and "come back now".
    Busy,
    /// 403, for ever.
    Refuses,
    /// 403 to all renewals; enrolments are welcome.
    KnowsNobody,
    /// It asks for a renewal with every report, and for the next report at once.
    DirectsRenewal,
    /// Its clock is a year further with each look.
    ClockRunsAway,
    /// Nobody is there.
    Absent,
}

/// A master in memory that remembers when it was called.
struct Fake {
    manner: Manner,
    clock: Arc<ManualClock>,
    ca: CertifiedIssuer<'static, rcgen::KeyPair>,
    token_key: KeyPair,
    seen: Mutex<Seen>,
}

/// What a key got.
#[derive(Debug, Clone)]
struct Generation {
    number: u64,
    key: PublicKey,
    chain: String,
    rekey_at: UnixTime,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    visits: Vec<Duration>,
    generations: Vec<Generation>,
    tokens: u32,
    /// The master's clock minus the host's, milliseconds.
    ahead: i64,
}

const YEAR: i64 = 365 * 24 * 3_600_000;

impl Fake {
    fn new(manner: Manner, clock: Arc<ManualClock>) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca =
            CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().expect("a key")).expect("a root");
        Self { manner, clock, ca, token_key: KeyPair::generate(KeyKind::EcdsaP256), seen: Mutex::default() }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic")
    }

    fn now(&self) -> UnixTime {
        UnixTime(self.clock.wall().0 + self.seen().ahead)
    }

    fn master() -> MasterUrl {
        "https://master.example.com".parse().expect("a URL")
    }

    fn refuses(code: Code, retry_after: Option<Duration>) -> MasterError {
        let refusal = Refusal { problem: Problem::new(code, "no", RequestId([0; 10])), retry_after };
        if code.status() < 500 {
            MasterError::Refused { master: Self::master(), refusal: Box::new(refusal) }
        } else {
            MasterError::Fault { master: Self::master(), fault: Fault::Failing(Box::new(refusal)) }
        }
    }

    fn answer(&self, csr: &str) -> Result<Issued, MasterError> {
        let (now, life, jwt_life) = match self.manner {
            Manner::Busy => return Err(Self::refuses(Code::Overloaded, Some(Duration::ZERO))),
            Manner::Refuses => return Err(Self::refuses(Code::AgentRevoked, None)),
            Manner::IssuesTheExpired => (self.now() - DAY, HOUR, HOUR),
            Manner::Well
            | Manner::RenewAtOnce
            | Manner::KnowsNobody
            | Manner::DirectsRenewal
            | Manner::ClockRunsAway
            | Manner::Absent => (self.now(), DAY, HOUR),
        };
        let key = pki::Csr::from_pem(csr).expect("a request").into_key();
        let slot = |life: Duration| if self.manner == Manner::RenewAtOnce { now } else { now + life * 2 / 3 };
        let generation = self.generation(&key, || (self.certificate(&key, now, life), slot(life)));
        self.seen().tokens += 1;
        Ok(Issued {
            agent: AGENT,
            generation: generation.number,
            chain: generation.chain,
            anchors: Anchors::new(vec![self.ca.der().clone()]).expect("one").to_pem(),
            token: self.token(&key, now, jwt_life),
            jwks: JwkSet { keys: vec![self.token_key.public().jwk()] },
            renew_at: slot(jwt_life).min(generation.rekey_at),
            rekey_at: generation.rekey_at,
        })
    }

    /// The same for the same key, a new one for a new one.
    fn generation(&self, key: &PublicKey, new: impl FnOnce() -> (String, UnixTime)) -> Generation {
        let known = self.seen().generations.iter().find(|known| known.key == *key).cloned();
        known.unwrap_or_else(|| {
            let (chain, rekey_at) = new();
            let number = u64::try_from(self.seen().generations.len()).expect("a few") + 1;
            let generation = Generation { number, key: key.clone(), chain, rekey_at };
            self.seen().generations.push(generation.clone());
            generation
        })
    }

    fn certificate(&self, key: &PublicKey, now: UnixTime, life: Duration) -> String {
        let mut params = CertificateParams::default();
        let date = |at: UnixTime| rcgen::date_time_ymd(1970, 1, 1) + at.since(UnixTime(0));
        (params.not_before, params.not_after) = (date(now - FLOOR), date(now + life));
        let id = format!("spiffe://test/agent/{AGENT}").try_into().expect("plain letters");
        params.subject_alt_names = vec![SanType::URI(id)];
        let public = SubjectPublicKeyInfo::from_der(key.spki()).expect("a key");
        params.signed_by(&public, &self.ca).expect("signed").pem()
    }

    fn token(&self, key: &PublicKey, now: UnixTime, life: Duration) -> String {
        let claims = Claims {
            iss: "https://master".to_owned(),
            sub: AGENT,
            aud: Vec::new(),
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: (now + life).seconds(),
            jti: String::new(),
            upn: String::new(),
            groups: Vec::new(),
            cnf: Confirmation { jkt: key.thumbprint() },
        };
        let signing: SigningKey = self.token_key.signing_key();
        signing.sign(token::TYP, &claims).expect("signed")
    }
}

impl Master for &Fake {
    async fn probe(&self) -> Result<Skew, MasterError> {
        let boot = self.clock.boot();
        self.seen().visits.push(boot);
        match self.manner {
            Manner::Absent => {
                let fault = Fault::Unreachable("connection refused".to_owned());
                return Err(MasterError::Fault { master: Fake::master(), fault });
            }
            Manner::ClockRunsAway => self.seen().ahead += YEAR,
            Manner::Well
            | Manner::IssuesTheExpired
            | Manner::RenewAtOnce
            | Manner::Busy
            | Manner::Refuses
            | Manner::KnowsNobody
            | Manner::DirectsRenewal => {}
        }
        Ok(Skew { ahead: self.now().0 - self.clock.wall().0, doubt: 1 })
    }

    async fn enrol(&self, _: &ApiKey, request: &EnrolRequest) -> Result<Issued, MasterError> {
        self.answer(&request.csr)
    }

    async fn renew(&self, _: &Caller, request: &RenewRequest) -> Result<Issued, MasterError> {
        if self.manner == Manner::KnowsNobody {
            return Err(Fake::refuses(Code::GraceOver, None));
        }
        self.answer(&request.csr)
    }

    async fn report(&self, _: &Caller, _: &ReportRequest) -> Result<ReportReply, MasterError> {
        let now = self.now();
        let (next, directives) = match self.manner {
            Manner::DirectsRenewal => (now, vec![Directive::Renew]),
            Manner::RenewAtOnce => (UnixTime(i64::MIN), Vec::new()),
            Manner::Well
            | Manner::IssuesTheExpired
            | Manner::Busy
            | Manner::Refuses
            | Manner::KnowsNobody
            | Manner::ClockRunsAway
            | Manner::Absent => (now + HOUR / 4, Vec::new()),
        };
        Ok(ReportReply { received: now, sent: now, next, directives })
    }

    async fn me(&self, _: &Caller) -> Result<AgentView, MasterError> {
        unreachable!("a daemon does not ask that")
    }

    async fn deregister(&self, _: &Caller) -> Result<(), MasterError> {
        unreachable!("a daemon does not leave")
    }
}

/// A host and its master.
struct World {
    dir: TempDir,
    clock: Arc<ManualClock>,
    fake: Fake,
}

impl World {
    fn new(manner: Manner) -> Self {
        let clock = Arc::new(ManualClock::at(TODAY));
        let dir = tempfile::tempdir().expect("a directory");
        let key =
            ApiKey::new(KeyId([1; 10]), Secret::new([2; 32]), gatepass_contract::digest::Sha256([3; 32]));
        write_atomically(&dir.path().join("key"), key.reveal().as_bytes(), 0o600).expect("written");
        Self { dir, fake: Fake::new(manner, clock.clone()), clock }
    }

    fn daemon(&self, hooks: &[&str]) -> Daemon<&Fake> {
        let percent = |value| crate::policy::Percent::new(value).expect("within bounds");
        let settings = Settings {
            name: "host".parse().expect("a name"),
            facts: Facts {
                host_names: Vec::new(),
                addresses: Vec::new(),
                machine: None,
                version: String::new(),
            },
            key_kind: KeyKind::EcdsaP256,
            api_key: Some(Source::File(self.dir.path().join("key"))),
            policy: RenewalPolicy { after: percent(66), spread: percent(10) },
            pace: Pace { floor: FLOOR },
            tolerance: ClockTolerance { warn: Duration::from_secs(5), critical: FLOOR },
            outputs: Vec::new(),
            hooks: hooks.iter().map(|hook| toml::from_str(hook).expect("a hook")).collect(),
            metrics_file: None,
            adopted: None,
            alone: false,
        };
        let store = Store::open(self.dir.path().join("state")).expect("opened");
        Daemon::new(settings, store, &self.fake, MasterTime::new(self.clock.clone()))
    }

    /// Steps and naps for that long; `each` looks at the daemon after every step and every nap.
    async fn live(&self, mut daemon: Daemon<&Fake>, lasting: Duration, mut each: impl FnMut(&Daemon<&Fake>)) {
        let end = self.clock.boot() + lasting;
        while self.clock.boot() < end {
            let nap = daemon.step().await;
            assert!(nap <= LONGEST_NAP + Duration::from_millis(1), "{nap:?}");
            each(&daemon);
            self.clock.advance(nap);
            each(&daemon);
        }
    }

    fn visits(&self) -> Vec<Duration> {
        self.fake.seen().visits.clone()
    }

    /// The law: no two visits closer to each other than the floor.
    fn assert_floor(&self, lasting: Duration) {
        let visits = self.visits();
        let allowed = lasting.as_secs() / FLOOR.as_secs() + 1;
        assert!(
            u64::try_from(visits.len()).expect("a few") <= allowed,
            "{} visits, {allowed} allowed",
            visits.len()
        );
        for two in visits.windows(2) {
            let apart = two[1].saturating_sub(two[0]);
            assert!(apart >= FLOOR, "{apart:?} apart");
        }
    }
}

#[tokio::test]
async fn no_master_is_called_more_often_than_the_floor_allows_whatever_it_says() {
    for manner in [
        Manner::IssuesTheExpired,
        Manner::RenewAtOnce,
        Manner::Busy,
        Manner::Refuses,
        Manner::KnowsNobody,
        Manner::DirectsRenewal,
        Manner::ClockRunsAway,
        Manner::Absent,
    ] {
        let (world, lasting) = (World::new(manner), 2 * HOUR);
        world.live(world.daemon(&[]), lasting, |_| {}).await;
        world.assert_floor(lasting);
        assert!(!world.visits().is_empty(), "{manner:?}: it tries");
    }
}

/// What never works is tried ever more rarely.
#[tokio::test]
async fn a_master_that_never_helps_is_soon_left_in_peace() {
    for manner in [Manner::IssuesTheExpired, Manner::Busy, Manner::Refuses, Manner::Absent] {
        let world = World::new(manner);
        world.live(world.daemon(&[]), DAY, |daemon| assert!(daemon.held().is_none())).await;
        let visits = world.visits().len();
        assert!((35..70).contains(&visits), "{manner:?}: {visits} visits in a day");
    }
}

#[tokio::test]
async fn a_required_hook_that_always_fails_does_not_hurry_anybody() {
    let hook = "name = 'never'\nrun = ['/bin/false']\nrequired = true\non = ['certificate', 'token']";
    let (world, lasting) = (World::new(Manner::Well), DAY / 2);
    world.live(world.daemon(&[hook]), lasting, |daemon| assert!(daemon.held().is_some())).await;
    world.assert_floor(lasting);
}

#[tokio::test]
async fn a_master_that_behaves_is_called_on_time_and_nothing_ever_ends() {
    let world = World::new(Manner::Well);
    let lasting = 4 * DAY;
    let good = |daemon: &Daemon<&Fake>| {
        let (held, now) = (daemon.held().expect("enrolled at once"), world.clock.wall());
        assert!(held.certificate().holds(now) && held.token().holds(now), "it has ended");
        assert_eq!(daemon.trouble(), None);
    };
    world.live(world.daemon(&[]), lasting, good).await;
    world.assert_floor(lasting);
    let Seen { tokens, generations, .. } = world.fake.seen().clone();
    let keys = generations.len();
    assert!((4 * 24..4 * 40).contains(&tokens), "a token for each hour, fetched in time: {tokens}");
    assert!((5..=8).contains(&keys), "and a key for each day, made in time: {keys}");
}

/// The host's clock set to and fro by anything: no deadline moves.
#[tokio::test]
async fn a_clock_that_is_set_all_the_time_ends_nothing_and_hurries_nobody() {
    let (world, lasting) = (World::new(Manner::Well), DAY);
    let daemon = world.daemon(&[]);
    let steps = [3_600_000, -86_400_000, 400 * 86_400_000, -400 * 86_400_000, 7_000];
    let mut at = steps.iter().cycle();
    let real = |ahead: i64| UnixTime(world.clock.wall().0 - ahead);
    let mut ahead = 0;
    world
        .live(daemon, lasting, |daemon| {
            let held = daemon.held().expect("enrolled at once");
            let now = real(ahead);
            assert!(held.certificate().holds(now) && held.token().holds(now), "it has ended");
            let by = at.next().expect("for ever");
            world.clock.step(*by);
            world.fake.seen().ahead -= by;
            ahead += by;
        })
        .await;
    world.assert_floor(lasting);
}

/// The API key is used again only when what is held is over, and that is not a loop either.
#[tokio::test]
async fn a_master_that_has_forgotten_the_host_is_enrolled_with_again_when_the_identity_has_ended() {
    let (world, lasting) = (World::new(Manner::KnowsNobody), 3 * DAY);
    world.live(world.daemon(&[]), lasting, |daemon| assert!(daemon.held().is_some())).await;
    world.assert_floor(lasting);
    let enrolled = world.fake.seen().generations.len();
    assert!((3..=4).contains(&enrolled), "once a day: {enrolled}");
}

/// When a hook that waits for its window was run, as far into the day, and how long before the end of what was in use.
#[tokio::test]
async fn a_hook_waits_for_its_window_unless_the_end_comes_first() {
    let hook = "name = 'restart'\nrun = ['/bin/true']\nwindow = '02:00-04:00'";
    let world = World::new(Manner::Well);
    let (mut runs, mut waited) = (Vec::new(), None);
    let look = |daemon: &Daemon<&Fake>| {
        let pending = daemon.status().pending;
        assert!(pending.len() <= 1, "{pending:?}");
        match (waited.take(), pending.first()) {
            (_, Some(pending)) => waited = Some(pending.clone()),
            (Some(pending), None) => runs.push((world.clock.wall(), pending)),
            (None, None) => {}
        }
    };
    world.live(world.daemon(&[hook]), 12 * DAY, look).await;
    let in_window = |at: UnixTime| (2..4).contains(&(at.seconds().rem_euclid(86_400) / 3600));
    for (at, pending) in &runs {
        let end = pending.in_use_until.expect("the first is told at once");
        assert!(*at < end && *at >= pending.since, "{at} {pending:?}");
        let reserve = end.since(pending.since) / 10;
        assert!(in_window(*at) || end.since(*at) <= reserve, "neither its time nor urgent: {at} {pending:?}");
    }
    let opened = runs.iter().filter(|(at, _)| in_window(*at)).count();
    assert!(opened >= 2 && runs.len() - opened >= 2, "both happen: {opened} of {}", runs.len());
}

/// One that fails and is required, long after the bundle was published, is a failed step all the same.
#[tokio::test]
async fn a_required_hook_that_waited_puts_the_identity_before_back() {
    let world = World::new(Manner::Well);
    let file = world.dir.path().join("fail");
    let hook = format!(
        "name = 'picky'\nrun = ['/bin/sh', '-c', 'test ! -e {}']\nrequired = true\ndebounce = '10min'",
        file.display()
    );
    let behind = "name = 'behind'\nrun = ['/bin/true']\ndebounce = '1h'";
    let mut daemon = world.daemon(&[&hook, behind]);
    daemon.step().await;
    let first = daemon.held().expect("enrolled").generation();
    assert!(daemon.status().pending.is_empty(), "the first is told at once");
    world.clock.advance(2 * FLOOR);
    daemon.renew_now();
    daemon.step().await;
    assert_eq!((daemon.held().expect("held").generation(), daemon.status().pending.len()), (first + 1, 2));
    write_atomically(&file, b"", 0o600).expect("written");
    // A restart in between forgets nothing.
    drop(daemon);
    let mut daemon = world.daemon(&[&hook, behind]);
    world.clock.advance(10 * FLOOR);
    daemon.step().await;
    assert_eq!(daemon.held().expect("held").generation(), first, "it is back");
    assert!(daemon.status().pending.is_empty(), "what stands behind it has nothing to be told of");
    assert!(daemon.trouble().expect("trouble").message.contains("`picky` failed"));
    let hooks = daemon.status().hooks;
    let results: Vec<_> = hooks.iter().map(|result| (result.name.as_str(), result.ok)).collect();
    assert_eq!(results, [("picky", false), ("behind", true)]);
}
