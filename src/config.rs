//! The configuration file: every key has a default, unknown ones are refused with the nearest known one.
//!
//! Only `main` and `cli` import this module; every other one is handed its own typed piece.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::DisplayName;
use gatepass_contract::pki::KeyKind;
use gatepass_contract::span::Span;
use serde::{Deserialize, Serialize};

use crate::adopted;
use crate::gateway;
use crate::hooks::{self, Hook};
use crate::logging;
use crate::net::{Exemption, Place, ProxyChoice};
use crate::outputs::Output;
use crate::policy::{Pace, Percent, RenewalPolicy};

/// Where it is looked for when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/gatepass/config.toml";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `https://host:port`, tried in order.
    pub masters: Vec<MasterUrl>,
    /// What this host is to be called; its host name where absent.
    pub name: Option<DisplayName>,
    /// Where the identity lives.
    pub state_dir: PathBuf,
    /// A file with the API key.
    pub apikey_file: Option<PathBuf>,
    /// PEM certificates that may vouch for the master, instead of the API key's pin.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the one certificate, or of its public key, that may vouch for the master.
    pub ca_fingerprint: Option<Sha256>,
    /// Relays on the way to the master, `host:port`; tried in order, the last good one first.
    pub gateways: Vec<Place>,
    /// `http://proxy:port` on the way to the master, or `none`; the environment's where absent.
    pub proxy: Option<ProxyChoice>,
    /// A file with `user:password` for the proxy.
    pub proxy_auth_file: Option<PathBuf>,
    /// Who is called without the proxy.
    pub no_proxy: Vec<Exemption>,
    /// A file for the textfile collector of a Prometheus node exporter.
    pub metrics_file: Option<PathBuf>,
    /// `[key]`
    pub key: Key,
    /// `[renewal]`
    pub renewal: Renewal,
    /// `[clock]`
    pub clock: Tolerance,
    /// `[http]`
    pub http: Http,
    /// `[log]`
    pub log: Log,
    /// `[gateway]`
    pub gateway: gateway::Settings,
    /// `[adopted]`
    #[serde(skip_serializing_if = "adopted::Settings::is_nothing")]
    pub adopted: adopted::Settings,
    /// `[[output]]`
    pub output: Vec<Output>,
    /// `[[hook]]`
    #[serde(deserialize_with = "hooks::distinct")]
    pub hook: Vec<Hook>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            masters: Vec::new(),
            name: None,
            state_dir: "/var/lib/gatepass".into(),
            apikey_file: None,
            ca_file: None,
            ca_fingerprint: None,
            gateways: Vec::new(),
            proxy: None,
            proxy_auth_file: None,
            no_proxy: Vec::new(),
            metrics_file: None,
            key: Key::default(),
            renewal: Renewal::default(),
            clock: Tolerance::default(),
            http: Http::default(),
            log: Log::default(),
            gateway: gateway::Settings::default(),
            adopted: adopted::Settings::default(),
            output: Vec::new(),
            hook: Vec::new(),
        }
    }
}

/// `[key]`: what keys this host makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Key {
    /// `ecdsa-p256`, `ed25519` or `rsa3072`.
    pub kind: KeyKind,
}

/// `[renewal]`: when to renew if the master names no moment, and how often it may be called at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Renewal {
    /// Percent of the lifetime.
    pub after: Percent,
    /// Percent of the lifetime, to either side.
    pub spread: Percent,
    /// The least time between two calls.
    pub floor: Floor,
}

impl Default for Renewal {
    fn default() -> Self {
        let percent = |value| Percent::new(value).expect("a default within bounds");
        Self { after: percent(66), spread: percent(10), floor: Floor(Span::from_secs(60)) }
    }
}

impl Renewal {
    /// The decision's own piece.
    #[must_use]
    pub fn policy(&self) -> RenewalPolicy {
        RenewalPolicy { after: self.after, spread: self.spread }
    }

    /// The pace's own piece.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace { floor: self.floor.0.duration() }
    }
}

/// The least time between two calls: at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct Floor(Span);

impl TryFrom<Span> for Floor {
    type Error = &'static str;
    fn try_from(span: Span) -> Result<Self, &'static str> {
        if span.duration() < Duration::from_secs(1) {
            Err("the floor is at least 1s")
        } else {
            Ok(Self(span))
        }
    }
}

impl From<Floor> for Span {
    fn from(floor: Floor) -> Self {
        floor.0
    }
}

/// `[clock]`: from when on a difference between the clocks is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// Worth a warning.
    pub warn: Span,
    /// Worth an alarm.
    pub critical: Span,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { warn: Span::from_secs(5), critical: Span::from_secs(60) }
    }
}

/// `[http]`: how long the master may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Until a connection stands.
    pub connect_timeout: Span,
    /// Until an answer is complete.
    pub timeout: Span,
}

impl Default for Http {
    fn default() -> Self {
        Self { connect_timeout: Span::from_secs(5), timeout: Span::from_secs(30) }
    }
}

/// `[log]`: on standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: logging::Format,
    /// The least severe that is written.
    pub level: logging::Level,
}

/// Why a configuration is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// It cannot be read.
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It says something that cannot be.
    #[error("the configuration {} is not accepted: {message}{}", path.display(), near(suggestion.as_deref()))]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// With line and column.
        message: String,
        /// The nearest known key, where one was unknown.
        suggestion: Option<String>,
    },
}

fn near(suggestion: Option<&str>) -> String {
    suggestion.map(|known| format!("\ndid you mean `{known}`?")).unwrap_or_default()
}

/// The line that is not accepted is quoted; a user and password in a URL there are not.
fn masked(text: &str) -> String {
    let line = |line: &str| match (line.find("://"), line.rfind('@')) {
        (Some(begin), Some(end)) if begin < end => format!("{}***{}", &line[..begin + 3], &line[end..]),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads the file. A missing one is an error only where it was asked for by name: the defaults are enough for a
    /// host that gets the rest from its command line.
    pub fn load(named: Option<&Path>) -> Result<Self, BadConfig> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|error| BadConfig::Wrong {
                path: path.to_owned(),
                suggestion: gatepass_contract::suggest::nearest_key(error.message()),
                message: masked(error.to_string().trim_end()),
            }),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(BadConfig::Unreadable { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../config.toml.example");

    #[test]
    fn the_example_is_accepted_and_says_the_defaults() {
        let example = Config::parse(EXAMPLE).expect("the example is a configuration");
        let want = Config {
            masters: vec!["https://master.example.com:31116".parse().expect("a URL")],
            ..Config::default()
        };
        assert_eq!(example, want);
    }

    /// Every commented line `# key = value` of the example, uncommented: names every key there is.
    #[test]
    fn the_example_documents_every_key() {
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("#") {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let full =
            Config::parse(&uncommented).expect("the example stays a configuration when all of it is used");
        let written = toml::Table::try_from(&full).expect("a table");
        let example: toml::Table = uncommented.parse().expect("a table");
        assert_eq!(keys(&written, ""), keys(&example, ""));
    }

    fn keys(table: &toml::Table, under: &str) -> std::collections::BTreeSet<String> {
        let mut all = std::collections::BTreeSet::new();
        for (key, value) in table {
            let path = format!("{under}{key}");
            match value {
                toml::Value::Table(inner) => all.extend(keys(inner, &format!("{path}."))),
                toml::Value::Array(items) => {
                    let tables = items.iter().filter_map(toml::Value::as_table);
                    all.extend(tables.flat_map(|inner| keys(inner, &format!("{path}[]."))));
                }
                toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_) => {}
            }
            all.insert(path);
        }
        all
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let dir = tempfile::tempdir().expect("a directory");
        for (text, want) in [
            ("mastres = []", Some("masters")),
            ("[renewal]\nflor = '1min'", Some("floor")),
            ("[renewal]\nafter = 96", None),
        ] {
            let path = dir.path().join("config.toml");
            std::io::Write::write_all(&mut std::fs::File::create(&path).expect("a file"), text.as_bytes())
                .expect("written");
            let error = Config::load(Some(&path)).expect_err("refused");
            let BadConfig::Wrong { suggestion, .. } = &error else { panic!("{error}") };
            assert_eq!(suggestion.as_deref(), want, "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config.toml");
        for text in [
            "proxy = 'http://user:hunter2@p:1'",
            "masters = ['https://user:hunter2@m']",
            "proxy = 'http://u:a@hunter2 x@p",
        ] {
            std::io::Write::write_all(&mut std::fs::File::create(&path).expect("a file"), text.as_bytes())
                .expect("written");
            let error = Config::load(Some(&path)).expect_err("refused");
            let said = format!("{error} {error:?}");
            assert!(said.contains("not accepted") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn bare_numbers_and_tiny_floors_are_refused() {
        for text in [
            "[http]\ntimeout = 30",
            "[renewal]\nfloor = '500ms'",
            "[renewal]\nafter = 0",
            "log = { level = 'trace' }",
            "hook = [{ name = 'a', run = ['/a'] }, { name = 'a', run = ['/b'] }]",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }
}
