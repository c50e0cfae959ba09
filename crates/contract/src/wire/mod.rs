//! Paths, bodies and problem codes of the REST interface.

pub mod admin;
pub mod agent;
mod enrolment;
mod problem;
mod words;

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
    /// An API key for one enrolment, for a password (POST).
    pub const ENROLMENT_KEY: &str = "/api/v1/agents/key";
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
    /// How the API keys stand, in numbers (GET).
    pub const API_KEY_SUMMARY: &str = "/api/v1/apikeys/summary";
    /// Delete several API keys, all or none (POST).
    pub const API_KEYS_DELETE: &str = "/api/v1/apikeys/delete";
    /// How the API key stands that the caller shows (GET).
    pub const OWN_API_KEY: &str = "/api/v1/apikeys/self";
    /// One API key: show (GET), edit (PATCH), delete (DELETE).
    pub const API_KEY: &str = "/api/v1/apikeys/{id}";
    /// Who used an API key (GET).
    pub const API_KEY_USAGE: &str = "/api/v1/apikeys/{id}/usage";
    /// Change an API key's end (POST).
    pub const API_KEY_RENEW: &str = "/api/v1/apikeys/{id}/renew";
    /// Give an API key a second secret (POST).
    pub const API_KEY_ROTATE: &str = "/api/v1/apikeys/{id}/rotate";
    /// Refuse an API key until it is resumed (POST).
    pub const API_KEY_SUSPEND: &str = "/api/v1/apikeys/{id}/suspend";
    /// Take a suspended API key into use again (POST).
    pub const API_KEY_RESUME: &str = "/api/v1/apikeys/{id}/resume";
    /// Refuse an API key for good (POST).
    pub const API_KEY_REVOKE: &str = "/api/v1/apikeys/{id}/revoke";
    /// Agree to what waits for approval (POST).
    pub const API_KEY_APPROVE: &str = "/api/v1/apikeys/{id}/approve";
    /// Refuse what waits for approval (POST).
    pub const API_KEY_REJECT: &str = "/api/v1/apikeys/{id}/reject";
    /// What waits for approval, or waited (GET).
    pub const APPROVALS: &str = "/api/v1/approvals";
    /// API tokens: create (POST), list (GET).
    pub const TOKENS: &str = "/api/v1/tokens";
    /// One API token: show (GET), edit (PATCH), delete (DELETE).
    pub const TOKEN: &str = "/api/v1/tokens/{id}";
    /// Make a new JWT for an API token; the former one stops working (POST).
    pub const TOKEN_UNLOCK: &str = "/api/v1/tokens/{id}/unlock";
    /// End an API token now and keep its history (POST).
    pub const TOKEN_EXPIRE: &str = "/api/v1/tokens/{id}/expire";
    /// Users: create (POST), list (GET).
    pub const USERS: &str = "/api/v1/users";
    /// One user: show (GET), edit (PATCH), delete (DELETE).
    pub const USER: &str = "/api/v1/users/{name}";
    /// A user's password (PUT).
    pub const USER_PASSWORD: &str = "/api/v1/users/{name}/password";
    /// Groups: create (POST), list (GET).
    pub const GROUPS: &str = "/api/v1/groups";
    /// One group: show (GET), edit (PATCH), delete (DELETE).
    pub const GROUP: &str = "/api/v1/groups/{name}";
    /// Roles: create (POST), list (GET).
    pub const ROLES: &str = "/api/v1/roles";
    /// One role: show (GET), edit (PATCH), delete (DELETE).
    pub const ROLE: &str = "/api/v1/roles/{name}";
    /// Every capability there is (GET).
    pub const CAPABILITIES: &str = "/api/v1/capabilities";
    /// Sign in with a password (POST).
    pub const SESSIONS: &str = "/api/v1/sessions";
    /// Sign out (DELETE).
    pub const OWN_SESSION: &str = "/api/v1/sessions/self";
    /// Who the caller is (GET).
    pub const CALLER: &str = "/api/v1/self";
    /// Notices (GET).
    pub const NOTICES: &str = "/api/v1/notices";
    /// Send one to try out whether it arrives (POST).
    pub const NOTICE_TEST: &str = "/api/v1/notices/test";
    /// Send one again (POST).
    pub const NOTICE_RESEND: &str = "/api/v1/notices/{id}/resend";
    /// Audit records (GET).
    pub const AUDIT: &str = "/api/v1/audit";
}

/// The largest body the master reads.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// The largest body an agent or the administrator's tool reads.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;
/// The media type of problem documents (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The header that makes a repeated creation the same one: 1 to 255 visible ASCII characters, chosen by the caller.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header an answer names its request in.
pub const REQUEST_ID: &str = "x-request-id";
