//! What runs after a change: in order, with what it has to know, back when it fails, later when it may wait, and never too
//! late.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use gatepass_contract::time::UnixTime;

use crate::outputs::{copy, host, output, output_in, public_key};
use crate::support::{Agent, Master, MasterOptions, eventually, real_now};

const SOON: Duration = Duration::from_secs(20);

/// A hook that writes down what it was told, and fails while there is a file `fail-NAME`.
fn hook(agent: &Agent, name: &str, more: &str) -> String {
    let (log, fail) = (agent.path().join("hooks"), agent.path().join(format!("fail-{name}")));
    let (log, fail) = (log.display(), fail.display());
    format!(
        "[[hook]]\nname = '{name}'\nrun = ['/bin/sh', '-c', '''\
         echo {name} $GATEPASS_GENERATION $GATEPASS_REASON $GATEPASS_DIR $(head -c 10 $GATEPASS_DIR/tls.crt) >> {log}
         echo generation $GATEPASS_GENERATION
         test ! -e {fail}''']\n{more}\n"
    )
}

fn hooks(agent: &Agent) -> Vec<String> {
    let told = std::fs::read_to_string(agent.path().join("hooks")).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
}

fn touch(path: &Path) {
    std::fs::File::create(path).expect("a file").write_all(b"").expect("nothing is always written");
}

#[test]
fn hooks_run_in_order_and_know_what_changed() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| {
        let on_token = hook(agent, "third", "on = ['token']");
        format!("{}{}{on_token}", hook(agent, "first", ""), hook(agent, "second", "required = true"))
    });
    touch(&agent.path().join("fail-first"));
    agent.run(&["download"]).expect(0);
    let dir = agent.state().join("current").display().to_string();
    let want =
        ["first", "second", "third"].map(|name| format!("{name} 1 certificate,token {dir} -----BEGIN"));
    assert_eq!(hooks(&agent), want);
    let status = agent.status();
    let ok: Vec<_> = (0..3).map(|n| status["hooks"][n]["ok"].as_bool().expect("a result")).collect();
    assert_eq!(ok, [false, true, true], "one that is not required fails alone");
    agent.run(&["download"]).expect(0);
    assert_eq!(hooks(&agent).len(), 3, "nothing changed, nothing runs");
    let seen = master.ctl(&["agent", "show", "test-host", "--json"]).expect(0).json();
    assert_eq!(seen["hooks"][0]["name"], "first", "the master hears of it: {seen}");
}

#[test]
fn a_required_hook_that_fails_puts_the_identity_before_back() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| {
        format!(
            "{}{}{}",
            [output(&agent.path().join("nginx")), output_in(agent, "tws", "")].concat(),
            hook(agent, "nginx", "required = true"),
            hook(agent, "later", "")
        )
    });
    agent.run(&["download"]).expect(0);
    let tws = || public_key(&agent.path().join("tws"), "tws");
    let first_tws = tws();
    let (first, fail) = (agent.identity().expect("an identity"), agent.path().join("fail-nginx"));
    touch(&fail);
    let failed = agent.run(&["renew"]).expect(3);
    assert!(failed.stdout.contains("the required hook `nginx` failed"), "{failed:?}");
    assert_eq!(agent.identity().as_ref(), Some(&first));
    assert_eq!(copy(&agent.path().join("nginx")).as_ref(), Some(&first), "the output goes back with it");
    assert_eq!(tws(), first_tws, "and so does an encrypted one");
    let told = hooks(&agent);
    assert_eq!(told.len(), 3, "what stands behind it does not run: {told:?}");
    assert_eq!(agent.run(&["status"]).code, Some(3), "it works, and something is wrong");
    std::fs::remove_file(fail).expect("it is there");
    agent.run(&["renew"]).expect(0);
    let second = agent.identity().expect("an identity");
    assert_ne!(first.key, second.key);
    second.assert_whole();
    assert_eq!(copy(&agent.path().join("nginx")), Some(second));
    agent.run(&["status"]).expect(0);
}

/// Names of the hooks that wait, as `status` shows them.
fn waiting(agent: &Agent) -> Vec<String> {
    let status = agent.status();
    let pending = status["pending"].as_array().expect("a list");
    pending.iter().map(|pending| pending["name"].as_str().expect("a name").to_owned()).collect()
}

fn renew(agent: &Agent, daemon: &crate::support::Program) {
    let before = agent.identity();
    daemon.signal("USR1");
    eventually("a renewal", SOON, || agent.identity() != before);
}

#[test]
fn several_changes_within_the_debounce_are_one_and_what_waits_survives_kill_9() {
    let master = Master::start();
    let (agent, _) = host(&master, |agent| hook(agent, "nginx", "debounce = '12s'"));
    let mut daemon = agent.daemon();
    eventually("the first is told at once", SOON, || hooks(&agent).len() == 1);
    renew(&agent, &daemon);
    renew(&agent, &daemon);
    eventually("it waits", SOON, || waiting(&agent) == ["nginx"]);
    let shown = agent.run(&["status"]).expect(0).stdout;
    assert!(shown.contains("nginx: waits until "), "{shown}");
    daemon.signal("KILL");
    daemon.ended(SOON);
    assert_eq!(hooks(&agent).len(), 1);
    let _daemon = agent.daemon();
    eventually("it is told", SOON * 2, || hooks(&agent).len() == 2);
    assert!(hooks(&agent)[1].starts_with("nginx 3 certificate,token "), "{:?}", hooks(&agent));
    eventually("nothing waits", SOON, || waiting(&agent).is_empty());
    let told = || master.ctl(&["agent", "show", "test-host", "--json"]).expect(0).json();
    eventually("the master hears of it", SOON, || {
        told()["hooks"][0]["detail"] == "exit status: 0: generation 3"
    });
    assert_eq!(hooks(&agent).len(), 2, "once for both");
}

#[test]
fn a_hook_waits_for_its_window_and_runs_before_the_end_of_what_is_in_use() {
    let master =
        Master::with(MasterOptions { lifetime: "16s", token_lifetime: "16s", ..MasterOptions::default() });
    // It opens in six hours.
    let hour = (real_now().seconds() / 3600 + 6) % 24;
    let (agent, _) = host(&master, |agent| {
        let log = agent.path().join("hooks");
        format!(
            "[[hook]]\nname = 'tomcat'\nrun = ['/bin/sh', '-c', 'date +%s%3N >> {}']\ntimeout = '2s'\n\
             window = '{hour:02}:00-{hour:02}:30'",
            log.display()
        )
    });
    let daemon = agent.daemon();
    eventually("the first is told at once", SOON, || hooks(&agent).len() == 1);
    let in_use = agent.identity().expect("an identity").chain().validity();
    renew(&agent, &daemon);
    eventually("it waits", SOON, || waiting(&agent) == ["tomcat"]);
    eventually("it is run", SOON, || hooks(&agent).len() == 2);
    let ran = UnixTime(hooks(&agent)[1].parse().expect("milliseconds"));
    assert!(ran < in_use.until(), "ran at {ran}, in use until {}", in_use.until());
    let left = in_use.until().since(ran);
    assert!(left < Duration::from_secs(6), "it waited as long as it could, {left:?} were left");
}
