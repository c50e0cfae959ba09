//! The interface of a real master over real TLS, call by call and refusal by refusal.

mod matrix;
mod support;

use std::time::Duration;

use gatepass_contract::audit::{Head, Record, verify};
use gatepass_contract::id::KeyId;
use gatepass_contract::pki::Chain;
use gatepass_contract::secret::{ApiKey, Secret};
use gatepass_contract::token::Claims;
use gatepass_contract::wire::admin::{AgentView, ApiKeyView, Capability, ClockStanding, Page};
use gatepass_contract::wire::agent::{Directive, Issued, OwnKey, ReportReply, ReportRequest, TimeReply};
use gatepass_contract::wire::{MAX_REQUEST_BYTES, path};
use gatepass_master::clock;
use gatepass_master::store::{Database, Store};
use reqwest::Method;
use support::{Host, Master, clock_report, code, key_request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn an_agent_lives_from_enrolment_to_deregistration() {
    let master = Master::start(|config| config.profile.host_names = vec!["*.example.com".to_owned()]).await;
    let (host, first) = master.enrolled("life").await;
    let chain = Chain::from_pem(&first.chain).expect("a chain");
    chain.verify(&master.anchors, clock::now()).expect("it leads to the root");
    assert_eq!((chain.agent(), first.generation), (Some(first.agent), 1));
    let claims = Claims::open(&first.token, &first.jwks).expect("it verifies with the published keys");
    assert_eq!((claims.sub, claims.groups.len(), claims.iat - claims.nbf), (first.agent, 1, 1));
    assert!(clock::now() < first.renew_at && first.renew_at <= first.rekey_at);

    // The same key: the same generation. A new key: the next one, and once that was used the old one is dead.
    let again: Issued = renewed(&master, &host, &host, &first).await;
    assert_eq!((again.generation, &again.chain), (1, &first.chain));
    let next = Host::new();
    let second: Issued = renewed(&master, &host, &next, &first).await;
    assert_eq!(second.generation, 2);
    let lost: Issued = renewed(&master, &host, &next, &first).await;
    assert_eq!((lost.generation, &lost.chain), (2, &second.chain));
    let seen: AgentView =
        master.proven(&next, first.agent, Method::GET, path::SELF, "").await.json().await.expect("a view");
    assert_eq!((seen.generation, seen.confirmed, seen.clock_standing), (2, 2, ClockStanding::Critical));
    let old = master.proven(&host, first.agent, Method::POST, path::CREDENTIALS, &host.renew_request()).await;
    assert_eq!(code(old).await, "key-superseded");

    let by_token = master.call(Method::GET, path::SELF, &second.token, "").await;
    assert_eq!(by_token.json::<AgentView>().await.expect("a view").id, first.agent);
    let shown = Chain::from_pem(&second.chain).expect("a chain").certificates().to_vec();
    let by_certificate =
        master.client_with(&next, shown).get(format!("{}{}", master.url, path::SELF)).send().await;
    let by_certificate = by_certificate.expect("an answer").json::<AgentView>().await.expect("a view");
    assert_eq!(by_certificate.id, first.agent);

    assert_eq!(reported(&master, &next, &second).await.directives, [Directive::Renew]);
    let gone = master.proven(&next, first.agent, Method::DELETE, path::SELF, "").await;
    assert_eq!(gone.status(), 204);
    let after = master.proven(&next, first.agent, Method::GET, path::SELF, "").await;
    assert_eq!(code(after).await, "proof-refused");
    master.end().await.expect("a clean end");
}

async fn renewed(master: &Master, by: &Host, with: &Host, held: &Issued) -> Issued {
    let body = with.renew_request();
    let answer = master.proven(by, held.agent, Method::POST, path::CREDENTIALS, &body).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.expect("an identity")
}

/// With a digest of anchors that is not the master's.
async fn reported(master: &Master, host: &Host, held: &Issued) -> ReportReply {
    let validity = Chain::from_pem(&held.chain).expect("a chain").validity();
    let report = ReportRequest {
        clock: clock_report(),
        generation: held.generation,
        certificate: validity,
        token: validity,
        anchors: gatepass_contract::digest::Sha256::of(b"others"),
        hooks: Vec::new(),
    };
    let body = serde_json::to_string(&report).expect("JSON");
    let answer = master.proven(host, held.agent, Method::POST, path::REPORTS, &body).await;
    answer.json().await.expect("a reply")
}

#[tokio::test]
async fn unknown_wrong_and_revoked_keys_are_answered_alike() {
    let master = Master::start(|_| ()).await;
    let revoked = master.create_key(|_| ()).await;
    let path = format!("{}/{}/revoke", path::API_KEYS, revoked.key.id);
    assert_eq!(master.as_admin(Method::POST, &path, "").await.status(), 200);
    let other = |id| ApiKey::new(id, Secret::new([7; 32]), master.admin.pin()).reveal();
    let (wrong, unknown) = (other(revoked.key.id), other(KeyId([9; 10])));
    let mut seen = Vec::new();
    for key in [revoked.secret.reveal(), &wrong, &unknown, "gpk_nonsense"] {
        let answer = master.enrol(key, &Host::new()).await;
        let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        let headers: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
        let (status, body) = (answer.status(), answer.text().await.expect("a body"));
        seen.push((status, headers, body.replace(&id, "")));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    assert!(seen[0].2.contains("api-key-refused"));
}

#[tokio::test]
async fn every_refusal_of_a_key_has_its_code_and_is_in_the_audit() {
    let master = Master::start(|_| ()).await;
    let (host, _) = master.enrolled("one").await;
    let key =
        master.create_key(|key| (key.name, key.uses) = ("once".parse().expect("a name"), Some(1))).await;
    let once = key.secret.reveal();
    assert_eq!(master.enrol(once, &Host::new()).await.status(), 200);
    let elsewhere = master
        .create_key(|key| {
            key.name = "elsewhere".parse().expect("a name");
            key.networks = vec!["192.0.2.0/24".parse().expect("a network")];
        })
        .await;
    let paused = master.create_key(|key| key.name = "paused".parse().expect("a name")).await;
    let suspend = format!("{}/{}/suspend", path::API_KEYS, paused.key.id);
    let suspended = master.as_admin(Method::POST, &suspend, "").await;
    assert_eq!(suspended.json::<ApiKeyView>().await.expect("a key").state.as_str(), "suspended");

    for (key, want) in [
        (once, "api-key-used-up"),
        (elsewhere.secret.reveal(), "network-not-allowed"),
        (paused.secret.reveal(), "api-key-suspended"),
        ("", "unauthenticated"),
        ("not.a.key", "unauthenticated"),
    ] {
        let body = Host::new().enrol_request();
        assert_eq!(code(master.call(Method::POST, path::AGENTS, key, &body).await).await, want);
    }
    let admin = master.admin.reveal();
    let oversize = "x".repeat(MAX_REQUEST_BYTES + 1);
    let service_without_group = key_request(|key| key.groups.clear());
    let bad_csr = host.enrol_request().replace("BEGIN CERTIFICATE REQUEST", "BEGIN NONSENSE");
    for (method, path, bearer, body, want) in [
        (Method::GET, "/nowhere", "", "", "not-found"),
        (Method::GET, "/api/v1/apikeys/nonsense", &*admin, "", "not-found"),
        (Method::PATCH, path::TIME, "", "", "method-not-allowed"),
        (Method::POST, path::AGENTS, &admin, &oversize, "body-too-large"),
        (Method::POST, path::AGENTS, &admin, "{\"csr\":", "bad-request"),
        (Method::POST, path::AGENTS, &admin, "\u{1}\u{2}", "bad-request"),
        (Method::POST, path::AGENTS, &admin, &bad_csr, "csr-refused"),
        (Method::POST, path::AGENTS, &admin, &host.enrol_request(), "key-in-use"),
        (Method::POST, path::API_KEYS, &admin, &service_without_group, "unacceptable"),
        (
            Method::POST,
            path::API_KEYS,
            &admin,
            &key_request(|key| key.name = "once".parse().expect("a name")),
            "name-taken",
        ),
        (Method::POST, &suspend, &admin, "", "illegal-move"),
        (Method::GET, "/api/v1/apikeys?limit=0", &admin, "", "bad-request"),
        (Method::GET, "/api/v1/apikeys?page=2", &admin, "", "bad-request"),
        (Method::GET, path::API_KEYS, elsewhere.secret.reveal(), "", "network-not-allowed"),
    ] {
        assert_eq!(code(master.call(method, path, bearer, body).await).await, want, "{path} {body:.40}");
    }
    let weak = master.create_key(|key| key.name = "weak".parse().expect("a name")).await;
    assert_eq!(
        code(master.call(Method::GET, path::AGENTS, weak.secret.reveal(), "").await).await,
        "capability-missing"
    );
    let exceeding = master.create_key(|key| {
        key.name = "creator".parse().expect("a name");
        key.capabilities = vec![Capability::KeyCreate];
    });
    let exceeding = exceeding.await;
    let body = key_request(|key| key.name = "more".parse().expect("a name"));
    assert_eq!(
        code(master.call(Method::POST, path::API_KEYS, exceeding.secret.reveal(), &body).await).await,
        "capability-missing"
    );

    let plain = master.client().post(format!("{}{}", master.url, path::AGENTS)).bearer_auth(admin.as_str());
    assert_eq!(code(plain.body("{}").send().await.expect("an answer")).await, "unsupported-media-type");

    let log = audit(&master).await;
    for outcome in ["api-key-used-up", "network-not-allowed", "key-in-use", "name-taken", "csr-refused"] {
        assert!(log.iter().any(|record| record.outcome == outcome), "{outcome} is in the audit");
    }
}

#[tokio::test]
async fn a_key_is_told_how_it_stands_and_that_changes_nothing() {
    let master = Master::start(|_| ()).await;
    let ask = async |key: &str| master.call(Method::GET, path::OWN_API_KEY, key, "").await;
    let own = async |key: &str| {
        let answer = ask(key).await;
        let request = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        (answer.json::<OwnKey>().await.expect("a key"), request)
    };
    let made =
        master.create_key(|key| (key.name, key.uses) = ("own".parse().expect("a name"), Some(2))).await;
    let (key, id) = (made.secret.reveal(), made.key.id);
    let (seen, _) = own(key).await;
    assert_eq!((seen.id, seen.uses_left, seen.refusal), (id, Some(2), None));
    assert!(seen.from.is_loopback());
    assert_eq!(master.enrol(key, &Host::new()).await.status(), 200);
    assert_eq!(own(key).await.0.uses_left, Some(1));
    let show = format!("{}/{id}", path::API_KEYS);
    let shown =
        async || master.as_admin(Method::GET, &show, "").await.json::<ApiKeyView>().await.expect("a key");
    let before = shown().await;
    for _ in 0..3 {
        own(key).await;
    }
    assert_eq!(shown().await, before, "looking is no use");

    assert_eq!(master.enrol(key, &Host::new()).await.status(), 200);
    let away = master
        .create_key(|key| {
            key.name = "away".parse().expect("a name");
            key.networks = vec!["192.0.2.0/24".parse().expect("a network")];
        })
        .await;
    let reads = master
        .create_key(|key| {
            key.name = "reads".parse().expect("a name");
            key.capabilities = vec![Capability::AgentRead];
        })
        .await;
    let paused = master.create_key(|key| key.name = "paused".parse().expect("a name")).await;
    let suspend = format!("{}/{}/suspend", path::API_KEYS, paused.key.id);
    assert_eq!(master.as_admin(Method::POST, &suspend, "").await.status(), 200);
    for (key, want) in [
        (key, "api-key-used-up"),
        (away.secret.reveal(), "network-not-allowed"),
        (reads.secret.reveal(), "capability-missing"),
        (paused.secret.reveal(), "api-key-suspended"),
    ] {
        let (seen, request) = own(key).await;
        let refusal = seen.refusal.expect("it would be refused");
        assert_eq!((refusal.code.as_str(), refusal.request_id.to_string()), (want, request.clone()));
        let query = format!("{}?request={request}", path::AUDIT);
        let told: Page<Record> =
            master.as_admin(Method::GET, &query, "").await.json().await.expect("records");
        assert_eq!(told.items.len(), 1, "the administrator finds it by its request");
        assert_eq!((told.items[0].action.as_str(), told.items[0].outcome.as_str()), ("read", want));
    }
    let revoke = format!("{}/{}/revoke", path::API_KEYS, paused.key.id);
    assert_eq!(master.as_admin(Method::POST, &revoke, "").await.status(), 200);
    assert_eq!(code(ask(paused.secret.reveal()).await).await, "api-key-refused", "not even its holder");
    assert_eq!(code(ask("gpk_nonsense").await).await, "api-key-refused");
}

#[tokio::test]
async fn every_refusal_of_a_proof_has_its_code_and_is_in_the_audit() {
    let master = Master::start(|_| ()).await;
    let (host, held) = master.enrolled("one").await;
    let (other, _) = master.enrolled("two").await;
    let stale = host.proof(held.agent, "GET", path::SELF, "", clock::now() - Duration::from_hours(1));
    let foreign = other.proof(held.agent, "GET", path::SELF, "", clock::now());
    let elsewhere = host.proof(held.agent, "GET", path::TIME, "", clock::now());
    let mut forged = host.proof(held.agent, "GET", path::SELF, "", clock::now());
    let last = if forged.ends_with('A') { "B" } else { "A" };
    forged.replace_range(forged.len() - 10..forged.len() - 9, last);
    let unknown = Host::new().proof(held.agent, "GET", path::SELF, "", clock::now());
    for (proof, want) in [
        (stale, "proof-time"),
        (foreign, "proof-refused"),
        (elsewhere, "proof-refused"),
        (forged, "proof-refused"),
        (unknown, "proof-refused"),
        (format!("{}x", held.token), "unauthenticated"),
    ] {
        assert_eq!(code(master.call(Method::GET, path::SELF, &proof, "").await).await, want);
    }
    let taken =
        master.proven(&host, held.agent, Method::POST, path::CREDENTIALS, &other.renew_request()).await;
    assert_eq!(code(taken).await, "key-in-use");
    let revoke = format!("{}/{}/revoke", path::AGENTS, held.agent);
    assert_eq!(master.as_admin(Method::POST, &revoke, "").await.status(), 200);
    let cut_off = master.proven(&host, held.agent, Method::GET, path::SELF, "").await;
    assert_eq!(code(cut_off).await, "agent-revoked");
    let log = audit(&master).await;
    for outcome in ["proof-time", "proof-refused", "unauthenticated", "key-in-use", "agent-revoked"] {
        assert!(log.iter().any(|record| record.outcome == outcome), "{outcome} is in the audit");
    }
}

/// The records, once the chain was checked.
async fn audit(master: &Master) -> Vec<Record> {
    let store = Store::open(&Database::File(master.database())).expect("a second look");
    let records = store.audit_records(0, 10_000).await.expect("records");
    verify(Head::EMPTY, records.clone()).expect("the chain holds");
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_use_key_admits_one_of_many_at_once() {
    let master = std::sync::Arc::new(Master::start(|_| ()).await);
    let key = master.create_key(|key| key.uses = Some(1)).await.secret.reveal().to_owned();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (master, key) = (master.clone(), key.clone());
        tries.spawn(async move { master.enrol(&key, &Host::new()).await.status().as_u16() });
    }
    let answers = tries.join_all().await;
    assert_eq!(answers.iter().filter(|&&status| status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 403].contains(status)));
    let agents: Page<AgentView> =
        master.as_admin(Method::GET, path::AGENTS, "").await.json().await.expect("a page");
    assert_eq!(agents.items.len(), 1);
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let quick = "200ms".parse().expect("a span");
    let master = Master::start(|config| {
        (config.limits.header_timeout, config.limits.body_timeout) = (quick, quick);
    })
    .await;
    let mut slow_head = master.raw().await;
    slow_head.write_all(b"GET /livez HTTP/1.1\r\nHost: ").await.expect("sent");
    let mut rest = Vec::new();
    let _closed = slow_head.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    let mut slow_body = master.raw().await;
    let head = b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12";
    slow_body.write_all(head).await.expect("sent");
    let answer = read_all(&mut slow_body).await;
    assert!(answer.contains("request-timeout") && answer.contains("x-request-id"), "{answer}");
}

async fn read_all(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // The other side may end without a TLS goodbye; what it said counts.
    let _ended = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn plain_http_is_told_to_speak_tls() {
    let master = Master::start(|_| ()).await;
    let mut plain = tokio::net::TcpStream::connect(("127.0.0.1", master.port)).await.expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    let answer = read_all(&mut plain).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn an_accepted_request_is_answered_before_the_end() {
    let master = Master::start(|_| ()).await;
    let mut open = master.raw().await;
    let head = b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    open.write_all(head).await.expect("sent");
    let mut go_on = [0; 25];
    open.read_exact(&mut go_on).await.expect("the handler waits for the body");
    let port = master.port;
    let ended = master.end();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    open.write_all(b"{}").await.expect("sent");
    let answer = read_all(&mut open).await;
    assert!(answer.contains("401") && answer.contains("connection: close"), "{answer}");
    ended.await.expect("a clean end");
}

#[tokio::test]
async fn whom_to_trust_and_what_time_it_is_needs_no_credential() {
    let master = Master::start(|_| ()).await;
    let get = |path: &str| master.client().get(format!("{}{path}", master.url));
    let trust = get(path::TRUST).send().await.expect("an answer");
    let tag = trust.headers()["etag"].clone();
    assert_eq!(trust.text().await.expect("PEM"), master.anchors.to_pem());
    let same = get(path::TRUST).header("if-none-match", tag).send().await.expect("an answer");
    assert_eq!(same.status(), 304);
    let time: TimeReply = get(path::TIME).send().await.expect("an answer").json().await.expect("instants");
    assert!(time.received <= time.sent);
    for path in ["/livez", "/readyz", "/metrics", path::JWKS] {
        assert_eq!(get(path).send().await.expect("an answer").status(), 200, "{path}");
    }
}
