//! How things are: one summary, shown as text, as JSON, as metrics and in a line for the service manager.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::id::AgentId;
use gatepass_contract::span::Span;
use gatepass_contract::time::{Skew, UnixTime};
use gatepass_contract::wire::admin::ClockStanding;
use gatepass_contract::wire::agent::HookResult;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::state::{GatewayView, Pending, State, Trouble};

/// How things are. Every instant is the master's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// What it amounts to.
    pub verdict: Verdict,
    /// The master's time, as far as it is known.
    pub now: UnixTime,
    /// What is held, however old.
    pub identity: Option<Identity>,
    /// What is watched while nothing is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Watched>,
    /// How the clocks stand, once measured.
    pub clock: Option<ClockView>,
    /// When something is due next.
    pub due: Option<UnixTime>,
    /// Failed steps in a row.
    pub failures: u32,
    /// Why the last step failed, if it did.
    pub trouble: Option<Trouble>,
    /// How each hook went when it was run last.
    pub hooks: Vec<HookResult>,
    /// Hooks that wait, for more changes or for their window.
    pub pending: Vec<Pending>,
    /// What this host relays for others, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayView>,
}

/// What a status amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A good identity is held and the last step succeeded.
    Good,
    /// A good identity is held; something failed and is tried again.
    Retrying,
    /// A person must act.
    NeedsHuman,
    /// No good identity is held.
    NoIdentity,
}

/// Who this host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The master's name for it.
    pub agent: AgentId,
    /// The master's number for the certificate.
    pub generation: u64,
    /// The certificate's serial number.
    pub serial: String,
    /// When the certificate chain ends.
    pub certificate_until: UnixTime,
    /// When the token ends.
    pub token_until: UnixTime,
}

/// Certificates that somebody else made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Where they are.
    pub dir: PathBuf,
    /// When they end.
    pub until: Option<UnixTime>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Watched {
    fn is_good(&self, now: UnixTime) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// How the clocks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockView {
    /// What it amounts to.
    pub standing: ClockStanding,
    /// The master's clock minus this host's, and how unsure that is; milliseconds.
    #[serde(flatten)]
    pub skew: Skew,
    /// When it was measured.
    pub measured: UnixTime,
    /// Steps of this host's clock noticed since the daemon started.
    pub steps: u32,
}

impl Status {
    /// Sums it up at `now`, the master's time.
    #[must_use]
    pub fn of(held: Option<&Bundle>, state: &State, tolerance: ClockTolerance, now: UnixTime) -> Self {
        let good = held.is_some_and(|held| held.certificate().holds(now) && held.token().holds(now));
        let verdict = match &state.trouble {
            Some(trouble) if trouble.needs_human => Verdict::NeedsHuman,
            _ if !good => Verdict::NoIdentity,
            Some(_) => Verdict::Retrying,
            None => Verdict::Good,
        };
        let clock = state.clock.map(|measured| ClockView {
            standing: tolerance.standing(measured.skew),
            skew: measured.skew,
            measured: measured.at,
            steps: state.steps,
        });
        Self {
            verdict,
            now,
            identity: held.map(Identity::of),
            adopted: None,
            clock,
            due: state.due,
            failures: state.failures,
            trouble: state.trouble.clone(),
            hooks: state.hooks.clone(),
            pending: state.pending.clone(),
            gateway: state.gateway.clone(),
        }
    }

    /// The same host while it lives by certificates that somebody else made: they count as long as nothing of its own
    /// is held.
    #[must_use]
    pub fn watching(mut self, watched: Option<Watched>) -> Self {
        self.adopted = watched.filter(|_| self.identity.is_none());
        let good = self.adopted.as_ref().is_some_and(|watched| watched.is_good(self.now));
        if good && self.verdict == Verdict::NoIdentity {
            self.verdict = if self.trouble.is_some() { Verdict::Retrying } else { Verdict::Good };
        }
        self
    }

    /// One line, for the service manager.
    #[must_use]
    pub fn headline(&self) -> String {
        match (&self.trouble, &self.identity) {
            (Some(trouble), _) => trouble.message.clone(),
            (None, Some(identity)) => {
                let left = Span::from(identity.certificate_until.since(self.now));
                format!("agent {}, generation {}, good for {left}", identity.agent, identity.generation)
            }
            (None, None) => match &self.adopted {
                Some(Watched { until: Some(until), .. }) => {
                    format!(
                        "watching certificates of somebody else, good for {}",
                        Span::from(until.since(self.now))
                    )
                }
                Some(Watched { problem, .. }) => problem.clone().unwrap_or_default(),
                None => "no identity yet".to_owned(),
            },
        }
    }

    /// In the text format of Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                let _ = write!(
                    text,
                    "# HELP gatepass_{name} {help}\n# TYPE gatepass_{name} gauge\ngatepass_{name} {value}\n"
                );
            }
        };
        let seconds =
            |millis: i64| Duration::from_millis(millis.unsigned_abs()).as_secs_f64().copysign(sign(millis));
        let identity = self.identity.as_ref();
        let clock = self.clock.as_ref();
        gauge("up", "1 while a good identity is held.", Some(if self.is_good() { 1.0 } else { 0.0 }));
        gauge(
            "certificate_expiry_seconds",
            "When the certificate ends, seconds since 1970 by the master's clock.",
            identity.map(|i| seconds(i.certificate_until.0)),
        );
        gauge(
            "token_expiry_seconds",
            "When the token ends, seconds since 1970 by the master's clock.",
            identity.map(|i| seconds(i.token_until.0)),
        );
        gauge(
            "adopted_certificate_expiry_seconds",
            "When the certificate that somebody else made ends, seconds since 1970.",
            self.adopted.as_ref().and_then(|adopted| adopted.until).map(|until| seconds(until.0)),
        );
        gauge(
            "clock_ahead_seconds",
            "The master's clock minus this host's.",
            clock.map(|c| seconds(c.skew.ahead)),
        );
        gauge("clock_doubt_seconds", "How unsure that is.", clock.map(|c| seconds(c.skew.doubt)));
        gauge("clock_steps", "Steps of this host's clock noticed.", clock.map(|c| f64::from(c.steps)));
        let pending = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        gauge("hooks_pending", "Hooks that wait to be run.", Some(f64::from(pending)));
        gauge("failures", "Failed steps in a row.", Some(f64::from(self.failures)));
        if let Some(gateway) = &self.gateway {
            let count = |count: u64| Some(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            gauge("gateway_connections", "Connections relayed right now.", count(gateway.open));
            gauge("gateway_relayed", "Connections relayed since the start.", count(gateway.relayed));
            gauge(
                "gateway_refused",
                "Connections refused because there were too many.",
                count(gateway.refused),
            );
            gauge("gateway_stuck", "Connections for which no master could be reached.", count(gateway.stuck));
        }
        text
    }

    fn is_good(&self) -> bool {
        let good = |i: &Identity| self.now < i.certificate_until && self.now < i.token_until;
        self.identity.as_ref().is_some_and(good)
            || self.adopted.as_ref().is_some_and(|watched| watched.is_good(self.now))
    }
}

fn sign(millis: i64) -> f64 {
    if millis < 0 { -1.0 } else { 1.0 }
}

impl Identity {
    fn of(held: &Bundle) -> Self {
        Self {
            agent: held.agent(),
            generation: held.generation(),
            serial: held.chain().serial().to_owned(),
            certificate_until: held.certificate().until(),
            token_until: held.token().until(),
        }
    }
}

/// For people.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => {
                writeln!(f, "agent        {}", identity.agent)?;
                writeln!(f, "generation   {} (serial {})", identity.generation, identity.serial)?;
                writeln!(f, "certificate  {}", Ends { at: identity.certificate_until, now: self.now })?;
                writeln!(f, "token        {}", Ends { at: identity.token_until, now: self.now })?;
            }
            None => writeln!(f, "agent        none: not enrolled yet")?,
        }
        if let Some(Watched { dir, until, problem }) = &self.adopted {
            writeln!(f, "adopted      {}", dir.display())?;
            match (until, problem) {
                (Some(until), _) => writeln!(f, "certificate  {}", Ends { at: *until, now: self.now })?,
                (None, problem) => writeln!(f, "certificate  {}", problem.as_deref().unwrap_or_default())?,
            }
        }
        match &self.clock {
            Some(clock) => writeln!(f, "clock        {}: this host is {}", clock.standing, clock.skew)?,
            None => writeln!(f, "clock        not compared with a master's yet")?,
        }
        if let Some(due) = self.due {
            writeln!(f, "next         {due}, in {}", Span::from(due.since(self.now)))?;
        }
        for hook in &self.hooks {
            writeln!(f, "hook         {}: {}", hook.name, hook.detail)?;
        }
        for Pending { name, due, .. } in &self.pending {
            writeln!(f, "hook         {name}: waits until {due}, for {}", Span::from(due.since(self.now)))?;
        }
        if let Some(gateway) = &self.gateway {
            writeln!(f, "gateway      {gateway}")?;
        }
        if let Some(trouble) = &self.trouble {
            writeln!(
                f,
                "trouble      {} ({} failed in a row, last {})",
                trouble.message, self.failures, trouble.at
            )?;
            if let Some(hint) = &trouble.hint {
                writeln!(f, "hint         {hint}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for GatewayView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, listen, listening, trouble, open, relayed, refused, stuck } = self;
        match trouble {
            Some(why) => return write!(f, "{id} cannot listen on {listen}: {why}"),
            None if !listening => return write!(f, "{id} does not listen yet"),
            None => write!(f, "{id} on {listen}: {open} open, {relayed} relayed, {refused} refused")?,
        }
        if *stuck > 0 {
            write!(f, ", {stuck} given up as no master could be reached")?;
        }
        Ok(())
    }
}

struct Ends {
    at: UnixTime,
    now: UnixTime,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.now < self.at {
            write!(f, "until {}, {} left", self.at, Span::from(self.at.since(self.now)))
        } else {
            write!(f, "ended {}, {} ago", self.at, Span::from(self.now.since(self.at)))
        }
    }
}
