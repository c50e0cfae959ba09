//! One visit to the master: measure the clocks, then do what is due.

use gatepass_contract::time::Skew;
use gatepass_contract::wire::admin::ClockStanding;
use gatepass_contract::wire::agent::{ClockReport, Directive, ReportRequest};
use tracing::{info, warn};

use super::{Daemon, Errand};
use crate::bundle::Bundle;
use crate::credential::NoApiKey;
use crate::enrol::{self, Credential, Host, caller};
use crate::faults;
use crate::keys::KeyPair;
use crate::master::{Master, Remedy};
use crate::policy::RenewalKey;
use crate::random;
use crate::state::Measured;
use crate::trouble::{StepError, whole};

/// A report that was not taken is tried again after that long.
const REPORT_AGAIN: std::time::Duration = std::time::Duration::from_mins(15);

impl<M: Master> Daemon<M> {
    /// Measures the clocks first, then looks again what is due, and does it.
    pub(super) async fn visit(&mut self) -> Result<(), StepError> {
        self.measure().await?;
        match self.errand() {
            Some(Errand::Enrol) => self.enrol().await?,
            Some(Errand::Renew(key)) => self.renew_or_enrol(key).await?,
            Some(Errand::Report) | None => {}
        }
        self.apply().await?;
        self.report().await;
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), StepError> {
        let skew = self.master.probe().await?;
        self.time.observe(skew);
        self.state.clock = Some(Measured { skew, at: self.time.now() });
        let standing = self.settings.tolerance.standing(skew);
        if self.clock_told.replace(standing) != Some(standing) {
            say_clock(standing, skew);
        }
        Ok(())
    }

    async fn enrol(&mut self) -> Result<(), StepError> {
        let source = self.settings.api_key.as_ref().ok_or(NoApiKey::Nowhere)?;
        let api_key = source.read()?;
        let key = self.new_key()?;
        let bundle = self.obtain(&key, Credential::ApiKey(&api_key)).await?;
        info!(agent = %bundle.agent(), name = %self.settings.name, "enrolled");
        self.publish(bundle)?;
        self.state.machine = self.settings.facts.machine;
        self.renew_now = false;
        Ok(())
    }

    /// An identity that has ended and that the master will not renew any more is replaced at once, where there is an
    /// API key: a host that was away for too long needs one visit, as a new one does. Without a key that can be read,
    /// the refusal is what a person has to know.
    async fn renew_or_enrol(&mut self, which: RenewalKey) -> Result<(), StepError> {
        let Err(refused) = self.renew(which).await else { return Ok(()) };
        let has_api_key = || self.settings.api_key.as_ref().is_some_and(|source| source.read().is_ok());
        if refused.remedy() != Remedy::EnrolAgain || !self.left().is_zero() || !has_api_key() {
            return Err(refused);
        }
        warn!(error = whole(&refused), "the identity is over: this host enrols anew");
        self.enrol().await
    }

    async fn renew(&mut self, which: RenewalKey) -> Result<(), StepError> {
        let held = self.held().expect("`errand` names a renewal only when something is held");
        let fresh = match which {
            RenewalKey::Same => None,
            RenewalKey::Fresh => Some(self.new_key()?),
        };
        let bundle = self.obtain(fresh.as_ref().unwrap_or(held.key()), Credential::Bundle(held)).await?;
        self.publish(bundle)?;
        // A new key that somebody asked for settles that this is the machine.
        if self.renew_now || self.state.machine.is_none() {
            self.state.machine = self.settings.facts.machine;
        }
        self.renew_now = false;
        Ok(())
    }

    /// The key pair of a request whose answer was lost, or a new one, stored before it is used: the same key asks
    /// again until the answer is stored, and the master answers the same.
    fn new_key(&self) -> Result<KeyPair, StepError> {
        let pending = self.store.pending_key()?.and_then(|pem| KeyPair::from_pem(&pem).ok());
        let spent = |key: &KeyPair| self.held().is_some_and(|held| held.key().public() == key.public());
        if let Some(key) = pending.filter(|key| !spent(key)) {
            return Ok(key);
        }
        let key = KeyPair::generate(self.settings.key_kind);
        self.store.save_pending_key(&key.to_pem())?;
        Ok(key)
    }

    async fn obtain(&self, key: &KeyPair, by: Credential<'_>) -> Result<Bundle, StepError> {
        let (name, facts) = (self.settings.name.clone(), self.settings.facts.clone());
        let host = Host { name, facts, clock: self.clock_report() };
        Ok(enrol::enrol(key, host, by, random::lot(), || self.time.now(), &self.master).await?)
    }

    fn publish(&mut self, bundle: Bundle) -> Result<(), StepError> {
        faults::point("answered");
        let number = self.store.publish(bundle.parts())?;
        self.store.clear_pending_key()?;
        let (certificate, token) = (bundle.certificate().until(), bundle.token().until());
        info!(generation = bundle.generation(), certificate_until = %certificate, token_until = %token, "bundle published");
        self.held = Some((number, bundle));
        Ok(())
    }

    /// Tells the master how things are. What goes wrong here puts no credential at risk and is tried again.
    async fn report(&mut self) {
        let Some(held) = self.held() else { return };
        let report = ReportRequest {
            clock: self.clock_report(),
            generation: held.generation(),
            certificate: held.certificate(),
            token: held.token(),
            anchors: held.anchors().digest(),
            hooks: self.state.hooks.clone(),
        };
        let (now, floor) = (self.time.now(), self.settings.pace.floor);
        match self.master.report(&caller(held), &report).await {
            Ok(reply) => {
                self.state.report_at = Some(reply.next.max(now + floor));
                self.renew_now |= reply.directives.contains(&Directive::Renew);
            }
            Err(error) => {
                self.state.report_at = Some(now + REPORT_AGAIN.max(floor));
                warn!(%error, "the master did not take the report");
            }
        }
    }

    fn clock_report(&self) -> ClockReport {
        let skew = self.time.skew().expect("every visit begins with a measurement");
        ClockReport { local: self.time.clock().wall(), skew, steps: self.time.steps() }
    }
}

fn say_clock(standing: ClockStanding, skew: Skew) {
    let (ahead_ms, doubt_ms) = (skew.ahead, skew.doubt);
    match standing {
        ClockStanding::Agree => info!(clock = %skew, ahead_ms, doubt_ms, "the clocks agree"),
        ClockStanding::Unsure => {
            warn!(clock = %skew, ahead_ms, doubt_ms, "the network is too slow to compare the clocks");
        }
        ClockStanding::Warn | ClockStanding::Critical => {
            warn!(clock = %skew, ahead_ms, doubt_ms, "this host's clock and the master's disagree");
        }
    }
}
