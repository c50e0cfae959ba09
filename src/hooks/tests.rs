use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::*;

fn hook(toml: &str) -> Hook {
    toml::from_str(toml).expect("a hook")
}

fn shell(script: &str, more: &str) -> Hook {
    hook(&format!("name = 'test'\nrun = ['/bin/sh', '-c', '''{script}''']\n{more}"))
}

async fn ran(hook: &Hook) -> HookResult {
    let changes = [Change::Certificate, Change::Token];
    hook.run(Occasion { changes: &changes, generation: 7, dir: Path::new("/somewhere") }).await
}

#[test]
fn what_cannot_be_run_is_refused_when_read() {
    for bad in [
        "name = 'a'",
        "name = 'a'\nrun = []",
        "name = 'a'\nrun = ['true']",
        "name = 'a'\nrun = ['/bin/true']\nreload = 'a.service'",
        "name = 'a'\nreload = 'nginx'",
        "name = 'a'\nreload = '--root=/x.service'",
        "name = 'a'\nrun = ['/bin/true']\ntimeout = '0s'",
        "name = 'a'\nrun = ['/bin/true']\non = []",
        "name = 'a'\nrun = ['/bin/true']\nonn = []",
        "name = 'a'\nrestart = 'nginx'",
        "name = 'a'\nreload = 'a.service'\nrestart = 'a.service'",
        "name = 'a'\nsignal = { unit = 'a.service' }",
        "name = 'a'\nsignal = { unit = 'a.service', signal = 'KILL' }",
        "name = 'a'\nsignal = { pidfile = 'a.pid', signal = 'HUP' }",
        "name = 'a'\nsignal = { pidfile = '/a.pid', unit = 'a.service', signal = 'HUP' }",
        "name = 'a'\nrun = ['/bin/true']\nwindow = 'night'",
        "name = 'a'\nrun = ['/bin/true']\ndebounce = 5",
    ] {
        assert!(toml::from_str::<Hook>(bad).is_err(), "{bad}");
    }
    for good in [
        "name = 'a'\nreload = 'nginx.service'\non = ['token']",
        "name = 'a'\nrestart = 'nginx.service'\nwindow = '02:00-04:00 +01:00'",
        "name = 'a'\nsignal = { pidfile = '/a.pid', signal = 'HUP' }\ndebounce = '5s'",
        "name = 'a'\nsignal = { unit = 'a.service', signal = 'USR1' }",
    ] {
        assert_eq!(hook(&toml::to_string(&hook(good)).expect("written")), hook(good));
    }
}

#[tokio::test]
async fn a_hook_finds_a_clean_environment_and_its_output_is_kept() {
    let found = ran(&shell("env; pwd; echo to stderr >&2", "")).await;
    assert!(found.ok);
    for want in
        ["GATEPASS_GENERATION=7", "GATEPASS_DIR=/somewhere", "GATEPASS_REASON=certificate,token", "to stderr"]
    {
        assert!(found.detail.contains(want), "{want} in {}", found.detail);
    }
    assert!(!found.detail.contains("CARGO"), "{}", found.detail);
}

#[tokio::test]
async fn a_failure_says_why_on_one_line() {
    let found = ran(&shell(r#"printf "no such \033[31mthing" >&2; exit 3"#, "")).await;
    assert_eq!((found.ok, found.detail.as_str()), (false, "exit status: 3: no such [31mthing"));
    let found = ran(&hook("name = 'missing'\nrun = ['/nowhere/at/all']")).await;
    assert!(!found.ok && found.detail.starts_with("could not be run: "), "{}", found.detail);
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let mark = dir.path().join("mark");
    let script = format!("echo begun; (sleep 1; touch {}) & sleep 60", mark.display());
    let found = ran(&shell(&script, "timeout = '200ms'")).await;
    assert_eq!(found.detail, "killed after 200ms: begun");
    std::process::Command::new("sleep").arg("1.2").status().expect("a wait");
    assert!(!mark.exists(), "its child lived on");
}

#[tokio::test]
async fn what_it_leaves_in_the_background_is_not_waited_for() {
    let found = ran(&shell("sleep 5 & echo done", "timeout = '4s'")).await;
    assert_eq!((found.ok, found.detail.as_str()), (true, "exit status: 0: done"));
}

#[tokio::test]
async fn long_output_is_cut() {
    let detail = ran(&shell("yes abcdefg | head -c 100000; echo end", "")).await.detail;
    assert!(detail.len() < 600 && detail.ends_with("end"), "{detail}");
}

#[tokio::test]
async fn a_signal_reaches_the_process_that_a_private_file_names() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let signal =
        hook(&format!("name = 'daemon'\nsignal = {{ pidfile = '{}', signal = 'USR1' }}", file.display()));
    let say = |text: &str, mode| {
        crate::store::write_atomically(&file, text.as_bytes(), mode).expect("written");
        std::fs::metadata(&file).expect("there").permissions().mode()
    };
    let script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done";
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut ready).expect("it is ready");
    assert!(ran(&signal).await.detail.contains("pid cannot be read"), "there is no file yet");
    for (text, mode, want) in [
        (child.id().to_string(), 0o666, "can be written by others (mode 0666)"),
        ("1".to_owned(), 0o644, "names no process"),
        ("-5".to_owned(), 0o644, "names no process"),
        (i32::MAX.to_string(), 0o644, "No such process"),
    ] {
        say(&text, mode);
        let found = ran(&signal).await;
        assert!(!found.ok && found.detail.contains(want), "{}", found.detail);
    }
    say(&format!("{}\n", child.id()), 0o644);
    assert_eq!(ran(&signal).await.detail, format!("process {} was sent the signal", child.id()));
    assert_eq!(child.wait().expect("it ends").code(), Some(42));
}
