//! Who calls: holders of API keys, agents by proof, by token, by client certificate.
//!
//! Invariant: whoever has not proven to hold a credential learns nothing about it, and costs the same whether it exists
//! or not.

use gatepass_contract::digest::Sha256;
use gatepass_contract::jws::Claimed;
use gatepass_contract::pki::{Chain, Thumbprint};
use gatepass_contract::proof::{self, BadProof, Proof, Request};
use gatepass_contract::secret::{self, ApiKey};
use gatepass_contract::time::UnixTime;
use gatepass_contract::token::{self, Claims};
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Capability;

use super::App;
use super::call::Call;
use super::failure::Failure;
use crate::domain::Refusal;
use crate::domain::agent::AgentRecord;
use crate::domain::apikey::ApiKeyRecord;
use crate::domain::audit::{Action, Actor, Subject};
use crate::store::Holding;

/// Whoever holds an API key that may do `need`, here and now.
pub(super) async fn key_holder(
    app: &App,
    call: &Call,
    action: Action,
    need: Capability,
) -> Result<ApiKeyRecord, Failure> {
    let text =
        call.bearer().filter(|text| text.starts_with(secret::PREFIX)).ok_or_else(|| missing("an API key"))?;
    let stranger = |failure: Failure, subject| failure.denying(Actor::Anonymous, action, subject);
    let key = ApiKey::parse(text)
        .map_err(|why| stranger(Failure::private(Code::ApiKeyRefused, why), Subject::None))?;
    let Some(record) = app.store.api_key(key.id()).await? else {
        // Compared with something all the same: unknown and wrong take equally long.
        let _never = key.secret().has_digest(&Sha256([0; 32]));
        return Err(stranger(Refusal::UnknownKey.into(), Subject::None));
    };
    let admitted = record.admit(key.secret(), need, call.arrival.from, call.arrival.at);
    match admitted {
        Ok(()) => {}
        Err(why @ Refusal::WrongSecret) => return Err(stranger(why.into(), Subject::ApiKey(record.id))),
        Err(why) => {
            let actor = Actor::ApiKey(record.id);
            return Err(Failure::from(why).denying(actor, action, Subject::ApiKey(record.id)));
        }
    }
    if need != Capability::AgentEnrol {
        app.store.note_use(&record, call.arrival.cause(Actor::ApiKey(record.id)))?;
    }
    Ok(record)
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
        .map_err(|why| stranger(bad_proof(why), subject))?;
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
pub(super) fn remaining(held: &Holding, now: UnixTime) -> Option<std::time::Duration> {
    Some(held.credential.validity.until().since(now)).filter(|left| !left.is_zero())
}
