//! Paths, bodies and problem codes of the REST interface.

pub mod admin;
pub mod agent;
mod problem;

pub use problem::{Code, Problem, Remedy};

/// What the programs call; the master's OpenAPI document lists the same.
pub mod path {
    /// Two instants of the master's clock.
    pub const TIME: &str = "/api/v1/time";
    /// Trust anchors, PEM.
    pub const TRUST: &str = "/api/v1/trust";
    /// Public JWT keys.
    pub const JWKS: &str = "/.well-known/jwks.json";
    /// Enrol (POST); list (GET).
    pub const AGENTS: &str = "/api/v1/agents";
    /// What the master believes about the caller (GET); deregister (DELETE).
    pub const SELF: &str = "/api/v1/agents/self";
    /// The next generation, or a fresh token for the present one.
    pub const CREDENTIALS: &str = "/api/v1/agents/self/credentials";
    /// Heartbeats.
    pub const REPORTS: &str = "/api/v1/agents/self/reports";
    /// One agent (GET).
    pub const AGENT: &str = "/api/v1/agents/{id}";
    /// Cut one agent off (POST, no body).
    pub const AGENT_REVOKE: &str = "/api/v1/agents/{id}/revoke";
    /// API keys: create (POST), list (GET).
    pub const API_KEYS: &str = "/api/v1/apikeys";
    /// One API key (GET).
    pub const API_KEY: &str = "/api/v1/apikeys/{id}";
    /// Refuse an API key until it is resumed (POST, no body).
    pub const API_KEY_SUSPEND: &str = "/api/v1/apikeys/{id}/suspend";
    /// Take a suspended API key into use again (POST, no body).
    pub const API_KEY_RESUME: &str = "/api/v1/apikeys/{id}/resume";
    /// Refuse an API key for good (POST, no body).
    pub const API_KEY_REVOKE: &str = "/api/v1/apikeys/{id}/revoke";
}

/// The largest body the master reads.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// The largest body an agent or the administrator's tool reads.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;
/// The media type of problem documents (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The header an answer names its request in.
pub const REQUEST_ID: &str = "x-request-id";
