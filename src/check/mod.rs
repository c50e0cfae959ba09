//! Looks for everything that could go wrong, changing nothing: findings with ids that stay, each with what to do about it.
//!
//! Runs what an enrolment and a renewal run, up to the point where something would be issued: no use of an API key is
//! consumed, no agent is made, no file is written and no lock is taken.

mod archive;
mod consumers;
mod files;
mod finding;
mod id;
mod identity;
mod master;
mod redact;
mod service;
mod units;
mod ways;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::digest::Sha256;
use gatepass_contract::secret::ApiKey;
use tokio::task::JoinSet;

pub use archive::{Archive, BadArchive};
pub use finding::{Finding, Findings, Severity};
pub use id::Id;
pub use redact::Redaction;
pub use ways::Way;

use crate::bundle::Bundle;
use crate::clock::MasterTime;
use crate::credential::Source;
use crate::enrol::caller;
use crate::hooks::Hook;
use crate::master::Client;
use crate::outputs::Output;
use crate::state::State;
use crate::status::Watched;
use crate::store::{Store, StoreError};
use crate::trouble::whole;
use master::Questions;

/// What is looked at.
pub struct Subject<'a> {
    /// The configuration that was read, if it was a file.
    pub config_file: Option<&'a Path>,
    /// Files that nobody else may read.
    pub secret_files: Vec<PathBuf>,
    /// The state directory.
    pub state_dir: &'a Path,
    /// Where the API key is, if one was given.
    pub api_key: Option<&'a Source>,
    /// A client for each master, or why there is none.
    pub masters: Vec<(MasterUrl, anyhow::Result<Client>)>,
    /// What is connected to on the way to them, each once.
    pub ways: Vec<Way>,
    /// What the way is, in words.
    pub route: Vec<Finding>,
    /// How long a connection may take to stand.
    pub patience: Duration,
    /// Shared by the clients.
    pub time: MasterTime,
    /// From when on the clocks' difference is said.
    pub tolerance: ClockTolerance,
    /// Where else the bundle goes.
    pub outputs: &'a [Output],
    /// What runs after a change.
    pub hooks: &'a [Hook],
    /// Certificates that somebody else made.
    pub adopted: Option<Watched>,
    /// The machine that this is.
    pub machine: Option<Sha256>,
}

/// Looks at all of it, in the order in which an enrolment would meet it.
pub async fn look(mut subject: Subject<'_>) -> Findings {
    let mut findings = Findings::default();
    files::look(&subject, &mut findings);
    let store = opened(subject.state_dir, &mut findings);
    let held = store.as_ref().and_then(|store| identity::held(store, &mut findings));
    let state: State = store.as_ref().and_then(|store| store.load_state().ok()?).unwrap_or_default();
    findings.extend(identity::machine(&state, subject.machine));
    let api_key = api_key(subject.api_key, held.is_some(), &mut findings);
    findings.extend(std::mem::take(&mut subject.route));
    network(&mut subject, held.as_ref(), api_key, &mut findings).await;
    if let Some(held) = &held {
        identity::lifetime(held, subject.time.now(), &mut findings);
    }
    if let Some(store) = &store {
        consumers::outputs(&subject, store, &mut findings);
    }
    findings.extend(subject.adopted.as_ref().map(|adopted| identity::adopted(adopted, subject.time.now())));
    consumers::hooks(subject.hooks, &state, &mut findings).await;
    let (agent, now) = (held.as_ref().map(Bundle::agent), subject.time.clock().wall());
    service::look(&subject, agent, (&state, now), &mut findings).await;
    findings
}

/// What the files' own look has found already is not said twice.
fn opened(state_dir: &Path, findings: &mut Findings) -> Option<Store> {
    let error = match Store::open(state_dir) {
        Ok(store) => return Some(store),
        Err(error) => error,
    };
    let id = if matches!(error, StoreError::Exposed { .. }) { Id::StateExposed } else { Id::StoreUnreadable };
    if !findings.iter().any(|finding| finding.id == id) {
        findings.add(Finding::broken(id, whole(&error)));
    }
    None
}

fn api_key(source: Option<&Source>, enrolled: bool, findings: &mut Findings) -> Option<ApiKey> {
    let as_bad = if enrolled { Severity::Warning } else { Severity::Broken };
    match source.map(|source| (source, source.read())) {
        Some((source, Ok(key))) => {
            let message = format!("{} holds API key {}, correctly spelt", source.place(), key.id());
            findings.add(Finding::fine(Id::ApikeyFormat, message));
            Some(key)
        }
        Some((_, Err(error))) => {
            findings.add(Finding::broken(Id::ApikeyUnreadable, whole(&error)).as_bad_as(as_bad));
            None
        }
        None => {
            findings.add(if enrolled {
                Finding::fine(Id::ApikeyNone, "no API key is given; none is needed once enrolled")
            } else {
                Finding::broken(Id::ApikeyNone, "no API key is given and this host is not enrolled")
                    .with_hint(Some("put one into a file and name it with `apikey_file`".to_owned()))
            });
            None
        }
    }
}

/// Every place and every master at once: what does not answer is waited for once, not once each.
async fn network(
    subject: &mut Subject<'_>,
    held: Option<&Bundle>,
    api_key: Option<ApiKey>,
    findings: &mut Findings,
) {
    let (time, tolerance) = (subject.time.clone(), subject.tolerance);
    let questions = Questions { caller: held.map(caller), api_key, tolerance, time };
    let mut looks = JoinSet::new();
    for (place, way) in std::mem::take(&mut subject.ways).into_iter().enumerate() {
        let patience = subject.patience;
        looks.spawn(async move { ((0, place), ways::explore(way, patience).await) });
    }
    if subject.masters.is_empty() {
        findings.add(Finding::broken(Id::MasterNone, "no master is configured"));
    }
    for (place, (url, client)) in std::mem::take(&mut subject.masters).into_iter().enumerate() {
        let questions = questions.clone();
        looks.spawn(async move {
            let found = match client {
                Ok(client) => master::ask(url, client, questions).await,
                Err(error) => vec![Finding::broken(Id::MasterClient, format!("{url}: {error:#}"))],
            };
            ((1, place), found)
        });
    }
    let mut found = looks.join_all().await;
    found.sort_unstable_by_key(|(place, _)| *place);
    findings.extend(found.into_iter().flat_map(|(_, found)| found));
}
