//! What all handlers share: the store, the keys that sign, the rules, and who may issue next.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::digest::Sha256;
use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{self, Anchors, PkiError};
use gatepass_contract::time::{UnixTime, Validity};
use ipnet::IpNet;
use jsonwebtoken::jwk::JwkSet;
use tracing::error;

use super::attempts::Attempts;
use super::call::{Arrival, BodyLimits};
use super::failure::{Failure, Trail};
use crate::admission::{Capacity, Gate};
use crate::ca::Issuer;
use crate::domain::annotation::AnnotationPolicy;
use crate::domain::apikey::{ExpiryPolicy, KeyRules};
use crate::domain::audit::{Actor, Cause, Event};
use crate::domain::profile::Profile;
use crate::domain::slots::Planner;
use crate::metrics::Metrics;
use crate::password::Passwords;
use crate::random;
use crate::sealed::DerivedKey;
use crate::server::Load;
use crate::store::Store;

/// The rules of the interface.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What stands in certificates and tokens.
    pub profile: Profile,
    /// What API keys may be, and what needs consent.
    pub keys: Arc<KeyRules>,
    /// How long before its end a key counts as expiring.
    pub advance_notice: Duration,
    /// When an agent's clock is worth a word.
    pub clock_tolerance: ClockTolerance,
    /// The time between two reports of an agent.
    pub report_every: Duration,
    /// Bounds on bodies.
    pub body: BodyLimits,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read the metrics.
    pub metrics_networks: Vec<IpNet>,
    /// Which changes need a reason.
    pub annotations: AnnotationPolicy,
    /// How long API tokens live.
    pub token_expiry: ExpiryPolicy,
    /// How long somebody who signed in stays so.
    pub session: Duration,
    /// How many characters a new password has at least.
    pub shortest_password: usize,
    /// How often somebody may fail to show who they are, in a minute.
    pub failed_attempts: u32,
}

/// What the interface is put together from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// Signs certificates.
    pub issuer: Arc<Issuer>,
    /// Signs tokens.
    pub token_key: SigningKey,
    /// The public halves of all token keys.
    pub jwks: JwkSet,
    /// The roots that vouch for this master and its agents.
    pub anchors: Anchors,
    /// The rules.
    pub policy: Policy,
    /// How many issue at once, how many wait.
    pub capacity: Capacity,
    /// How many connections are open.
    pub load: Load,
    /// The plan for new keys, as far as it was made before this start.
    pub rekeys: Planner,
    /// What the secrets of requests that may come again are derived with.
    pub repeats: DerivedKey,
}

/// Shared by all requests. A clone is another handle to the same.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    pub(super) store: Store,
    pub(super) issuer: Arc<Issuer>,
    pub(super) token_key: SigningKey,
    pub(super) jwks: JwkSet,
    pub(super) anchors: Published,
    pub(super) policy: Policy,
    pub(super) gate: Gate,
    pub(super) metrics: Metrics,
    pub(super) load: Load,
    pub(super) repeats: DerivedKey,
    pub(super) attempts: Attempts,
    pub(super) passwords: Passwords,
    pin: Sha256,
    rekeys: Mutex<Planner>,
    refreshes: Mutex<Planner>,
}

/// The trust anchors in the forms in which they are asked for again and again.
pub(super) struct Published {
    pub(super) certificates: Anchors,
    pub(super) pem: String,
    pub(super) digest: Sha256,
}

impl App {
    /// Puts it together.
    pub fn new(parts: Parts) -> Result<Self, PkiError> {
        let youngest = parts.anchors.certificates().last().ok_or(PkiError::Malformed("the trust anchors"))?;
        let pin = pki::spki_digest(youngest)?;
        let refreshes = Planner::new(parts.policy.profile.token_lifetime);
        Ok(Self(Arc::new(Shared {
            pin,
            store: parts.store,
            issuer: parts.issuer,
            token_key: parts.token_key,
            jwks: parts.jwks,
            anchors: Published {
                pem: parts.anchors.to_pem(),
                digest: parts.anchors.digest(),
                certificates: parts.anchors,
            },
            attempts: Attempts::new(parts.policy.failed_attempts),
            policy: parts.policy,
            gate: Gate::new(parts.capacity),
            metrics: Metrics::new(),
            load: parts.load,
            repeats: parts.repeats,
            passwords: Passwords::new(),
            rekeys: Mutex::new(parts.rekeys),
            refreshes: Mutex::new(refreshes),
        })))
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// When an agent whose certificate is good until then is to make its next key.
    pub(super) fn plan_rekey(&self, now: UnixTime, until: UnixTime) -> UnixTime {
        self.rekeys.lock().unwrap_or_else(PoisonError::into_inner).plan(now, until, random::lot())
    }

    /// When an agent whose token is good until then is to fetch its next one.
    pub(super) fn plan_refresh(&self, now: UnixTime, until: UnixTime) -> UnixTime {
        self.refreshes.lock().unwrap_or_else(PoisonError::into_inner).plan(now, until, random::lot())
    }

    /// What new API keys pin: the youngest root, which will vouch for the master for the longest time.
    pub(super) const fn pin(&self) -> Sha256 {
        self.pin
    }

    /// When a certificate made now is good.
    pub(super) fn certificate_validity(&self, now: UnixTime) -> Result<Validity, Failure> {
        let granted = self.policy.profile.validity(now, self.issuer.validity());
        granted.ok_or_else(|| Failure::internal("the issuing CA's certificate has expired"))
    }

    /// Writes what the audit is to hold of a failure. The answer does not wait for a database that does not work: it is
    /// a refusal in any case, and the log has it.
    pub(super) async fn record(&self, arrival: &Arrival, failure: &Failure) {
        let Trail::Missing(denied) = &failure.trail else { return };
        let event = Event {
            action: denied.action,
            subject: denied.subject.clone(),
            refused: Some(failure.code),
            detail: serde_json::json!({ "why": failure.reason }),
        };
        if let Err(error) = self.store.audit(arrival.cause(denied.actor.clone()), event).await {
            error!(request = %arrival.id, %error, "a refusal could not be recorded");
        }
    }

    /// Whether the metrics are that address's business.
    pub(super) fn may_read_metrics(&self, from: IpAddr) -> bool {
        self.policy.metrics_networks.iter().any(|network| network.contains(&from))
    }
}

impl Arrival {
    /// The cause of whatever `actor` does in this request.
    pub(crate) const fn cause(&self, actor: Actor) -> Cause {
        Cause { request: self.id, actor, from: self.from, at: self.at, annotation: None }
    }
}
