//! Looks for everything that could go wrong, changing nothing: numbered findings with ids that stay.

use std::fmt;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::span::Span;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::ClockStanding;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::clock::MasterTime;
use crate::credential::Source;
use crate::enrol::caller;
use crate::master::{Client, Master as _};
use crate::outputs::Output;
use crate::store::Store;
use crate::trouble::whole;

/// What is looked at.
pub struct Subject<'a> {
    /// The state directory.
    pub store: &'a Store,
    /// Where the API key is, if one was given.
    pub api_key: Option<&'a Source>,
    /// A client for each master, or why there is none.
    pub masters: Vec<(MasterUrl, anyhow::Result<Client>)>,
    /// Shared by those clients.
    pub time: MasterTime,
    /// From when on the clocks' difference is said.
    pub tolerance: ClockTolerance,
    /// Where else the bundle goes.
    pub outputs: &'a [Output],
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It works, and something is worth a look.
    Warning,
    /// It does not work, or soon will not.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stays the same from version to version.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Everything that was looked at, in the order in which an enrolment would meet it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The worst of it.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.0.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine)
    }

    fn add(
        &mut self,
        id: &'static str,
        severity: Severity,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.0.push(Finding { id, severity, message: message.into(), hint });
    }

    fn fine(&mut self, id: &'static str, message: impl Into<String>) {
        self.add(id, Severity::Fine, message, None);
    }
}

/// Looks at all of it. Calls each master, with the identity that is held if there is one, and issues nothing.
pub async fn look(subject: Subject<'_>) -> Findings {
    let mut findings = Findings::default();
    let held = identity(&subject, &mut findings);
    api_key(&subject, held.is_some(), &mut findings);
    if subject.masters.is_empty() {
        findings.add(
            "master.none",
            Severity::Broken,
            "no master is configured",
            Some("name one: masters = [\"https://host:31116\"]".to_owned()),
        );
    }
    for (url, client) in &subject.masters {
        match client {
            Ok(client) => master(url, client, &subject, held.as_ref(), &mut findings).await,
            Err(error) => findings.add("master.client", Severity::Broken, format!("{url}: {error:#}"), None),
        }
    }
    lifetime(held.as_ref(), subject.time.now(), &mut findings);
    copies(&subject, &mut findings);
    findings
}

fn identity(subject: &Subject<'_>, findings: &mut Findings) -> Option<Bundle> {
    let root = subject.store.root().display();
    match subject.store.current().map(|current| current.map(|(_, parts)| Bundle::recall(parts))) {
        Ok(None) => {
            findings.add("identity.none", Severity::Warning, format!("{root} holds no identity yet"), None);
        }
        Ok(Some(Ok(bundle))) => {
            findings.fine(
                "identity.fits",
                format!(
                    "agent {}, generation {}: key, chain and token belong together",
                    bundle.agent(),
                    bundle.generation()
                ),
            );
            return Some(bundle);
        }
        Ok(Some(Err(error))) => findings.add(
            "identity.unfit",
            Severity::Broken,
            whole(&error),
            Some("run `gatepass download` to enrol anew".to_owned()),
        ),
        Err(error) => findings.add(
            "store.unreadable",
            Severity::Broken,
            whole(&error),
            Some(format!("look at the owner and mode of {root}")),
        ),
    }
    None
}

fn api_key(subject: &Subject<'_>, enrolled: bool, findings: &mut Findings) {
    match subject.api_key.map(|source| (source, source.read())) {
        Some((source, Ok(key))) => findings
            .fine("apikey.format", format!("{} holds API key {}, correctly spelt", source.place(), key.id())),
        Some((_, Err(error))) if enrolled => {
            findings.add("apikey.unreadable", Severity::Warning, whole(&error), None);
        }
        Some((_, Err(error))) => findings.add("apikey.unreadable", Severity::Broken, whole(&error), None),
        None if enrolled => findings.fine("apikey.none", "no API key is given; none is needed once enrolled"),
        None => findings.add(
            "apikey.none",
            Severity::Broken,
            "no API key is given and this host is not enrolled",
            Some("put one into a file and name it with `apikey_file`".to_owned()),
        ),
    }
}

async fn master(
    url: &MasterUrl,
    client: &Client,
    subject: &Subject<'_>,
    held: Option<&Bundle>,
    findings: &mut Findings,
) {
    let skew = match client.probe().await {
        Ok(skew) => skew,
        Err(error) => {
            return findings.add(
                "master.unreachable",
                Severity::Broken,
                format!("{url}: {}", whole(&error)),
                error.hint(),
            );
        }
    };
    subject.time.observe(skew);
    findings.fine(
        "master.verified",
        format!("{url} answers and is who it should be (round trip {})", Span::from(skew.round_trip())),
    );
    let (severity, hint) = match subject.tolerance.standing(skew) {
        ClockStanding::Agree => (Severity::Fine, None),
        ClockStanding::Unsure => {
            (Severity::Warning, Some("the network is too slow to compare the clocks".to_owned()))
        }
        ClockStanding::Warn | ClockStanding::Critical => (
            Severity::Warning,
            Some(
                "nothing here depends on it, other programs may: correct the clock that is wrong".to_owned(),
            ),
        ),
    };
    findings.add("clock", severity, format!("this host's clock is {skew}"), hint);
    let Some(held) = held else { return };
    match client.me(&caller(held)).await {
        Ok(me) => findings
            .fine("identity.accepted", format!("{url} knows this agent as {} ({})", me.name, me.state)),
        Err(error) => findings.add(
            "identity.refused",
            Severity::Broken,
            format!("{url}: {}", whole(&error)),
            error.hint(),
        ),
    }
}

/// Time to death: when this agent would stop working if the master were down from now on.
fn lifetime(held: Option<&Bundle>, now: UnixTime, findings: &mut Findings) {
    let Some(held) = held else { return };
    for (id, what, until) in [
        ("identity.certificate", "certificate", held.certificate().until()),
        ("identity.token", "token", held.token().until()),
    ] {
        if now < until {
            findings.fine(
                id,
                format!("the {what} would last for {} without the master", Span::from(until.since(now))),
            );
        } else {
            findings.add(
                id,
                Severity::Broken,
                format!("the {what} ended {} ago", Span::from(now.since(until))),
                Some("is the daemon running?".to_owned()),
            );
        }
    }
}

fn copies(subject: &Subject<'_>, findings: &mut Findings) {
    let Ok(Some((_, parts))) = subject.store.current() else { return };
    for output in subject.outputs {
        let dir = output.dir().display();
        let hint = Some("is the daemon running, and may it write there?".to_owned());
        match output.holds(&parts) {
            Ok(true) => findings.fine("output.current", format!("{dir} holds the current identity")),
            Ok(false) => findings.add(
                "output.stale",
                Severity::Warning,
                format!("{dir} does not hold the current identity"),
                hint,
            ),
            Err(error) => findings.add("output.impossible", Severity::Broken, whole(&error), None),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            let mark = match finding.severity {
                Severity::Fine => "ok",
                Severity::Warning => "warn",
                Severity::Broken => "fail",
            };
            writeln!(f, "{:>2} {mark:<4} {:<20} {}", number + 1, finding.id, finding.message)?;
            if let Some(hint) = &finding.hint {
                writeln!(f, "   {:25} -> {hint}", "")?;
            }
        }
        Ok(())
    }
}
