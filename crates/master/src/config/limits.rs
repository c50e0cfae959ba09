//! `[limits]`, `[reports]`, `[metrics]` and `[log]`: how much, how often, to whom and how loud.

use gatepass_contract::span::Span;
use gatepass_contract::wire::MAX_REQUEST_BYTES;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::values::{LogFormat, LogLevel};

/// `[limits]`: bounds on what strangers can make the master hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// Certificates signed at once.
    pub issuing: usize,
    /// Requests that wait for that.
    pub queue: usize,
    /// For a TLS handshake.
    pub handshake_timeout: Span,
    /// For a request's head.
    pub header_timeout: Span,
    /// For a request's body.
    pub body_timeout: Span,
    /// Without anything moving on a connection.
    pub idle_timeout: Span,
    /// The largest request body.
    pub request_bytes: usize,
    /// Attempts a minute to show who one is that may fail, for each address and for each API key or user.
    pub failed_attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            issuing: 64,
            queue: 1024,
            handshake_timeout: Span::from_secs(10),
            header_timeout: Span::from_secs(10),
            body_timeout: Span::from_secs(10),
            idle_timeout: Span::from_secs(60),
            request_bytes: MAX_REQUEST_BYTES,
            failed_attempts: 30,
        }
    }
}

/// `[reports]`: how often agents report, and when their clocks are worth a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// The time between two reports of an agent.
    pub every: Span,
    /// A clock that is off by more is warned of.
    pub clock_warn: Span,
    /// A clock that is off by more is alarming.
    pub clock_critical: Span,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            every: Span::from_secs(15 * 60),
            clock_warn: Span::from_secs(5),
            clock_critical: Span::from_secs(60),
        }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Who may read `/metrics`.
    pub networks: Vec<IpNet>,
}

impl Default for Metrics {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        Self { networks: loopback.map(|network| network.parse().expect("a network")).into() }
    }
}

/// `[log]`: on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}
