//! The life of API keys and agents under `gatepassctl`: whom a key lets in, and what strangers learn about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_contract::id::KeyId;
use gatepass_contract::secret::{ApiKey, Secret};
use gatepass_contract::wire::path;
use serde_json::Value;

use crate::support::{Agent, Answer, Caller, Master, eventually, key_pair};

const SOON: Duration = Duration::from_secs(20);

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a key").trim().to_owned()
}

fn shown(master: &Master, name: &str) -> Value {
    master.ctl(&["key", "show", name, "--json"]).expect(0).json()
}

/// What an enrolment with that key comes to.
fn enrol(caller: &Caller, key: &str) -> Answer {
    caller.enrol(key, &key_pair().csr())
}

#[test]
fn keys_are_created_shown_and_ended() {
    let master = Master::start();
    let created = master.ctl(&[
        "key",
        "create",
        "ci",
        "--kind",
        "service",
        "--group",
        "build,deploy",
        "--capability",
        "agent.enrol",
        "--expires",
        "90d",
        "--network",
        "127.0.0.0/8,::1/128",
        "--uses",
        "5",
        "--description",
        "for the pipeline",
    ]);
    let secret = created.expect(0).stdout;
    assert!(ApiKey::parse(&secret).is_ok() && secret.lines().count() == 1, "the secret alone is the answer");
    let key = shown(&master, "ci");
    assert_eq!(key["groups"], serde_json::json!(["build", "deploy"]));
    assert_eq!((&key["owner"], &key["kind"]), (&"administrator".into(), &"service".into()));
    assert_eq!((&key["uses"], &key["used"], &key["lastUsed"]), (&5.into(), &0.into(), &Value::Null));
    assert_eq!((&key["state"], &key["standing"]), (&"active".into(), &"valid".into()));
    let id = key["id"].as_str().expect("an id");
    for (command, state) in [("suspend", "suspended"), ("resume", "active")] {
        let said = master.ctl(&["key", command, "ci"]).expect(0).stdout;
        assert_eq!(said, format!("key ci ({id}) is {state}\n"));
        assert_eq!(shown(&master, &id[..6])["state"], state, "the beginning of an id is enough");
    }
    assert_eq!(master.ctl(&["key", "revoke", "ci", "--yes", "--json"]).expect(0).json()["state"], "revoked");
    let table = master.ctl(&["key", "list"]).expect(0).stdout;
    let row = table.lines().find(|line| line.starts_with("ci ")).expect("it is still listed");
    assert!(
        table.starts_with("NAME ") && row.contains(id) && row.contains("revoked") && row.contains("0 of 5"),
        "{table}"
    );
    let page = master.ctl(&["key", "show", id]).expect(0).stdout;
    assert!(page.contains("for the pipeline") && page.contains("127.0.0.0/8, ::1\n"), "{page}");
}

#[test]
fn what_cannot_be_is_refused_with_the_right_exit_code() {
    let master = Master::start();
    let create = |more: &[&str]| master.ctl(&[&["key", "create"], more].concat());
    let personal = ["me", "--kind", "personal", "--capability", "agent.read"];
    create(&personal).expect(0);
    for (args, code, said) in [
        (personal.as_slice(), 1, "name-taken"),
        (&["x", "--kind", "service", "--capability", "agent.enrol"], 2, "--group"),
        (
            &["x", "--kind", "personal", "--capability", "agent.enrol", "--expires", "never"],
            1,
            "unacceptable",
        ),
        (
            &["x", "--kind", "personal", "--capability", "agent.enrol", "--expires", "2001-01-01T00:00:00Z"],
            1,
            "unacceptable",
        ),
    ] {
        let refused = create(args).expect(code);
        assert!(refused.stderr.contains(said) && refused.stdout.is_empty(), "{refused:?}");
    }
    // The check is the master's, not only the tool's.
    let body = serde_json::json!({ "kind": "service", "name": "x", "capabilities": ["agent.enrol"] });
    let admin = text(&master.dir().join("admin.key"));
    let refused = Caller::of(&master).post(path::API_KEYS, &admin, &body);
    assert_eq!(
        (refused.code(), refused.problem().detail.as_str()),
        ("unacceptable", "a service key needs at least one group")
    );
    for (args, code, said) in [
        (["key", "show", "nobody"].as_slice(), 1, "there is no key `nobody`"),
        (&["key", "resume", "me"], 1, "illegal-move"),
        (&["key", "revoke", "me"], 2, "--yes"),
        (&["agent", "show", "nobody"], 1, "there is no agent `nobody`"),
        (&["agent", "revoke", "00000000000000000000000000000000", "--yes"], 1, "not-found"),
        (&["key", "revoke", "AAAAAAAAAAAAAAAA", "--yes"], 1, "not-found"),
    ] {
        let refused = master.ctl(args).expect(code);
        assert!(refused.stderr.contains(said) && refused.stdout.is_empty(), "{args:?}: {refused:?}");
    }
    master.ctl(&["key", "revoke", "me", "--yes"]).expect(0);
    for again in ["suspend", "resume", "revoke"] {
        let mut args = vec!["key", again, "me"];
        args.extend((again == "revoke").then_some("--yes"));
        assert!(master.ctl(&args).expect(1).stderr.contains("illegal-move"), "revoked stays revoked");
    }
}

#[test]
fn nobody_gives_away_what_they_do_not_have() {
    let master = Master::start();
    let junior = master.path("junior.key");
    let out = junior.to_str().expect("a path of ours");
    let may = "key.create,agent.read";
    master
        .ctl(&["key", "create", "junior", "--kind", "personal", "--capability", may, "--out", out])
        .expect(0);
    let with = |args: &[&str]| master.ctl_with(&junior, args);
    let create = |name: &str, capability: &str| {
        with(&["key", "create", name, "--kind", "personal", "--capability", capability])
    };
    create("reader", "agent.read").expect(0);
    for beyond in ["key.manage", "agent.read,agent.enrol"] {
        let refused = create("more", beyond).expect(4);
        assert!(refused.stderr.contains("capability-missing"), "{}", refused.stderr);
    }
    with(&["agent", "list"]).expect(0);
    assert!(with(&["audit", "list"]).expect(4).stderr.contains("capability-missing"));
    assert!(with(&["key", "suspend", "AAAAAAAAAAAAAAAA"]).expect(1).stderr.contains("not-found"));
    let refused = enrol(&Caller::of(&master), &text(&junior));
    assert_eq!((refused.status, refused.code()), (403, "capability-missing"));
    assert_eq!(shown(&master, "reader")["owner"], "administrator", "it acts for whom its creator acts");
}

/// The same key with another secret; and one that never was.
fn strangers(key: &str) -> [String; 2] {
    let key = ApiKey::parse(key).expect("a key");
    let with = |id| ApiKey::new(id, Secret::new([7; 32]), key.pin()).reveal().to_string();
    [with(key.id()), with(KeyId([9; 10]))]
}

#[test]
fn a_holder_is_told_why_and_a_stranger_is_not() {
    let master = Master::start();
    let caller = Caller::of(&master);
    let key = |name: &str, more: &[&str]| text(&master.api_key(name, more));
    let (suspended, revoked) = (key("suspended", &[]), key("revoked", &[]));
    let elsewhere = key("elsewhere", &["--network", "192.0.2.0/24"]);
    let used_up = key("used-up", &["--uses", "1"]);
    let expired = key("expired", &["--expires", "1s"]);
    master.ctl(&["key", "suspend", "suspended"]).expect(0);
    master.ctl(&["key", "revoke", "revoked", "--yes"]).expect(0);
    enrol(&caller, &used_up).issued();
    eventually("a second is over", SOON, || shown(&master, "expired")["standing"] == "expired");
    let refused = enrol(&caller, &revoked);
    assert_eq!((refused.status, refused.code()), (401, "api-key-refused"));
    let vague = refused.without_request_id();
    for (key, want) in [
        (&suspended, "api-key-suspended"),
        (&expired, "api-key-expired"),
        (&used_up, "api-key-used-up"),
        (&elsewhere, "network-not-allowed"),
        (&revoked, "api-key-refused"),
    ] {
        let refused = enrol(&caller, key);
        assert_eq!(refused.code(), want);
        assert!(refused.code() == "api-key-refused" || refused.status == 403, "{refused:?}");
        for stranger in strangers(key) {
            assert_eq!(enrol(&caller, &stranger).without_request_id(), vague, "{want}");
        }
    }
    let agents = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1), "nobody else was let in");
    let id = enrol(&caller, &revoked).request_id();
    assert!(master.log().lines().any(|line| line.contains(&id) && line.contains("the API key is revoked")));
    master.ctl(&["key", "resume", "suspended"]).expect(0);
    enrol(&caller, &suspended).issued();
}

#[test]
fn the_agent_says_what_happened_and_what_to_do() {
    let master = Master::start();
    let key = master.api_key("hosts", &[]);
    master.ctl(&["key", "suspend", "hosts"]).expect(0);
    let agent = Agent::new(&[master.url()], &key);
    let refused = agent.run(&["download"]).expect(4);
    assert!(refused.stdout.contains("suspended"), "{refused:?}");
    assert!(refused.stdout.contains("ask an administrator to resume the key"), "{refused:?}");
    master.ctl(&["key", "resume", "hosts"]).expect(0);
    agent.run(&["download"]).expect(0);
}

#[test]
fn a_retry_after_a_lost_answer_uses_nothing_up() {
    let master = Master::start();
    let caller = Caller::of(&master);
    let (key, other) = (text(&master.api_key("once", &["--uses", "1"])), text(&master.api_key("other", &[])));
    let pair = key_pair();
    let first = caller.enrol(&key, &pair.csr()).issued();
    let again = caller.enrol(&key, &pair.csr()).issued();
    assert_eq!((first.agent, first.generation, &first.chain), (again.agent, again.generation, &again.chain));
    assert_ne!(first.token, again.token, "a fresh one");
    assert_eq!(shown(&master, "once")["used"], 1);
    assert_eq!(enrol(&caller, &key).code(), "api-key-used-up");
    assert_eq!(caller.enrol(&other, &pair.csr()).code(), "key-in-use", "the public key is somebody's");
    let next = key_pair();
    let renewed = caller.renew(first.agent, (1, &pair), &next).issued();
    let again = caller.renew(first.agent, (1, &pair), &next).issued();
    assert_eq!((renewed.generation, &renewed.chain), (2, &again.chain));
    assert_eq!(caller.renew(first.agent, (2, &next), &next).issued().generation, 2);
    assert_eq!(caller.renew(first.agent, (1, &pair), &next).code(), "key-superseded");
}

#[test]
fn a_revoked_agent_is_refused_at_its_next_call_and_keeps_what_it_holds() {
    let master = Master::start();
    let key = master.api_key("hosts", &[]);
    let agent = Agent::new(&[master.url()], &key);
    agent.run(&["download"]).expect(0);
    let held = agent.identity().expect("an identity");
    let id = held.chain().agent().expect("an agent").to_string();
    assert_eq!(
        master.ctl(&["agent", "show", "test-host"]).expect(0).stdout.lines().next(),
        Some("name              test-host")
    );
    let table = master.ctl(&["agent", "list"]).expect(0).stdout;
    assert!(table.lines().any(|line| line.starts_with("test-host ") && line.contains(&id[..8])), "{table}");
    master.ctl(&["agent", "revoke", &id[..8]]).expect(2);
    let said = master.ctl(&["agent", "revoke", &id[..8], "--yes"]).expect(0).stdout;
    assert_eq!(said, format!("agent test-host ({id}) is revoked\n"));
    let refused = agent.run(&["renew"]).expect(4);
    assert!(refused.stdout.contains("revoked"), "{refused:?}");
    assert_eq!(agent.identity(), Some(held));
    assert_eq!(agent.status()["verdict"], "needs-human");
    let token = agent.identity().expect("still there").token;
    assert_eq!(Caller::of(&master).get(path::SELF, token.trim()).code(), "agent-revoked");
    agent.run(&["check"]).expect(4);
    assert!(master.ctl(&["agent", "revoke", &id, "--yes"]).expect(1).stderr.contains("illegal-move"));
}

#[test]
fn a_revoked_key_does_not_end_the_agents_it_enrolled() {
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    agent.run(&["download"]).expect(0);
    master.ctl(&["key", "revoke", "hosts", "--yes"]).expect(0);
    let first = agent.identity();
    agent.run(&["renew"]).expect(0);
    assert_ne!(agent.identity(), first);
}

#[test]
fn a_personal_key_enrols_and_its_last_use_is_shown() {
    let master = Master::start();
    let file = master.path("mine.key");
    let out = file.to_str().expect("a path of ours");
    let create = ["key", "create", "mine", "--kind", "personal", "--capability", "agent.enrol", "--out", out];
    master.ctl(&create).expect(0);
    let agent = Agent::new(&[master.url()], &file);
    agent.run(&["download"]).expect(0);
    let id = agent.identity().expect("an identity").chain().agent().expect("an agent").to_string();
    let key = shown(&master, "mine");
    assert_eq!((&key["used"], &key["lastUsed"]["agent"]), (&1.into(), &id.as_str().into()));
    assert_eq!(key["lastUsed"]["from"], "127.0.0.1");
    let page = master.ctl(&["key", "show", "mine"]).expect(0).stdout;
    assert!(page.contains(&format!("from 127.0.0.1 by agent {id}")), "{page}");
    eventually("the administrator's own use is noted", SOON, || {
        shown(&master, "administrator")["lastUsed"].is_object()
    });
}

/// What lies in a key between its id and its pin, as bytes.
fn secret_bytes(key: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = [0_u8; 79];
    for digit in key.trim_start_matches("gpk_").bytes() {
        let mut carry = ALPHABET.iter().position(|&known| known == digit).expect("a digit");
        for byte in number.iter_mut().rev() {
            let value = usize::from(*byte) * 62 + carry;
            (*byte, carry) = (u8::try_from(value % 256).expect("below 256"), value / 256);
        }
    }
    number[11..43].to_vec()
}

/// Everything a master keeps but the file that is meant for the administrator.
fn kept(master: &Master) -> Vec<(PathBuf, Vec<u8>)> {
    let inside = std::fs::read_dir(master.dir()).expect("a directory");
    let files =
        inside.map(|entry| entry.expect("an entry").path()).filter(|path| !path.ends_with("admin.key"));
    let mut all: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect();
    all.push(("log".into(), master.log().into_bytes()));
    all
}

fn holds(content: &[u8], what: &[u8]) -> bool {
    content.windows(what.len()).any(|part| part == what)
}

#[test]
fn secrets_are_shown_once_and_kept_nowhere() {
    let master = Master::start();
    let host = text(&master.api_key("hosts", &[]));
    let admin = text(&master.dir().join("admin.key"));
    let caller = Caller::of(&master);
    enrol(&caller, &host).issued();
    enrol(&caller, &strangers(&host)[0]).problem();
    for args in [
        ["key", "list"].as_slice(),
        &["key", "show", "hosts"],
        &["key", "list", "--json"],
        &["key", "show", "hosts", "--json"],
    ] {
        let said = master.ctl(args).expect(0);
        assert!(!said.stdout.contains("gpk_") && !said.stderr.contains("gpk_"), "{said:?}");
    }
    let digest = ApiKey::parse(&host).expect("a key").secret().digest();
    let kept = kept(&master);
    assert!(kept.iter().any(|(_, content)| holds(content, &digest.0)), "the search finds what is there");
    for key in [&host, &admin] {
        let secret = secret_bytes(key);
        assert_eq!(
            ApiKey::parse(key).expect("a key").secret().digest(),
            gatepass_contract::digest::Sha256::of(&secret)
        );
        let hex = data_encoding::HEXLOWER.encode(&secret);
        let base64 = data_encoding::BASE64.encode(&secret);
        for what in
            [key.as_bytes(), &secret, hex.as_bytes(), hex.to_uppercase().as_bytes(), base64.as_bytes()]
        {
            let found = kept.iter().find(|(_, content)| holds(content, what));
            assert!(found.is_none(), "in {:?}", found.map(|(path, _)| path));
        }
    }
}
