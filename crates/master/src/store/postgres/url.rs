//! Where the server is, as its users write it: `postgresql://user@host:5432/database?sslmode=verify-full`.
//!
//! Invariant: no password in what can be shown or written.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::postgres::config::{Host, SslMode, TargetSessionAttrs};
use ::postgres::{Client, Config, NoTls};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::tls::{Encrypted, Judged};
use crate::store::sql::Result;

/// Where the server is and who we are there. A clone costs nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PostgresUrl(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    /// Without the password.
    text: String,
    config: Config,
    encryption: Option<Judged>,
}

/// Why it is none.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// Something else altogether.
    #[error("a database URL looks like postgresql://user@host:5432/database")]
    Scheme,
    /// A mode that promises nothing, or none that exists.
    #[error("`sslmode` is verify-full (the default), require or disable")]
    Mode,
    /// Some other part.
    #[error("the database URL cannot be used: {0}")]
    Part(String),
}

impl FromStr for PostgresUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        let scheme = ["postgresql://", "postgres://"].into_iter().find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or(BadUrl::Scheme)?;
        let (base, parameters) = text.split_once('?').unwrap_or((text, ""));
        let parameters: Vec<_> = parameters.split('&').filter(|part| !part.is_empty()).collect();
        let (ours, theirs): (Vec<&str>, Vec<&str>) = parameters
            .iter()
            .partition(|part| part.starts_with("sslmode=") || part.starts_with("sslrootcert="));
        let config: Config = joined(base, &theirs).parse().map_err(|error| BadUrl::Part(reason(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(BadUrl::Part("it names no host".to_owned()));
        }
        let encryption = encryption(&config, &ours)?;
        let shown: Vec<_> = parameters.into_iter().filter(|part| !part.starts_with("password=")).collect();
        let text = joined(&without_password(base, scheme), &shown);
        Ok(Self(Arc::new(Parts { text, config, encryption })))
    }
}

fn joined(base: &str, parameters: &[&str]) -> String {
    if parameters.is_empty() { base.to_owned() } else { format!("{base}?{}", parameters.join("&")) }
}

fn without_password(base: &str, scheme: &str) -> String {
    let rest = &base[scheme.len()..];
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}{user}@{host}{path}")
        }
        None => base.to_owned(),
    }
}

/// The library's words and causes; it quotes names of parameters, never their values.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A socket in the file system needs none. Everything else is encrypted unless the URL says otherwise.
fn encryption(config: &Config, ours: &[&str]) -> std::result::Result<Option<Judged>, BadUrl> {
    let value = |key: &str| ours.iter().rev().find_map(|part| part.strip_prefix(key));
    let roots = value("sslrootcert=").filter(|path| *path != "system");
    let roots = roots.map(|path| PathBuf::from(percent_decode_str(path).decode_utf8_lossy().as_ref()));
    let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    match value("sslmode=") {
        Some("disable") => Ok(None),
        None | Some("verify-full" | "require") if is_local && config.get_hostaddrs().is_empty() => Ok(None),
        None | Some("verify-full") => Ok(Some(Judged::Fully { roots })),
        Some("require") if roots.is_some() => Ok(Some(Judged::Fully { roots })),
        Some("require") => Ok(Some(Judged::NotAtAll)),
        Some(_) => Err(BadUrl::Mode),
    }
}

impl PostgresUrl {
    /// Whether the URL itself had one.
    #[must_use]
    pub fn password(&self) -> Option<&[u8]> {
        self.0.config.get_password()
    }

    /// With a password from elsewhere.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        Arc::make_mut(&mut self.0).config.password(password);
        self
    }

    pub(super) fn connect(&self) -> Result<Client> {
        let mut config = self.0.config.clone();
        config
            .application_name("gatepass-master")
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(2 * PATIENCE)
            .keepalives_idle(PATIENCE)
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        Ok(match &self.0.encryption {
            None => config.ssl_mode(SslMode::Disable).connect(NoTls)?,
            Some(judged) => config.ssl_mode(SslMode::Require).connect(Encrypted::new(judged)?)?,
        })
    }
}

/// For each address of the server.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.0.text).finish()
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.password() == other.password()
    }
}

impl Eq for PostgresUrl {}

impl TryFrom<String> for PostgresUrl {
    type Error = BadUrl;
    fn try_from(text: String) -> std::result::Result<Self, BadUrl> {
        text.parse()
    }
}

impl From<PostgresUrl> for String {
    fn from(url: PostgresUrl) -> Self {
        url.0.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_and_never_shown() {
        for (given, shown) in [
            ("postgresql://me:s3cr%2Ft@db/gate", "postgresql://me@db/gate"),
            (
                "postgres://me:s3cr%2Ft@db:1,other:2/gate?sslmode=require",
                "postgres://me@db:1,other:2/gate?sslmode=require",
            ),
            (
                "postgresql://me@db/gate?password=s3cr%2Ft&sslmode=disable",
                "postgresql://me@db/gate?sslmode=disable",
            ),
        ] {
            let url: PostgresUrl = given.parse().expect(given);
            assert_eq!(url.password(), Some(&b"s3cr/t"[..]), "{given}");
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cr"), "{url:?}");
        }
    }

    #[test]
    fn what_is_not_local_is_encrypted_unless_it_says_otherwise() {
        let full = |roots: Option<&str>| Some(Judged::Fully { roots: roots.map(PathBuf::from) });
        for (given, want) in [
            ("postgresql://db/gate", full(None)),
            ("postgresql://127.0.0.1/gate?sslrootcert=system", full(None)),
            ("postgresql://db/gate?sslrootcert=%2Fetc/ca.pem", full(Some("/etc/ca.pem"))),
            ("postgresql://db/gate?sslmode=require&sslrootcert=/etc/ca.pem", full(Some("/etc/ca.pem"))),
            ("postgresql://db/gate?sslmode=require", Some(Judged::NotAtAll)),
            ("postgresql://db/gate?sslmode=disable", None),
            ("postgresql://%2Fvar%2Frun%2Fpostgresql/gate", None),
            ("postgresql:///gate?host=/var/run/postgresql", None),
        ] {
            assert_eq!(given.parse::<PostgresUrl>().expect(given).0.encryption, want, "{given}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_the_password() {
        for (given, want) in [
            ("mysql://me:s3cret@db/gate", "looks like postgresql://"),
            ("postgresql://me:s3cret@db/gate?sslmode=prefer", "verify-full"),
            ("postgresql://me:s3cret@db/gate?sslmode=verify-ca", "verify-full"),
            ("postgresql://me:s3cret@/gate", "no host"),
            ("postgresql://me:s3cret@db/gate?colour=red", "colour"),
            ("postgresql://me:s3cret@db:port/gate", "port"),
        ] {
            let error = given.parse::<PostgresUrl>().expect_err(given).to_string();
            assert!(error.contains(want) && !error.contains("s3cret"), "{given}: {error}");
        }
    }
}
