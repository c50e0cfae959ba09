//! What agents ask: the time, whom to trust, an identity, its renewal.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatepass_contract::id::AgentId;
use gatepass_contract::pki::{Csr, PkiError, PublicKey};
use gatepass_contract::time::UnixTime;
use gatepass_contract::token;
use gatepass_contract::wire::admin::{AgentView, ClockStanding};
use gatepass_contract::wire::agent::{
    ClockReport, Directive, EnrolRequest, Facts, Issued, RenewRequest, ReportReply, ReportRequest, TimeReply,
};
use gatepass_contract::wire::{Code, path};
use tracing::warn;

use super::App;
use super::call::Call;
use super::caller;
use super::failure::Failure;
use super::openapi::{AGENTS, Problems};
use crate::admission::{Pass, Urgency};
use crate::clock::{self, Stopwatch};
use crate::domain::agent::{
    AgentRecord, Enrolment, NewCertificate, Renewal, RenewalCall, enrolment, renewal,
};
use crate::domain::apikey::KeyHolder;
use crate::domain::audit::{Action, Actor, Subject};
use crate::faults;
use crate::metrics::Issuance;
use crate::random;
use crate::store::{EnrolOrder, Enrolled, Holding, Moved, RenewOrder, Renewed, Report};

/// Two instants of the master's clock: when the request came in, when the answer left
#[utoipa::path(get, path = path::TIME, tag = AGENTS, responses((status = 200, body = TimeReply), Problems))]
pub(super) async fn time(call: Call) -> Json<TimeReply> {
    Json(TimeReply { received: call.arrival.at, sent: clock::now() })
}

/// The trust anchors, PEM
#[utoipa::path(
    get,
    path = path::TRUST,
    tag = AGENTS,
    responses(
        (status = 200, body = String, content_type = "application/pem-certificate-chain",
            headers(("etag" = String, description = "Digest of the anchors"))),
        (status = 304, description = "If-None-Match names the present ones"),
        Problems
    )
)]
pub(super) async fn trust(State(app): State<App>, headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", app.anchors.digest);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = "application/pem-certificate-chain".to_owned();
    ([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], app.anchors.pem.clone()).into_response()
}

/// The public keys that agents' tokens verify with (RFC 7517)
#[utoipa::path(
    get,
    path = path::JWKS,
    tag = AGENTS,
    responses((status = 200, description = "A JWK set", body = Object), Problems)
)]
pub(super) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(app.jwks.clone()))
}

/// Enrol: an API key and a public key in, an identity out
///
/// Sent again with the same key pair and API key, it answers with the same identity and uses nothing up.
#[utoipa::path(
    post,
    path = path::AGENTS,
    tag = AGENTS,
    security(("api_key" = ["agent.enrol"])),
    request_body = EnrolRequest,
    responses((status = 200, body = Issued), Problems)
)]
pub(super) async fn enrol(State(app): State<App>, call: Call) -> Result<Json<Issued>, Failure> {
    let key = caller::enroller(&app, &call).await?;
    let (actor, subject) = (caller::actor(&key.0), Subject::ApiKey(key.0.key.id));
    let issued = enrol_with(&app, &call, (&key.0, key.1.secret_number)).await;
    issued.map(Json).map_err(|failure| failure.denying(actor, Action::AgentEnrol, subject))
}

async fn enrol_with(app: &App, call: &Call, key: (&KeyHolder, u32)) -> Result<Issued, Failure> {
    let request: EnrolRequest = call.json()?;
    within_bounds(&request.facts)?;
    let (pass, held_for) = admitted(app, call, Urgency::Enrolment, None).await?;
    let public = requested_key(&request.csr)?;
    let known = app.store.credential(public.thumbprint()).await?;
    let pair = known.as_ref().map(|held| (&held.agent, &held.credential));
    if let Enrolment::Refused(why) = enrolment(key, pair, call.arrival.from, call.arrival.at) {
        return Err(why.into());
    }
    let order = enrol_order(app, call, key, request, &public)?;
    faults::point("enrol.signed");
    let cause = call.arrival.cause(caller::actor(key.0));
    let (holding, what) = match app.store.enrol(cause, order).await? {
        Enrolled::New(holding) => (holding, Issuance::Enrolment),
        Enrolled::Again(holding) => (holding, Issuance::Refresh),
        Enrolled::Refused(why) => return Err(Failure::from(why).recorded()),
    };
    app.metrics.issued(what);
    note_clock(&holding.agent, None);
    let issued = issued(app, &holding, call.arrival.at);
    faults::point("enrol.unanswered");
    pass.done(held_for.elapsed());
    issued
}

fn enrol_order(
    app: &App,
    call: &Call,
    (key, secret_number): (&KeyHolder, u32),
    request: EnrolRequest,
    public: &PublicKey,
) -> Result<EnrolOrder, Failure> {
    let agent = random::agent_id();
    let certificate = certify(app, call, (agent, &request.name, &request.facts), public)?;
    Ok(EnrolOrder {
        api_key: key.key.id,
        secret_number,
        agent,
        rekey_at: app.plan_rekey(call.arrival.at, certificate.validity.until()),
        certificate,
        name: request.name,
        facts: request.facts,
        clock: request.clock,
        clock_standing: standing(app, &request.clock),
    })
}

/// Renew: with a new key the next generation, with the key of the latest one a fresh token
///
/// Sent again with the same key pair, it answers with the same generation.
#[utoipa::path(
    post,
    path = path::CREDENTIALS,
    tag = AGENTS,
    security(("proof" = [])),
    request_body = RenewRequest,
    responses((status = 200, body = Issued), Problems)
)]
pub(super) async fn credentials(State(app): State<App>, call: Call) -> Result<Json<Issued>, Failure> {
    let held = caller::prover(&app, &call, Action::AgentRenew).await?;
    let (actor, subject) = (Actor::Agent(held.agent.id), Subject::Agent(held.agent.id));
    let issued = renew(&app, &call, &held).await;
    issued.map(Json).map_err(|failure| failure.denying(actor, Action::AgentRenew, subject))
}

async fn renew(app: &App, call: &Call, held: &Holding) -> Result<Issued, Failure> {
    let request: RenewRequest = call.json()?;
    within_bounds(&request.facts)?;
    let urgency = Urgency::Until(held.credential.validity.until());
    let remaining = caller::remaining(held, call.arrival.at);
    let (pass, held_for) = admitted(app, call, urgency, remaining).await?;
    let public = requested_key(&request.csr)?;
    let order = renew_order(app, call, held, request, &public).await?;
    faults::point("renew.signed");
    let cause = call.arrival.cause(Actor::Agent(held.agent.id));
    let (holding, what) = match app.store.renew(cause, order).await? {
        Renewed::New(holding) => (holding, Issuance::Renewal),
        Renewed::Again(holding) => (holding, Issuance::Refresh),
        Renewed::Refused(why) => return Err(Failure::from(why).recorded()),
        Renewed::Unprepared => {
            let why = "another call of the same agent came in between";
            return Err(Failure::private(Code::Overloaded, why).after(Duration::from_secs(1)));
        }
    };
    app.metrics.issued(what);
    note_clock(&holding.agent, Some(held.agent.clock_standing));
    let issued = issued(app, &holding, call.arrival.at);
    faults::point("renew.unanswered");
    pass.done(held_for.elapsed());
    issued
}

async fn renew_order(
    app: &App,
    call: &Call,
    held: &Holding,
    request: RenewRequest,
    public: &PublicKey,
) -> Result<RenewOrder, Failure> {
    let (proof, key) = (held.credential.key.thumbprint(), public.thumbprint());
    let known = if key == proof { Some(held.clone()) } else { app.store.credential(key).await? };
    let known = known.as_ref().map(|known| &known.credential);
    let asked = RenewalCall { agent: &held.agent, proof: &held.credential, known, facts: &request.facts };
    let grace = app.policy.profile.grace;
    let certificate = match renewal(asked, call.arrival.at, grace) {
        Renewal::Refused(why) => return Err(why.into()),
        Renewal::Again => None,
        Renewal::Next { .. } => {
            let fresh = certify(app, call, (held.agent.id, &held.agent.name, &request.facts), public)?;
            let rekey_at = app.plan_rekey(call.arrival.at, fresh.validity.until());
            Some((fresh, rekey_at))
        }
    };
    let clock_standing = standing(app, &request.clock);
    Ok(RenewOrder {
        proof,
        key,
        facts: request.facts,
        clock: request.clock,
        clock_standing,
        grace,
        certificate,
    })
}

/// Report: how the agent is, and whether there is something it should do
#[utoipa::path(
    post,
    path = path::REPORTS,
    tag = AGENTS,
    security(("proof" = [])),
    request_body = ReportRequest,
    responses((status = 200, body = ReportReply), Problems)
)]
pub(super) async fn report(State(app): State<App>, call: Call) -> Result<Json<ReportReply>, Failure> {
    let held = caller::prover(&app, &call, Action::AgentReport).await?;
    let (actor, subject) = (Actor::Agent(held.agent.id), Subject::Agent(held.agent.id));
    let reply = note_report(&app, &call, held).await;
    reply.map(Json).map_err(|failure| failure.denying(actor, Action::AgentReport, subject))
}

async fn note_report(app: &App, call: &Call, held: Holding) -> Result<ReportReply, Failure> {
    let request: ReportRequest = call.json()?;
    if request.hooks.len() > MOST_HOOKS {
        return Err(Failure::open(Code::BadRequest, format!("a report has at most {MOST_HOOKS} hooks")));
    }
    let before = held.agent.clock_standing;
    let clock_standing = standing(app, &request.clock);
    note_clock(&AgentRecord { clock: request.clock, clock_standing, ..held.agent.clone() }, Some(before));
    let cause = call.arrival.cause(Actor::Agent(held.agent.id));
    let (agent, generation) = (held.agent.id, held.credential.generation);
    let report = Report { agent, generation, clock: request.clock, clock_standing, hooks: request.hooks };
    app.store.report(cause, report).await?;
    Ok(ReportReply {
        received: call.arrival.at,
        next: next_report(call.arrival.at, app.policy.report_every, random::lot()),
        directives: if request.anchors == app.anchors.digest { Vec::new() } else { vec![Directive::Renew] },
        sent: clock::now(),
    })
}

/// What the master believes about the caller
#[utoipa::path(
    get,
    path = path::SELF,
    tag = AGENTS,
    security(("proof" = []), ("agent_token" = []), ("client_certificate" = [])),
    responses((status = 200, body = AgentView), Problems)
)]
pub(super) async fn whoami(State(app): State<App>, call: Call) -> Result<Json<AgentView>, Failure> {
    caller::agent(&app, &call).await.map(|agent| Json(agent.view()))
}

/// Deregister: the agent leaves for good
#[utoipa::path(
    delete,
    path = path::SELF,
    tag = AGENTS,
    security(("proof" = [])),
    responses((status = 204, description = "It has left"), Problems)
)]
pub(super) async fn deregister(State(app): State<App>, call: Call) -> Result<StatusCode, Failure> {
    let held = caller::prover(&app, &call, Action::AgentDeregister).await?;
    let cause = call.arrival.cause(Actor::Agent(held.agent.id));
    match app.store.deregister(cause, held.agent.id).await? {
        Moved::Done(_) => Ok(StatusCode::NO_CONTENT),
        Moved::Illegal(why) => Err(Failure::open(Code::IllegalMove, why.to_string()).recorded()),
        Moved::Unknown => Err(Failure::internal("the agent vanished during its request")),
    }
}

/// Waits until it is this request's turn. The watch runs as long as the pass is held.
async fn admitted(
    app: &App,
    call: &Call,
    urgency: Urgency,
    remaining: Option<Duration>,
) -> Result<(Pass, Stopwatch), Failure> {
    let [lot, ..] = call.arrival.id.0;
    match app.gate.admit(urgency, remaining, lot).await {
        Ok(pass) => Ok((pass, Stopwatch::start())),
        Err(busy) => {
            let failure =
                Failure::open(Code::Overloaded, "more is asked of the master than it can do in time");
            Err(failure.after(busy.retry_after))
        }
    }
}

fn requested_key(csr: &str) -> Result<PublicKey, Failure> {
    let refused = |why: PkiError| Failure::open(Code::CsrRefused, why.to_string());
    Csr::from_pem(csr).map(Csr::into_key).map_err(refused)
}

fn certify(
    app: &App,
    call: &Call,
    (agent, name, facts): (AgentId, &gatepass_contract::name::DisplayName, &Facts),
    key: &PublicKey,
) -> Result<NewCertificate, Failure> {
    let names = app.policy.profile.names(agent, name, facts);
    let validity = app.certificate_validity(call.arrival.at)?;
    app.issuer.agent_certificate(&names, key, validity).map_err(Failure::internal)
}

/// What the agent takes home; its token is signed only now that everything else is on disk.
fn issued(app: &App, holding: &Holding, now: UnixTime) -> Result<Issued, Failure> {
    let Holding { agent, credential } = holding;
    let claims = app.policy.profile.claims(agent, credential.key.thumbprint(), random::token_id(), now);
    let token = app.token_key.sign(token::TYP, &claims).map_err(Failure::internal)?;
    let refresh_at = app.plan_refresh(now, UnixTime::from_seconds(claims.exp));
    Ok(Issued {
        agent: agent.id,
        generation: credential.generation,
        chain: credential.chain_pem(),
        anchors: app.anchors.pem.clone(),
        token,
        jwks: app.jwks.clone(),
        renew_at: refresh_at.min(credential.rekey_at),
        rekey_at: credential.rekey_at,
    })
}

/// Counts are checked by hand: the body's size bounds everything, but not how much work and room its parts make.
fn within_bounds(facts: &Facts) -> Result<(), Failure> {
    let fits = facts.host_names.len() <= MOST_HOST_NAMES
        && facts.addresses.len() <= MOST_ADDRESSES
        && facts.version.len() <= LONGEST_VERSION;
    if fits { Ok(()) } else { Err(Failure::open(Code::BadRequest, "the facts about the host are too many")) }
}

const MOST_HOST_NAMES: usize = 8;
const MOST_ADDRESSES: usize = 16;
const MOST_HOOKS: usize = 32;
const LONGEST_VERSION: usize = 64;

fn standing(app: &App, clock: &ClockReport) -> ClockStanding {
    app.policy.clock_tolerance.standing(clock.skew)
}

/// Said once, when it changes.
fn note_clock(agent: &AgentRecord, before: Option<ClockStanding>) {
    let now = agent.clock_standing;
    if before != Some(now) && matches!(now, ClockStanding::Warn | ClockStanding::Critical) {
        let skew = agent.clock.skew;
        warn!(agent = %agent.id, name = %agent.name, standing = %now, clock = %skew, "an agent's clock disagrees");
    }
}

/// Seven to nine eighths of the usual time: a fleet that was started together does not report together for long.
fn next_report(now: UnixTime, every: Duration, lot: u64) -> UnixTime {
    let share = u32::from(lot.to_ne_bytes()[0]);
    now + every * 7 / 8 + every / 4 * share / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_spread_around_the_usual_time() {
        let every = Duration::from_secs(800);
        for (lot, want) in [(0_u64, 700), (u64::MAX, 900)] {
            assert_eq!(next_report(UnixTime(0), every, lot), UnixTime::from_seconds(want));
        }
    }
}
