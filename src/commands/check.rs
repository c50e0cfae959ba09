//! `check`: the masters one by one, and everything on this side.

use std::path::{Path, PathBuf};

use anyhow::Result;
use gatepass_contract::address::MasterUrl;
use gatepass_contract::name::MASTER_BEHIND_GATEWAY;
use zeroize::Zeroizing;

use super::wiring::{Wiring, master_time, tolerance};
use super::{Exit, answer, status_now, talk};
use crate::check::{self, Archive, Finding, Findings, Id, Redaction, Severity, Subject, Way};
use crate::cli::Overrides;
use crate::config::{BadConfig, Config, DEFAULT_PATH};
use crate::credential::{ENVIRONMENT, Source};
use crate::master::{Client, Endpoint};
use crate::net::{Place, ProxyChoice, ProxyUrl};
use crate::store::Store;
use crate::trouble::whole;
use crate::{adopted, facts};

pub(super) async fn check(file: Option<&Path>, bundle: Option<&Path>, json: bool) -> Result<Exit> {
    let wiring = Wiring::new(file, Overrides::default(), None);
    let findings = match &wiring {
        Ok(wiring) => check::look(subject(wiring)).await,
        Err(error) => unreadable(error).unwrap_or_default(),
    };
    let wiring = match wiring {
        Err(error) if findings.iter().next().is_none() => return Err(error),
        wiring => wiring.ok(),
    };
    answer(&findings, json)?;
    if let Some(bundle) = bundle {
        archive(wiring.as_ref(), &findings).await.write(bundle)?;
        talk(&format!("{} is the support archive; read it before you pass it on", bundle.display()));
    }
    Ok(match findings.worst() {
        Severity::Fine => Exit::Done,
        Severity::Warning => Exit::Later,
        Severity::Broken => Exit::Human,
    })
}

/// What a configuration that is not accepted amounts to.
fn unreadable(error: &anyhow::Error) -> Option<Findings> {
    let bad = error.downcast_ref::<BadConfig>()?;
    let id = match bad {
        BadConfig::Unreadable { .. } => Id::ConfigUnreadable,
        BadConfig::Wrong { .. } => Id::ConfigWrong,
    };
    Some(Finding::broken(id, whole(bad)).into())
}

fn subject(wiring: &Wiring) -> Subject<'_> {
    let config = &wiring.config;
    let (ways, route) = ways(wiring);
    let time = master_time();
    let endpoint =
        Store::open(&config.state_dir).map_err(Into::into).and_then(|store| wiring.endpoint(&store));
    let client = |url: &MasterUrl| {
        let endpoint = endpoint.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Client::new(Endpoint { masters: vec![url.clone()], ..endpoint.clone() }, time.clone()))
    };
    Subject {
        config_file: config_file(wiring.file.as_deref()),
        secret_files: secret_files(wiring),
        state_dir: &config.state_dir,
        api_key: wiring.api_key.as_ref(),
        masters: masters(config).into_iter().map(|url| (url.clone(), client(&url))).collect(),
        ways,
        route,
        patience: config.http.connect_timeout.duration(),
        time: time.clone(),
        tolerance: tolerance(config),
        outputs: &config.output,
        hooks: &config.hook,
        adopted: config.adopted.dir.as_deref().map(adopted::watched),
        machine: facts::gather(Path::new("/")).machine,
    }
}

/// Behind a gateway the master may have a name that nobody here knows.
fn masters(config: &Config) -> Vec<MasterUrl> {
    if config.masters.is_empty() && !config.gateways.is_empty() {
        let reserved = format!("https://{MASTER_BEHIND_GATEWAY}");
        return vec![reserved.parse().expect("a URL of ours")];
    }
    config.masters.clone()
}

fn config_file(named: Option<&Path>) -> Option<&Path> {
    named.or_else(|| Some(Path::new(DEFAULT_PATH)).filter(|file| file.exists()))
}

fn secret_files(wiring: &Wiring) -> Vec<PathBuf> {
    let key = match &wiring.api_key {
        Some(Source::File(path)) => Some(path.clone()),
        Some(Source::Stdin(_) | Source::Environment) | None => None,
    };
    key.into_iter().chain(wiring.config.proxy_auth_file.clone()).collect()
}

/// What is connected to, and why that.
fn ways(wiring: &Wiring) -> (Vec<Way>, Vec<Finding>) {
    let config = &wiring.config;
    if !config.gateways.is_empty() {
        let listed: Vec<_> = config.gateways.iter().map(ToString::to_string).collect();
        let message = format!("the masters are called through gateways: {}", listed.join(", "));
        let ways = config.gateways.iter().map(|place| way("gateway", place)).collect();
        return (ways, vec![Finding::fine(Id::GatewayUsed, message)]);
    }
    // What the environment says wrongly stands with the clients: there are none then.
    let egress = wiring.egress().unwrap_or_default();
    let (mut ways, mut route) = (Vec::new(), Vec::new());
    for url in &config.masters {
        let Some(place) = Place::of(&url.at("/")) else { continue };
        let proxy = egress.proxy_to(&place).map(|proxy| &proxy.url);
        let next = proxy.map_or_else(|| way("master", &place), |proxy| way("proxy", &proxy.place));
        route.push(why(url, proxy, config.proxy.as_ref()));
        if !ways.contains(&next) {
            ways.push(next);
        }
    }
    (ways, route)
}

/// Which proxy, and who says so.
fn why(url: &MasterUrl, used: Option<&ProxyUrl>, configured: Option<&ProxyChoice>) -> Finding {
    let named = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let in_environment =
        || named.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    match (used, configured) {
        (Some(proxy), Some(_)) => {
            Finding::fine(Id::ProxyUsed, format!("{url} is called through {proxy}: it is configured"))
        }
        (Some(proxy), None) => {
            let name = in_environment().unwrap_or(&named[0]);
            Finding::fine(
                Id::ProxyUsed,
                format!("{url} is called through {proxy}: {name} in the environment says so"),
            )
        }
        (None, Some(ProxyChoice::Off)) => {
            Finding::fine(Id::ProxyNone, format!("{url} is called without a proxy: so it is configured"))
        }
        (None, Some(ProxyChoice::Of(_))) => {
            Finding::fine(Id::ProxyNone, format!("{url} is called without the proxy: `no_proxy` exempts it"))
        }
        (None, None) => match in_environment() {
            Some(_) => Finding::fine(
                Id::ProxyNone,
                format!("{url} is called without the environment's proxy: `no_proxy` exempts it"),
            ),
            None => Finding::fine(Id::ProxyNone, format!("{url} is called without a proxy")),
        },
    }
}

fn way(what: &'static str, place: &Place) -> Way {
    Way { what, host: place.host().to_owned(), port: place.port() }
}

/// Everything that somebody who helps may see.
async fn archive(wiring: Option<&Wiring>, findings: &Findings) -> Archive {
    let mut archive = Archive::new(secrets(wiring));
    archive.add_versions();
    archive.add("findings.txt", &findings.to_string());
    archive.add("findings.json", &serde_json::to_string_pretty(findings).unwrap_or_default());
    let Some(Wiring { config, file, .. }) = wiring else { return archive };
    let file = config_file(file.as_deref());
    archive.add("config.toml", &without_arguments(config));
    if let Ok(status) = status_now(config) {
        archive.add("status.txt", &status.to_string());
        archive.add("status.json", &serde_json::to_string_pretty(&status).unwrap_or_default());
    }
    let mut places: Vec<&Path> = file.and_then(Path::parent).into_iter().collect();
    places.push(&config.state_dir);
    places.extend(config.output.iter().map(crate::outputs::Output::dir));
    archive.add_listing(&places);
    archive.add_unit(file, &config.state_dir).await;
    archive
}

/// What is known to be secret here, so that it is taken out wherever it stands.
fn secrets(wiring: Option<&Wiring>) -> Redaction {
    let mut redaction = Redaction::default();
    if let Ok(key) = std::env::var(ENVIRONMENT) {
        redaction.know(&Zeroizing::new(key));
    }
    let Some(wiring) = wiring else { return redaction };
    if let Some(Ok(key)) = wiring.api_key.as_ref().map(Source::read) {
        redaction.know(&key.reveal());
    }
    if let Some(Ok(pair)) = wiring.config.proxy_auth_file.as_ref().map(std::fs::read_to_string) {
        let pair = Zeroizing::new(pair);
        redaction.know(&pair);
        redaction.know(pair.split_once(':').map_or("", |(_, password)| password));
    }
    if let Ok(Some((_, parts))) = Store::open(&wiring.config.state_dir).and_then(|store| store.current()) {
        redaction.know(&parts.key);
        redaction.know(&parts.token);
    }
    redaction
}

/// The configuration in force. What hooks are called with may be anything, and is left out.
fn without_arguments(config: &Config) -> String {
    let Ok(mut table) = toml::Table::try_from(config) else { return String::new() };
    let hooks = table.get_mut("hook").and_then(toml::Value::as_array_mut);
    for hook in hooks.into_iter().flatten() {
        let words = hook.get_mut("run").and_then(toml::Value::as_array_mut);
        for argument in words.into_iter().flatten().skip(1) {
            *argument = "[argument]".into();
        }
    }
    toml::to_string(&table).unwrap_or_default()
}
