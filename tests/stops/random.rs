//! Both ended by `kill -9` at random moments, again and again, while somebody reads all the time.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::{Agent, Identity, Master, Program, eventually};

/// The same moments in every run, as far as a machine repeats itself (Knuth, MMIX).
struct Lots(u64);

impl Lots {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Reads `current/` without a pause; fails the test when it ever finds what does not belong together.
struct Watcher {
    over: Arc<AtomicBool>,
    changes: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    fn of(state: PathBuf) -> Self {
        let (over, changes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (over_here, changes_here) = (over.clone(), changes.clone());
        let thread = std::thread::spawn(move || {
            let mut last = None;
            while !over_here.load(Ordering::SeqCst) {
                let found = Identity::find(&state);
                assert!(found.is_some() || last.is_none(), "what was there is gone");
                if found != last {
                    found.as_ref().expect("it does not go away").assert_whole();
                    changes_here.fetch_add(1, Ordering::SeqCst);
                    last = found;
                }
                std::thread::yield_now();
            }
        });
        Self { over, changes, thread: Some(thread) }
    }

    /// How many different identities it saw.
    fn saw(mut self) -> u32 {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().expect("joined once").join().expect("it saw whole identities only");
        self.changes.load(Ordering::SeqCst)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "processes are killed at moments that nobody chose")]
fn killed_at_random_moments_a_reader_never_sees_half_of_anything() {
    let mut master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &["--uses", "1"]));
    let watcher = Watcher::of(agent.state());
    let (mut lots, begun, mut killed) = (Lots(2026), Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(9) {
        let mut renew = agent.command(&["renew"]);
        renew.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut renewal = Program(renew.spawn().expect("it starts"));
        std::thread::sleep(Duration::from_millis(lots.below(90)));
        match lots.below(6) {
            0 => {
                master.kill();
                renewal.ended(Duration::from_mins(1));
                master.restart(Vec::new());
            }
            1 => drop(renewal.ended(Duration::from_mins(1))),
            _ => drop(renewal),
        }
        killed += 1;
    }
    agent.run(&["download"]).expect(0);
    agent.run(&["renew"]).expect(0);
    agent.identity().expect("an identity").assert_whole();
    let all = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1), "one host, one agent");
    let saw = watcher.saw();
    assert!(killed > 20 && saw > 5, "{killed} rounds, {saw} identities seen: too few to mean anything");
}

/// The daemon too, with credentials that end soon: it is never without a good one for long.
#[test]
#[expect(clippy::disallowed_methods, reason = "a process is killed at moments that nobody chose")]
fn a_daemon_killed_again_and_again_still_renews() {
    let options =
        crate::support::MasterOptions { lifetime: "10s", token_lifetime: "10s", ..Default::default() };
    let master = Master::with(options);
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &["--uses", "1"]));
    let watcher = Watcher::of(agent.state());
    let (mut lots, begun) = (Lots(7), Instant::now());
    while begun.elapsed() < Duration::from_secs(9) {
        let daemon = agent.daemon();
        std::thread::sleep(Duration::from_millis(20 + lots.below(600)));
        drop(daemon);
    }
    let _daemon = agent.daemon();
    eventually("it is good", Duration::from_secs(20), || agent.status()["verdict"] == "good");
    assert!(watcher.saw() >= 2, "it renewed meanwhile");
}
