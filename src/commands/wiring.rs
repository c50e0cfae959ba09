//! The configuration and the command line, handed out in pieces.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::pki::Anchors;

use crate::cli::Overrides;
use crate::clock::{MasterTime, SystemClock};
use crate::config::Config;
use crate::credential::{self, NoApiKey, Source};
use crate::daemon::{Daemon, Settings};
use crate::gateway::Plan;
use crate::master::{Client, Endpoint, Trust};
use crate::net::{BadVariable, Configured, Egress};
use crate::store::{Store, StoreError};
use crate::{disguise, facts, logging};

/// A variable of the environment. That with the API key is not there any more: who needs it asks for it.
fn variable(name: &str) -> Option<PathBuf> {
    match name {
        credential::ENVIRONMENT => disguise::variable(name).map(|_| PathBuf::new()),
        _ => std::env::var_os(name).map(PathBuf::from),
    }
}

/// The configuration with what the command line says instead.
pub(super) struct Wiring {
    pub(super) file: Option<PathBuf>,
    pub(super) config: Config,
    pub(super) overrides: Overrides,
    pub(super) dir: Option<PathBuf>,
    pub(super) api_key: Option<Source>,
}

impl Wiring {
    pub(super) fn new(file: Option<&Path>, overrides: Overrides, dir: Option<PathBuf>) -> Result<Self> {
        let config = merged(Config::load(file)?, &overrides, dir.as_deref());
        let (named, configured) = (overrides.apikey_file.as_deref(), config.apikey_file.as_deref());
        let api_key = credential::find(named, configured, variable);
        Ok(Self { file: file.map(Path::to_owned), config, overrides, dir, api_key })
    }

    /// The same command line over the configuration as it is now; an error where a daemon could not begin with it.
    pub(super) fn reloaded(&self) -> Result<Self> {
        let mut anew = Self::new(self.file.as_deref(), self.overrides.clone(), self.dir.clone())?;
        if let Some(Source::Stdin(_)) = self.api_key {
            anew.api_key.clone_from(&self.api_key); // standard input has told already
        }
        anew.endpoint(&Store::open(&anew.config.state_dir)?)?;
        settings(&anew.config, None)?;
        anew.gateway()?;
        Ok(anew)
    }

    pub(super) fn begin_logging(&self) {
        logging::begin(self.config.log.format, self.config.log.level);
    }

    /// Everything a step needs, wired together.
    pub(super) fn daemon(&self, store: Store) -> Result<Daemon<Client>> {
        // What is held but cannot be read is no reason to enrol anew: it is good, and a person can mend it.
        if let Err(error @ (StoreError::Io { .. } | StoreError::Exposed { .. })) = store.current() {
            return Err(error.into());
        }
        let time = master_time();
        let endpoint = self.endpoint(&store)?;
        let settings = settings(&self.config, self.api_key.clone())?;
        Ok(Daemon::new(settings, store, Client::new(endpoint, time.clone()), time))
    }

    /// What this host relays for others, if it is to.
    pub(super) fn gateway(&self) -> Result<Option<Plan>> {
        let timeout = self.config.http.connect_timeout.duration();
        Ok(Plan::of(&self.config.gateway, &self.config.masters, self.egress()?, timeout)?)
    }

    /// The proxy, from the configuration or the environment.
    pub(super) fn egress(&self) -> Result<Egress, BadVariable> {
        let configured = Configured {
            proxy: self.config.proxy.as_ref(),
            auth_file: self.config.proxy_auth_file.as_deref(),
            exempt: &self.config.no_proxy,
        };
        Egress::find(configured, |name| std::env::var(name).ok())
    }

    pub(super) fn endpoint(&self, store: &Store) -> Result<Endpoint> {
        let config = &self.config;
        let trust = match (&config.ca_file, config.ca_fingerprint) {
            (Some(file), _) => Trust::Pinned(anchors(file)?),
            (None, Some(fingerprint)) => Trust::Fingerprint(fingerprint),
            (None, None) => self.trust(store)?,
        };
        Ok(Endpoint {
            masters: config.masters.clone(),
            trust,
            gateways: config.gateways.clone(),
            egress: self.egress()?,
            connect_timeout: config.http.connect_timeout.duration(),
            timeout: config.http.timeout.duration(),
        })
    }
}

impl Wiring {
    /// Where certificates are watched that somebody else made, there may be no API key yet.
    fn trust(&self, store: &Store) -> Result<Trust> {
        let only_watches = self.config.adopted.dir.is_some() && self.api_key.is_none();
        match trust_of_identity(store, self.api_key.as_ref()) {
            Err(error) if only_watches && error.is::<NoApiKey>() => Ok(Trust::System),
            trust => trust,
        }
    }
}

/// Who vouches for the master when nothing is configured: the anchors of the identity that is held, before there is
/// one the API key's pin.
fn trust_of_identity(store: &Store, api_key: Option<&Source>) -> Result<Trust> {
    if let Some((_, parts)) = store.current()? {
        return Ok(Trust::Pinned(Anchors::from_pem(&parts.anchors)?));
    }
    let api_key = api_key.ok_or(NoApiKey::Nowhere)?.read()?;
    Ok(Trust::Fingerprint(api_key.pin()))
}

fn anchors(file: &Path) -> Result<Anchors> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Anchors::from_pem(&text).with_context(|| format!("{} holds no certificates", file.display()))
}

pub(super) fn merged(mut config: Config, overrides: &Overrides, dir: Option<&Path>) -> Config {
    let Overrides { masters, apikey_file: _, name, ca_file, ca_fingerprint, key_kind } = overrides.clone();
    if !masters.is_empty() {
        config.masters = masters;
    }
    if ca_file.is_some() || ca_fingerprint.is_some() {
        (config.ca_file, config.ca_fingerprint) = (ca_file, ca_fingerprint);
    }
    config.name = name.or(config.name);
    config.key.kind = key_kind.unwrap_or(config.key.kind);
    config.state_dir = dir.map_or(config.state_dir, Path::to_owned);
    config
}

pub(super) fn settings(config: &Config, api_key: Option<Source>) -> Result<Settings> {
    let facts = facts::gather(Path::new("/"));
    let own_name = || {
        facts
            .host_names
            .first()
            .context("this host has no name; choose one with `name`")?
            .as_str()
            .parse()
            .context("the host name")
    };
    Ok(Settings {
        name: config.name.clone().map_or_else(own_name, Ok)?,
        facts: facts.clone(),
        key_kind: config.key.kind,
        api_key,
        policy: config.renewal.policy(),
        pace: config.renewal.pace(),
        tolerance: tolerance(config),
        outputs: config.output.clone(),
        hooks: config.hook.clone(),
        metrics_file: config.metrics_file.clone(),
        adopted: config.adopted.dir.clone(),
        alone: config.adopted.dir.is_some() && config.masters.is_empty() && config.gateways.is_empty(),
    })
}

pub(super) fn tolerance(config: &Config) -> ClockTolerance {
    ClockTolerance { warn: config.clock.warn.duration(), critical: config.clock.critical.duration() }
}

pub(super) fn master_time() -> MasterTime {
    MasterTime::new(std::sync::Arc::new(SystemClock))
}
