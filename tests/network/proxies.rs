//! A proxy on the way to the master: with a password, with exemptions, with moods.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Agent, Ca, ConnectProxy, Manners, Master, Output, days, eventually, write};

const HUMAN: i32 = 4;
const LATER: i32 = 3;
const IMPATIENT: &str = "http = { connect_timeout = \"1s\", timeout = \"5s\" }";
const PASSWORD: &str = "s3cret:with@all";
/// `agent:s3cret:with@all`
const CREDENTIAL: &str = "Basic YWdlbnQ6czNjcmV0OndpdGhAYWxs";

fn host(master: &Master, name: &str, more: &str) -> Agent {
    Agent::with(&[master.url()], &master.api_key(name, &["--uses", "1"]), &format!("{IMPATIENT}\n{more}"))
}

fn with_password(agent: &Agent, password: &str) -> String {
    let file = agent.path().join("proxy-auth");
    write(&file, format!("agent:{password}\n"));
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    format!("proxy_auth_file = '{}'", file.display())
}

fn assert_no_password(said: &Output) {
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(!text.contains("s3cret") && !text.contains("YWdlbnQ6"), "{text}");
}

#[test]
fn a_proxy_with_a_password_is_the_way_and_the_password_is_shown_to_it_alone() {
    let master = Master::start();
    let proxy = ConnectProxy::start(Manners::Wants(CREDENTIAL, "Basic realm=\"way out\""));
    let url = format!("proxy = \"http://{}\"", proxy.place());
    let agent = host(&master, "host", "");
    let auth = with_password(&agent, PASSWORD);
    agent.configure(
        &[master.url()],
        &master.api_key("key", &[]),
        &format!("{url}\n{auth}\nlog = {{ level = 'debug' }}"),
    );
    for command in [&["download"][..], &["renew"], &["check"], &["config", "show"], &["status"]] {
        assert_no_password(&agent.run(command).expect(0));
    }
    let asked = proxy.asked();
    let want = format!("CONNECT {} HTTP/1.1", master.url().strip_prefix("https://").expect("https"));
    assert!(asked.len() >= 2 && asked.iter().all(|head| head.lines().next() == Some(&want)), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains(CREDENTIAL) && !head.contains("gpk_")), "{asked:?}");
    let daemon = agent.daemon();
    eventually("the daemon is at work", std::time::Duration::from_secs(20), || {
        agent.log().contains("clocks agree")
    });
    drop(daemon);
    assert!(!agent.log().contains("s3cret") && !agent.log().contains("YWdlbnQ6"), "{}", agent.log());
}

/// A mood of a proxy, what the agent makes of it, and what it tells a person to do.
struct Mood(Manners, &'static str, &'static str, i32);

#[test]
fn what_a_proxy_does_instead_is_told_apart() {
    let master = Master::start();
    let closed = {
        let gone = ConnectProxy::start(Manners::Open);
        gone.place()
    };
    let moods = [
        Mood(
            Manners::Wants(CREDENTIAL, "Basic"),
            "wants a user and a password (407)",
            "proxy_auth_file",
            HUMAN,
        ),
        Mood(Manners::Wants("", "Negotiate"), "another kind than Basic (407): Negotiate", "exempt", HUMAN),
        Mood(
            Manners::Says("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            "refuses to connect to localhost:",
            "no_proxy",
            HUMAN,
        ),
        Mood(
            Manners::Says("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
            "cannot reach localhost:",
            "the proxy can reach it",
            LATER,
        ),
        Mood(Manners::Says("220 mail.example.com ESMTP\r\n"), "does not answer like a proxy", "port", HUMAN),
        Mood(Manners::Silent, "does not answer within 1s", "the proxy runs", LATER),
    ];
    let mut places: Vec<_> = moods
        .into_iter()
        .map(|Mood(manners, said, hint, exit)| {
            let proxy = ConnectProxy::start(manners);
            (format!("http://{}", proxy.place()), Some(proxy), said, hint, exit)
        })
        .collect();
    places.push((format!("http://{closed}"), None, "cannot be reached: connection refused", "none", LATER));
    places.push(("http://no-such-proxy.invalid:3128".to_owned(), None, "cannot be found", "spelling", LATER));
    let agent = host(&master, "host", "");
    let key = master.api_key("key", &[]);
    for (url, _proxy, said, hint, exit) in &places {
        agent.configure(&[master.url()], &key, &format!("{IMPATIENT}\nproxy = {url:?}"));
        let ended = agent.run(&["download"]).expect(*exit);
        assert!(ended.stdout.contains(said) && ended.stdout.contains(url), "{said}: {ended:?}");
        assert!(
            ended.stdout.lines().any(|line| line.starts_with("hint") && line.contains(hint)),
            "{hint}: {ended:?}"
        );
    }
    let proxy = ConnectProxy::start(Manners::Wants(CREDENTIAL, "Basic"));
    let wrong = with_password(&agent, "wrong");
    agent.configure(
        &[master.url()],
        &key,
        &format!("{IMPATIENT}\nproxy = \"http://{}\"\n{wrong}", proxy.place()),
    );
    let ended = agent.run(&["download"]).expect(HUMAN);
    assert!(ended.stdout.contains("does not accept the user and password (407)"), "{ended:?}");
    assert_eq!(agent.identity(), None);
}

#[test]
fn the_environment_is_obeyed_where_nothing_is_configured() {
    let master = Master::start();
    let proxy = ConnectProxy::start(Manners::Wants(CREDENTIAL, "Basic"));
    let url = format!("http://agent:s3cret:with%40all@{}", proxy.place());
    let mut agent = host(&master, "host", "");
    agent.set_env("HTTPS_PROXY", url);
    assert_no_password(&agent.run(&["download"]).expect(0));
    let first = proxy.asked().len();
    assert!(first > 0, "by way of the proxy");
    agent.set_env("no_proxy", "example.com, localhost");
    agent.run(&["renew"]).expect(0);
    assert_eq!(proxy.asked().len(), first, "exempt");
    agent.set_env("no_proxy", "");
    let key = agent.path().join("none");
    for exempt in ["proxy = \"none\"", "no_proxy = [\"localhost\"]"] {
        agent.configure(&[master.url()], &key, exempt);
        agent.run(&["renew"]).expect(0);
        assert_eq!(proxy.asked().len(), first, "{exempt}");
    }
    agent.configure(&[master.url()], &key, "");
    agent.run(&["renew"]).expect(0);
    assert!(proxy.asked().len() > first, "the proxy again");
    agent.set_env("HTTPS_PROXY", "socks5://agent:s3cret@localhost:1");
    let refused = agent.run(&["renew"]).expect(1);
    assert!(refused.stderr.contains("HTTPS_PROXY"), "{refused:?}");
    assert_no_password(&refused);
}

#[test]
fn a_proxy_may_be_spoken_to_over_tls() {
    let (master, ca, stranger) = (Master::start(), Ca::new(), Ca::new());
    let mut agent = host(&master, "host", "");
    let roots = agent.path().join("roots.pem");
    write(&roots, ca.anchors());
    agent.set_env("SSL_CERT_FILE", roots.to_str().expect("a path"));
    let key = master.api_key("key", &[]);
    for (ca, exit) in [(&stranger, HUMAN), (&ca, 0)] {
        let proxy = ConnectProxy::secured(ca.server("127.0.0.1", days(1, 1)));
        agent.configure(&[master.url()], &key, &format!("proxy = \"https://{}\"", proxy.place()));
        let ended = agent.run(&["download"]).expect(exit);
        assert_eq!(ended.stdout.contains("cannot be spoken to over TLS"), exit == HUMAN, "{ended:?}");
        assert_eq!(proxy.asked().is_empty(), exit == HUMAN);
    }
}
