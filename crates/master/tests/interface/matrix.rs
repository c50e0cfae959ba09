//! Every route with every role, generated from the interface's own document: a route that is not in it does not exist, one
//! that names nothing it needs is not overlooked but must be listed here.

use std::collections::BTreeMap;

use gatepass_contract::wire::admin::{CreatedApiKey, Page, RoleView};
use gatepass_contract::wire::path;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::support::Master;

/// Whoever comes may ask.
const OPEN: [(&str, &str); 8] = [
    ("get", path::TIME),
    ("get", path::TRUST),
    ("get", path::JWKS),
    ("post", path::SESSIONS),
    ("post", path::ENROLMENT_KEY),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
];

/// Whoever is signed in may ask, and is answered about what is their own.
const EVERYBODY: [(&str, &str); 9] = [
    ("get", path::CALLER),
    ("get", path::CAPABILITIES),
    ("delete", path::OWN_SESSION),
    ("get", path::APPROVALS),
    ("get", path::API_KEYS),
    ("get", path::API_KEY_SUMMARY),
    ("get", path::OWN_API_KEY),
    ("post", path::API_KEYS_DELETE),
    ("get", path::TOKENS),
];

/// Everybody's own; to see somebody else's takes the first, to do it the second, without which it is refused, or, for who
/// may not even see it, not there.
const OWN: [(&str, &str, &str, &str); 14] = [
    ("get", path::API_KEY, "key.read", "key.read"),
    ("get", path::API_KEY_USAGE, "key.read", "key.read"),
    ("patch", path::API_KEY, "key.read", "key.manage"),
    ("post", path::API_KEY_RENEW, "key.read", "key.manage"),
    ("post", path::API_KEY_ROTATE, "key.read", "key.manage"),
    ("post", path::API_KEY_SUSPEND, "key.read", "key.manage"),
    ("post", path::API_KEY_RESUME, "key.read", "key.manage"),
    ("post", path::API_KEY_REVOKE, "key.read", "key.manage"),
    ("delete", path::API_KEY, "key.read", "key.delete"),
    ("get", path::TOKEN, "token.read", "token.read"),
    ("patch", path::TOKEN, "token.read", "token.manage"),
    ("post", path::TOKEN_UNLOCK, "token.read", "token.unlock"),
    ("post", path::TOKEN_EXPIRE, "token.read", "token.manage"),
    ("delete", path::TOKEN, "token.read", "token.manage"),
];

/// What the document says of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Guard {
    /// Nothing.
    None,
    /// An agent must show that it is one.
    Agent,
    /// A person or a script must be signed in, and have this.
    User(Option<String>),
}

type Route = (String, String);

fn routes() -> BTreeMap<Route, Guard> {
    let document = serde_json::to_value(gatepass_master::http::document()).expect("a document");
    let mut routes = BTreeMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            routes.insert((method.clone(), path.clone()), guard(&operation["security"]));
        }
    }
    assert!(routes.len() > 50, "{}", routes.len());
    routes
}

fn guard(security: &Value) -> Guard {
    let ways = security.as_array().map_or(&[][..], Vec::as_slice);
    let of_users = ways.iter().filter_map(|way| way.get("api_key").or_else(|| way.get("api_token")));
    let needs: Vec<_> = of_users.map(|needs| needs.as_array().expect("a list").clone()).collect();
    let Some(first) = needs.first() else {
        return if ways.is_empty() { Guard::None } else { Guard::Agent };
    };
    assert!(needs.iter().all(|other| other == first), "every credential needs the same: {security}");
    assert!(first.len() <= 1, "one capability opens a route: {security}");
    Guard::User(first.first().map(|need| need.as_str().expect("text").to_owned()))
}

/// Somebody with one role.
struct Person {
    key: String,
    capabilities: Vec<String>,
}

impl Person {
    fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|held| held == capability)
    }
}

async fn people(master: &Master) -> BTreeMap<String, Person> {
    let roles: Page<RoleView> =
        master.as_admin(Method::GET, path::ROLES, "").await.json().await.expect("roles");
    let mut people = BTreeMap::new();
    for role in roles.items.into_iter().filter(|role| role.builtin) {
        let user = json!({ "name": format!("one-{}", role.name), "roles": [role.name] });
        let made = master.as_admin(Method::POST, path::USERS, &user.to_string()).await;
        assert_eq!(made.status(), 201, "{}", role.name);
        let key = json!({
            "kind": "personal", "name": format!("of {}", role.name), "owner": user["name"], "roles": [role.name],
        });
        let made = master.as_admin(Method::POST, path::API_KEYS, &key.to_string()).await;
        assert_eq!(made.status(), 201, "{}", role.name);
        let key: CreatedApiKey = made.json().await.expect("a key");
        let capabilities = role.capabilities.iter().map(ToString::to_string).collect();
        people.insert(role.name.to_string(), Person { key: key.secret.reveal().to_owned(), capabilities });
    }
    assert!(people.len() >= 7, "{:?}", people.keys());
    people
}

/// Calls a route so that nothing can come of it: there is no such thing, or not this version of it, or the body is empty.
async fn call(master: &Master, (method, path): (&str, &str), bearer: &str) -> Response {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
    let request = master
        .client()
        .request(method, format!("{}{path}", master.url))
        .header("content-type", "application/json")
        .header("if-match", "\"999999\"")
        .body("{}");
    let request = if bearer.is_empty() { request } else { request.bearer_auth(bearer) };
    request.send().await.expect("an answer")
}

async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// Of the form that the path wants, and of nothing that exists.
fn of_nothing(path: &str) -> String {
    let id = if path.starts_with(path::AGENTS) { "A".repeat(32) } else { "A".repeat(16) };
    path.replace("{id}", &id).replace("{name}", "nobody")
}

#[tokio::test]
async fn every_route_asks_every_role_for_what_it_says_it_needs() {
    let master = Master::start(|config| config.limits.failed_attempts = 100_000).await;
    let people = people(&master).await;
    let (_, agent) = master.enrolled("one").await;
    for ((method, path), guard) in routes() {
        let (route, at) = (format!("{method} {path}"), of_nothing(&path));
        let is = |list: &[(&str, &str)]| list.contains(&(method.as_str(), path.as_str()));
        let owned = OWN.iter().any(|(m, p, ..)| (*m, *p) == (method.as_str(), path.as_str()));
        match guard {
            Guard::None => assert!(is(&OPEN), "{route} needs nothing, and is not listed here as open"),
            Guard::Agent | Guard::User(_) => {
                assert!(!is(&OPEN), "{route} is listed here as open");
                for nobody in ["", "nonsense", "gpk_nonsense"] {
                    assert_eq!(call(&master, (&method, &at), nobody).await.status(), 401, "{route} {nobody}");
                }
            }
        }
        let Guard::User(need) = &guard else { continue };
        let foreign = outcome(call(&master, (&method, &at), &agent.token).await).await;
        assert_eq!(foreign.0, 401, "{route} with an agent's token: {foreign:?}");
        if need.is_none() {
            assert!(is(&EVERYBODY) || owned, "{route} needs no capability, and is not listed here as such");
        }
        for (role, person) in &people {
            let (status, code) = outcome(call(&master, (&method, &at), &person.key).await).await;
            let lacks = need.as_ref().is_some_and(|need| !person.has(need));
            assert_eq!(
                (status, code.as_str()) == (403, "capability-missing"),
                lacks,
                "{route} as {role}: {status} {code}"
            );
            assert!(status != 401 && status < 500, "{route} as {role}: {status} {code}");
        }
    }
}

#[tokio::test]
async fn what_is_somebody_elses_takes_the_right_to_everybodys() {
    let master = Master::start(|config| config.limits.failed_attempts = 100_000).await;
    let people = people(&master).await;
    let key = master.create_key(|_| ()).await.key.id.to_string();
    let token = json!({ "name": "theirs", "roles": ["administrator"] }).to_string();
    let token: Value =
        master.as_admin(Method::POST, path::TOKENS, &token).await.json().await.expect("a token");
    let token = token["token"]["id"].as_str().expect("an id");
    for (method, path, see, act) in OWN {
        let id = if path.starts_with(path::TOKENS) { token } else { &key };
        let at = path.replace("{id}", id);
        for (role, person) in &people {
            let (status, code) = outcome(call(&master, (method, &at), &person.key).await).await;
            let context = format!("{method} {path} as {role}: {status} {code}");
            if person.has(act) {
                // Which is the present version, or for a read: shown.
                assert_eq!(status, if method == "get" { 200 } else { 412 }, "{context}");
            } else if person.has(see) {
                assert_eq!(code, "capability-missing", "{context}");
            } else {
                assert_eq!(code, "not-found", "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_in_the_document_is_not_there() {
    let master = Master::start(|_| ()).await;
    let routes = routes();
    let paths: std::collections::BTreeSet<_> = routes.keys().map(|(_, path)| path.clone()).collect();
    for path in paths {
        for method in ["get", "post", "put", "patch", "delete"] {
            if routes.contains_key(&(method.to_owned(), path.clone())) {
                continue;
            }
            let answer = call(&master, (method, &of_nothing(&path)), &master.admin.reveal()).await;
            assert_eq!(answer.status(), 405, "{method} {path}");
        }
    }
}
