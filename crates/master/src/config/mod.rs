//! `master.toml`: every key has a default, unknown ones are refused with the nearest known one.
//!
//! Only `main`, `cli` and `init` import this module; every other one is handed its own typed piece.

mod audit;
mod database;
mod keys;
mod limits;
mod notices;
mod people;
mod values;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::address::DEFAULT_PORT;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::name::HostName;
use gatepass_contract::span::Span;
use gatepass_contract::suggest::nearest_key;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::admission::Capacity;
use crate::domain::apikey::ExpiryPolicy;
use crate::domain::approval::ApprovalPolicy;
use crate::domain::profile;
use crate::http::{BodyLimits, Policy};
use crate::server;

pub use audit::{Audit, Retention};
pub use database::{DatabaseConfig, NoPassword};
pub use keys::Keys;
pub use limits::{Limits, Log, Metrics, Reports};
pub use notices::{Notices, Surroundings};
pub use people::{MinLength, Passwords, Tokens};
pub use values::{JwtAlgorithm, Lifetime, LogFormat, LogLevel, ServerName, Workers};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where connections are accepted.
    pub listen: SocketAddr,
    /// What agents call the master; the names in its certificate.
    pub names: Vec<ServerName>,
    /// `iss` of the tokens; `https://` and the first name where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The authority of the agents' SPIFFE ids.
    pub trust_domain: HostName,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that answer requests.
    pub workers: Workers,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[profile]`
    pub profile: Profile,
    /// `[keys]`
    pub keys: Keys,
    /// `[approval]`
    pub approval: ApprovalPolicy,
    /// `[tokens]`
    pub tokens: Tokens,
    /// `[passwords]`
    pub passwords: Passwords,
    /// `[limits]`
    pub limits: Limits,
    /// `[reports]`
    pub reports: Reports,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[audit]`
    pub audit: Audit,
    /// `[notices]`
    pub notices: Notices,
    /// `[log]`
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), DEFAULT_PORT),
            names: vec![ServerName::Host("localhost".parse().expect("a host name"))],
            issuer: None,
            trust_domain: "gatepass".parse().expect("a host name"),
            trusted_proxies: Vec::new(),
            workers: Workers(2),
            database: DatabaseConfig::default(),
            profile: Profile::default(),
            keys: Keys::default(),
            approval: ApprovalPolicy::default(),
            tokens: Tokens::default(),
            passwords: Passwords::default(),
            limits: Limits::default(),
            reports: Reports::default(),
            metrics: Metrics::default(),
            audit: Audit::default(),
            notices: Notices::default(),
            log: Log::default(),
        }
    }
}

/// `[profile]`: what the master puts into certificates and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// How long a certificate is good.
    pub lifetime: Lifetime,
    /// How long a token is good.
    pub token_lifetime: Lifetime,
    /// How long before its making a certificate begins to be good.
    pub backdate: Span,
    /// For how long an ended certificate still renews.
    pub grace: Span,
    /// Host names granted to whoever claims them.
    pub host_names: Vec<String>,
    /// Addresses granted to whoever claims them.
    pub networks: Vec<IpNet>,
    /// `aud` of the tokens.
    pub audience: Vec<String>,
    /// The kind of the key that signs tokens; read when the master is set up.
    pub jwt_algorithm: JwtAlgorithm,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            lifetime: Lifetime(days(7)),
            token_lifetime: Lifetime(Span::from_secs(3600)),
            backdate: Span::from_secs(60),
            grace: days(30),
            host_names: Vec::new(),
            networks: Vec::new(),
            audience: vec!["gatepass".to_owned()],
            jwt_algorithm: JwtAlgorithm::Es256,
        }
    }
}

const fn days(count: u64) -> Span {
    Span::from_secs(count * 86_400)
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Missing, or not readable for this user.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not what the file may hold.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: String,
        /// With line and column.
        message: String,
        /// A key that may have been meant.
        meant: Option<String>,
    },
    /// Each value is fine, together they are not.
    #[error("{path}: {0}", .message)]
    Together {
        /// The file.
        path: String,
        /// What does not fit.
        message: &'static str,
    },
}

impl Config {
    /// Reads the file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let shown = || path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: shown(), source })?;
        Self::parse(&text, &shown())
    }

    /// Reads the file's content; `path` is for the messages.
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let path = path.to_owned();
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.clone(),
            message: database::redacted(error.to_string().trim_end()),
            meant: nearest_key(error.message()),
        })?;
        match config.contradiction() {
            Some(message) => Err(ConfigError::Together { path, message }),
            None => Ok(config),
        }
    }

    fn contradiction(&self) -> Option<&'static str> {
        if self.names.is_empty() {
            Some("`names` needs at least one name, agents must call the master something")
        } else if self.limits.connections == 0 || self.limits.issuing == 0 || self.limits.failed_attempts == 0
        {
            Some("`limits.connections`, `limits.issuing` and `limits.failed_attempts` are at least 1")
        } else if self.reports.clock_warn > self.reports.clock_critical {
            Some("`reports.clock_warn` is larger than `reports.clock_critical`")
        } else if self.reports.every < Span::from_secs(1) {
            Some("`reports.every` is at least 1s")
        } else {
            self.keys.contradiction().or_else(|| self.notices.contradiction())
        }
    }

    /// As a file: what differs from the defaults, and always what is particular to this master.
    #[must_use]
    pub fn to_file_content(&self) -> String {
        let table = |config: &Self| toml::Table::try_from(config).expect("a configuration can be written");
        let mut own = table(self);
        without_defaults(&mut own, &table(&Self { names: Vec::new(), ..Self::default() }));
        own.insert("listen".to_owned(), self.listen.to_string().into());
        own.insert("trust_domain".to_owned(), self.trust_domain.as_str().into());
        own.insert("issuer".to_owned(), self.issuer().into());
        format!("{HEAD}{own}")
    }

    /// `iss` of the tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("https://{}", self.names[0]))
    }

    /// The address people and agents type.
    #[must_use]
    pub fn url(&self, port: u16) -> String {
        format!("https://{}:{port}", self.names[0])
    }

    /// What the certificates' and tokens' content is decided by.
    #[must_use]
    pub fn profile(&self) -> profile::Profile {
        let own = &self.profile;
        profile::Profile {
            trust_domain: self.trust_domain.clone(),
            issuer: self.issuer(),
            audience: own.audience.clone(),
            lifetime: own.lifetime.0.duration(),
            token_lifetime: own.token_lifetime.0.duration(),
            backdate: own.backdate.duration(),
            grace: own.grace.duration(),
            host_names: own.host_names.clone(),
            networks: own.networks.clone(),
        }
    }

    /// The server's piece.
    #[must_use]
    pub fn server_limits(&self) -> server::Limits {
        server::Limits {
            connections: self.limits.connections,
            handshake: self.limits.handshake_timeout.duration(),
            header: self.limits.header_timeout.duration(),
            idle: self.limits.idle_timeout.duration(),
            drain: DRAIN,
        }
    }

    /// The interface's piece.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            profile: self.profile(),
            keys: Arc::new(self.keys.rules(&self.approval)),
            advance_notice: self.keys.advance_notice.duration(),
            clock_tolerance: ClockTolerance {
                warn: self.reports.clock_warn.duration(),
                critical: self.reports.clock_critical.duration(),
            },
            report_every: self.reports.every.duration(),
            body: BodyLimits { bytes: self.limits.request_bytes, time: self.limits.body_timeout.duration() },
            trusted_proxies: self.trusted_proxies.clone(),
            metrics_networks: self.metrics.networks.clone(),
            annotations: self.audit.annotation_required.clone(),
            token_expiry: ExpiryPolicy {
                default: self.tokens.default_expiry.duration(),
                never: self.tokens.allow_never,
                longest: None,
            },
            session: self.tokens.session.0.duration(),
            shortest_password: self.passwords.min_length.into(),
            failed_attempts: self.limits.failed_attempts,
        }
    }

    /// The gate's piece.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        Capacity { issuing: self.limits.issuing, waiting: self.limits.queue }
    }
}

const HEAD: &str = "# A Gatepass master. Keys that are not here have their defaults;\n\
    # `gatepass-master config show` prints them all, master.toml.example explains them.\n\n";

fn without_defaults(table: &mut toml::Table, defaults: &toml::Table) {
    table.retain(|key, value| {
        let default = defaults.get(key);
        if let (toml::Value::Table(inner), Some(toml::Value::Table(default))) = (&mut *value, default) {
            without_defaults(inner, default);
            return !inner.is_empty();
        }
        default != Some(&*value)
    });
}

/// For what is under way when the master is told to end.
const DRAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../packaging/master.toml.example");

    #[test]
    fn the_example_names_every_key_with_its_default() {
        let example = Config::parse(EXAMPLE, "example").expect("the example is valid");
        let default = Config::default();
        assert_eq!(example.issuer(), default.issuer());
        assert_eq!(Config { issuer: None, ..example }, default);
        let written = toml::to_string(&default).expect("defaults can be written");
        for key in written.lines().filter(|line| !line.is_empty()) {
            let key = key.split(" =").next().expect("a first part");
            assert!(EXAMPLE.lines().any(|line| line.starts_with(key)), "{key} is not in the example");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_what_was_meant_suggested() {
        for (text, want, meant) in [
            ("lisen = \"[::]:1\"", "unknown field `lisen`", Some("listen")),
            ("[profile]\nlifetme = \"7d\"", "unknown field `lifetme`", Some("lifetime")),
            ("[profile]\nlifetime = 7", "invalid type", None),
            ("[profile]\nlifetime = \"7\"", "is not a duration", None),
            ("[profile]\nlifetime = \"1s\"", "a lifetime is 10s to 10y", None),
            ("names = [\"UPPER\"]", "is not a host name", None),
            ("names = []", "at least one name", None),
            ("workers = 0", "1 to 256", None),
            ("[passwords]\nmin_length = 8", "10 to 128", None),
            ("[limits]\nfailed_attempts = 0", "at least 1", None),
            ("[audit]\nretention = \"400\"", "never", None),
            ("[audit]\nretention = \"1h\"", "a day at least", None),
            ("[audit]\nannotation_required = [\"key.revok\"]", "names no change", None),
            ("[database]\nurl = \"mysql://db/x\"", "looks like postgresql://", None),
            ("[approval]\ncreation = [\"sevice\"]", "or a kind of key", None),
            ("[keys]\nlongest = \"90d\"", "larger than `keys.longest`", None),
            ("[reports]\nclock_warn = \"2min\"", "larger than", None),
        ] {
            let error = Config::parse(text, "master.toml").expect_err(text);
            assert!(error.to_string().contains(want), "{text}: {error}");
            let got = if let ConfigError::Parse { meant, .. } = &error { meant.as_deref() } else { None };
            assert_eq!(got, meant, "{text}");
        }
    }
}
