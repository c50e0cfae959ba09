//! Who calls: users by API key, API token or session; agents by proof, by token, by client certificate.
//!
//! Invariant: whoever has not proven to hold a credential learns nothing about it, and costs the same whether it exists
//! or not.

use std::fmt::Display;
use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::jws::Claimed;
use gatepass_contract::pki::{Chain, Thumbprint};
use gatepass_contract::proof::{self, BadProof, Proof, Request};
use gatepass_contract::secret::{self, ApiKey};
use gatepass_contract::time::UnixTime;
use gatepass_contract::token::{self, Claims};
use gatepass_contract::usertoken;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{Capability, CredentialKind};

use super::App;
use super::attempts::{Source, Verdict};
use super::call::Call;
use super::failure::Failure;
use crate::domain::Refusal;
use crate::domain::agent::AgentRecord;
use crate::domain::apikey::{Admission, KeyHolder};
use crate::domain::audit::{Action, Actor, Credential, Subject};
use crate::domain::principal::Principal;
use crate::store::Holding;

/// Who calls on behalf of a user, with an API key, an API token or the token of a session that is good here and now; if
/// something is needed, they may do it.
pub(super) async fn principal(
    app: &App,
    call: &Call,
    action: Action,
    need: Option<Capability>,
) -> Result<Principal, Failure> {
    let text = call.bearer().ok_or_else(|| missing("an API key or an API token"))?;
    let principal = if text.starts_with(secret::PREFIX) {
        by_api_key(app, call, text, action).await?
    } else {
        by_user_token(app, call, text, action).await?
    };
    match need.map_or(Ok(()), |need| principal.may(need)) {
        Ok(()) => Ok(principal),
        Err(why) => Err(Failure::from(why).denying(principal.actor(), action, shown(principal.credential))),
    }
}

/// Whoever holds an API key with which agents can be enrolled.
pub(super) async fn enroller(app: &App, call: &Call) -> Result<(KeyHolder, Admission), Failure> {
    let text = call.bearer().filter(|text| text.starts_with(secret::PREFIX));
    let text = text.ok_or_else(|| missing("an API key"))?;
    let (holder, admission) = key_holder(app, call, text, Action::AgentEnrol).await?;
    let denied = (actor(&holder), Action::AgentEnrol, Subject::ApiKey(holder.key.id));
    match admission.may(Capability::AgentEnrol) {
        Ok(()) => Ok((holder, admission)),
        Err(why) => Err(Failure::from(why).denying(denied.0, denied.1, denied.2)),
    }
}

/// An API key that was shown with its secret.
pub(super) struct Shown {
    /// The key.
    pub(super) holder: KeyHolder,
    /// Why it would enrol nobody at this moment.
    pub(super) refusal: Option<Refusal>,
}

/// Whoever holds an API key, be it good for an enrolment at this moment or not. What nobody is told about is refused.
pub(super) async fn shown_key(app: &App, call: &Call, action: Action) -> Result<Shown, Failure> {
    let text = call.bearer().filter(|text| text.starts_with(secret::PREFIX));
    let text = text.ok_or_else(|| missing("an API key"))?;
    let (holder, admitted) = looked_up(app, call, text, action).await?;
    let good = admitted
        .and_then(|admission| admission.may(Capability::AgentEnrol).and_then(|()| holder.key.has_use_left()));
    Ok(Shown { holder, refusal: good.err() })
}

/// As the audit names who holds that key.
pub(super) fn actor(holder: &KeyHolder) -> Actor {
    Actor::User(holder.key.key.owner.clone(), Credential::ApiKey(holder.key.id))
}

async fn by_api_key(app: &App, call: &Call, text: &str, action: Action) -> Result<Principal, Failure> {
    let (holder, admission) = key_holder(app, call, text, action).await?;
    app.store.note_use(&holder, admission.secret_number, call.arrival.cause(actor(&holder)))?;
    Ok(Principal {
        user: holder.key.key.owner,
        credential: Credential::ApiKey(holder.key.id),
        kind: CredentialKind::ApiKey,
        name: holder.key.key.name.to_string(),
        groups: holder.groups,
        capabilities: admission.capabilities,
        expires: holder.key.key.expires,
    })
}

async fn key_holder(
    app: &App,
    call: &Call,
    text: &str,
    action: Action,
) -> Result<(KeyHolder, Admission), Failure> {
    let (holder, admitted) = looked_up(app, call, text, action).await?;
    match admitted {
        Ok(admission) => Ok((holder, admission)),
        Err(why) => Err(Failure::from(why).denying(actor(&holder), action, Subject::ApiKey(holder.key.id))),
    }
}

/// A key whose secret was shown, and what it is refused for that its holder may know.
async fn looked_up(
    app: &App,
    call: &Call,
    text: &str,
    action: Action,
) -> Result<(KeyHolder, Result<Admission, Refusal>), Failure> {
    let stranger =
        |failure, source, subject| failed(app, call, failure, source, (Actor::Anonymous, action, subject));
    let key = ApiKey::parse(text)
        .map_err(|why| stranger(Failure::private(Code::ApiKeyRefused, why), None, Subject::None))?;
    let Some(holder) = app.store.bearer_key(key.id()).await? else {
        // Compared with something all the same: unknown and wrong take equally long.
        let _never = key.secret().has_digest(&Sha256([0; 32]));
        return Err(stranger(Refusal::UnknownKey.into(), None, Subject::None));
    };
    let subject = Subject::ApiKey(holder.key.id);
    match holder.admit(key.secret(), call.arrival.from, call.arrival.at) {
        Err(why @ Refusal::WrongSecret) => Err(stranger(why.into(), Some(Source::Key(key.id())), subject)),
        Err(why) if why.code() == Code::ApiKeyRefused => {
            Err(failed(app, call, why.into(), None, (actor(&holder), action, subject)))
        }
        admitted => Ok((holder, admitted)),
    }
}

/// The signature says that the master made it, the row whether it is still good.
async fn by_user_token(app: &App, call: &Call, text: &str, action: Action) -> Result<Principal, Failure> {
    let stranger = |why: &dyn Display, subject| {
        let failure = Failure::private(Code::Unauthenticated, why);
        failed(app, call, failure, None, (Actor::Anonymous, action, subject))
    };
    let claims = usertoken::Claims::open(text, &app.jwks).map_err(|why| stranger(&why, Subject::None))?;
    if claims.iss != app.policy.profile.issuer {
        return Err(stranger(&"another master issued it", Subject::None));
    }
    let id = claims.jti.token;
    let Some(holder) = app.store.token_holder(id).await? else {
        return Err(stranger(&Refusal::UnknownToken, Subject::Token(id)));
    };
    let (actor, token) = (Actor::User(claims.sub.clone(), Credential::Token(id)), holder.token.clone());
    let admitted = holder.admit(&claims, call.arrival.from, call.arrival.at);
    let principal = admitted.map_err(|why| {
        let failure = Failure::from(why);
        if why.code() == Code::Unauthenticated {
            failed(app, call, failure, None, (actor, action, Subject::Token(id)))
        } else {
            failure.denying(actor, action, Subject::Token(id))
        }
    })?;
    app.store.note_token_use(&token, &call.arrival.cause(principal.actor()))?;
    Ok(principal)
}

/// What comes of showing something that is not accepted: too much of that from one address, or for one key, is told to
/// wait, and written down once.
fn failed(
    app: &App,
    call: &Call,
    failure: Failure,
    source: Option<Source>,
    (actor, action, subject): (Actor, Action, Subject),
) -> Failure {
    let mut sources = vec![Source::address(call.arrival.from)];
    sources.extend(source);
    match app.attempts.count(&sources, call.arrival.at) {
        Verdict::Within => failure.denying(actor, action, subject),
        Verdict::Beyond { retry_after, first } => limited((retry_after, first), (actor, action, subject)),
    }
}

/// Tells to wait; the `first` time the audit is told, too.
pub(super) fn limited(
    (retry_after, first): (Duration, bool),
    (actor, action, subject): (Actor, Action, Subject),
) -> Failure {
    let failure = Failure::open(Code::RateLimited, "too many attempts have failed; a right one is let in");
    let failure = failure.after(retry_after);
    if first { failure.telling(actor, action, subject) } else { failure }
}

/// As the audit names what was shown.
const fn shown(credential: Credential) -> Subject {
    match credential {
        Credential::ApiKey(id) => Subject::ApiKey(id),
        Credential::Token(id) => Subject::Token(id),
        Credential::Password => Subject::None,
    }
}

/// The agent that has proven to hold the key of one of its generations that are alive.
pub(super) async fn prover(app: &App, call: &Call, action: Action) -> Result<Holding, Failure> {
    let text = call.bearer().ok_or_else(|| missing("a proof"))?;
    let stranger = |failure: Failure, subject| failure.denying(Actor::Anonymous, action, subject);
    let kid = kid(text, proof::TYP).map_err(|failure| stranger(failure, Subject::None))?;
    let Some(held) = app.store.credential(kid).await? else {
        return Err(stranger(Refusal::UnknownProof.into(), Subject::None));
    };
    let subject = Subject::Agent(held.agent.id);
    let request = Request { method: call.method(), path: call.path(), body: &call.body };
    let proof = Proof::open(text, &held.credential.key.jwk(), request, call.arrival.at)
        .map_err(|why| stranger(bad_proof(why), subject.clone()))?;
    if proof.iss != held.agent.id {
        return Err(stranger(Failure::private(Code::ProofRefused, "it names another agent"), subject));
    }
    let alive = held.agent.accepts(held.credential.generation);
    alive.map_err(|why| Failure::from(why).denying(Actor::Agent(held.agent.id), action, subject))?;
    Ok(held)
}

/// The agent that shows a proof, a token or a client certificate: enough to be told what is known about it.
pub(super) async fn agent(app: &App, call: &Call) -> Result<AgentRecord, Failure> {
    let typ = call.bearer().and_then(|text| Claimed::of(text).ok()).map(|claimed| claimed.typ);
    match typ.as_deref() {
        Some(proof::TYP) => by_proof(app, call).await,
        Some(token::TYP) => by_token(app, call).await,
        Some(_) => Err(unauthenticated("a token of another type")),
        None if call.bearer().is_some() => Err(unauthenticated("not a token")),
        None => by_certificate(app, call).await,
    }
}

async fn by_proof(app: &App, call: &Call) -> Result<AgentRecord, Failure> {
    let Holding { mut agent, credential } = prover(app, call, Action::Read).await?;
    if credential.generation > agent.confirmed {
        app.store.confirm(agent.id, credential.generation).await?;
        agent.confirmed = credential.generation;
    }
    Ok(agent)
}

async fn by_token(app: &App, call: &Call) -> Result<AgentRecord, Failure> {
    let text = call.bearer().unwrap_or_default();
    let claims = Claims::open(text, &app.jwks).map_err(|why| unauthenticated(&why.to_string()))?;
    let good = claims.iss == app.policy.profile.issuer
        && claims.validity().is_some_and(|validity| validity.holds(call.arrival.at));
    if !good {
        return Err(unauthenticated("the token has ended, or another master issued it"));
    }
    active(app.store.agent(claims.sub).await?)
}

/// The handshake has verified the chain; a connection may outlive it.
async fn by_certificate(app: &App, call: &Call) -> Result<AgentRecord, Failure> {
    if call.peer.certificates.is_empty() {
        return Err(missing("a proof, a token or a client certificate"));
    }
    let chain = Chain::from_der(call.peer.certificates.to_vec())
        .and_then(|chain| chain.verify(&app.anchors.certificates, call.arrival.at).map(|()| chain))
        .map_err(|why| unauthenticated(&why.to_string()))?;
    let held = app.store.credential(chain.key().thumbprint()).await?;
    active(held.map(|held| held.agent).filter(|agent| chain.agent() == Some(agent.id)))
}

fn active(agent: Option<AgentRecord>) -> Result<AgentRecord, Failure> {
    let agent = agent.ok_or_else(|| unauthenticated("no such agent"))?;
    let (actor, subject) = (Actor::Agent(agent.id), Subject::Agent(agent.id));
    let active = agent.is_active().map(|()| agent);
    active.map_err(|why| Failure::from(why).denying(actor, Action::Read, subject))
}

fn kid(text: &str, typ: &str) -> Result<Thumbprint, Failure> {
    let claimed = Claimed::of(text).map_err(|why| Failure::private(Code::ProofRefused, why))?;
    if claimed.typ != typ {
        return Err(Failure::private(Code::ProofRefused, "it is a token of another type"));
    }
    Thumbprint::try_from(claimed.kid).map_err(|why| Failure::private(Code::ProofRefused, why))
}

/// That a proof is right but comes at the wrong time is told: the agent can do something about it.
fn bad_proof(why: BadProof) -> Failure {
    match why {
        BadProof::Time { .. } => Failure::open(Code::ProofTime, why.to_string()),
        BadProof::Jws(_) | BadProof::OtherRequest => Failure::private(Code::ProofRefused, why),
    }
}

fn missing(what: &'static str) -> Failure {
    Failure::open(Code::Unauthenticated, format!("this call needs {what}"))
}

fn unauthenticated(reason: &str) -> Failure {
    Failure::private(Code::Unauthenticated, reason).denying(Actor::Anonymous, Action::Read, Subject::None)
}

/// How long what the caller holds is still good: [`None`] when it is over.
pub(super) fn remaining(held: &Holding, now: UnixTime) -> Option<Duration> {
    Some(held.credential.validity.until().since(now)).filter(|left| !left.is_zero())
}
