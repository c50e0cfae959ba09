//! What an agent and the master say to each other.

use std::net::IpAddr;

use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::id::AgentId;
use crate::name::{DisplayName, HostName};
use crate::time::{Skew, UnixTime, Validity, millis};

pub use super::enrolment::{EnrolmentKey, EnrolmentKeyRequest, OwnKey};

/// `GET /time`: what the master's clock showed when the request came in and when the answer left. Milliseconds since
/// 1970: two clocks are compared, and text would only be parsed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimeReply {
    /// When the request came in.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub received: UnixTime,
    /// When the answer left.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub sent: UnixTime,
}

/// How the host's clock stands to the master's, as the host measured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClockReport {
    /// What the host's clock showed when this was written.
    pub local: UnixTime,
    /// How far the master's is ahead of it, and how sure that is.
    pub skew: Skew,
    /// Steps of the host's clock that were noticed since the program started.
    pub steps: u32,
}

/// What a host says about itself. Claims, all of them: the master's profile decides which become names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Facts {
    /// Its host names, the own one first; at most 8.
    #[cfg_attr(feature = "openapi", schema(max_items = 8))]
    pub host_names: Vec<HostName>,
    /// Its addresses; at most 16.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::schema::Address>, max_items = 16))]
    pub addresses: Vec<IpAddr>,
    /// A digest of its machine id, keyed for this purpose: tells a clone from the original and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Sha256>,
    /// The agent's version; at most 64 bytes.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[ -~]{0,64}$"))]
    pub version: String,
}

/// `POST /agents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolRequest {
    /// A PKCS#10 request in PEM: a public key and the proof that the host holds its private half.
    pub csr: String,
    /// What the agent is to be called.
    pub name: DisplayName,
    /// About the host.
    pub facts: Facts,
    /// About its clock.
    pub clock: ClockReport,
}

/// `POST /agents/self/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenewRequest {
    /// With a new key: the next generation. With the key of the latest one: the same certificate and a fresh token,
    /// which is also how a lost answer is fetched again.
    pub csr: String,
    /// About the host.
    pub facts: Facts,
    /// About its clock.
    pub clock: ClockReport,
}

/// What enrolment and renewal answer: everything that makes a bundle but the private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Issued {
    /// Who the agent is.
    pub agent: AgentId,
    /// The generation this is; the same public key always gets the same.
    pub generation: u64,
    /// The certificate and its intermediates, PEM, leaf first.
    pub chain: String,
    /// The trust anchors, PEM.
    pub anchors: String,
    /// The agent's JWT.
    pub token: String,
    /// The keys it verifies with.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub jwks: JwkSet,
    /// When the master expects the agent back: its slot in the plan for the whole fleet.
    pub renew_at: UnixTime,
    /// From then on a renewal brings a new key and certificate; before, a fresh token for the present ones.
    pub rekey_at: UnixTime,
}

/// How a hook went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HookResult {
    /// Its name in the configuration.
    pub name: DisplayName,
    /// Whether it succeeded.
    pub ok: bool,
    /// How it ended, for people.
    pub detail: String,
}

/// `POST /agents/self/reports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportRequest {
    /// About the host's clock.
    pub clock: ClockReport,
    /// The generation in use.
    pub generation: u64,
    /// When its certificate chain is good.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub certificate: Validity,
    /// When its token is good.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub token: Validity,
    /// Digest of the trust anchors in use.
    pub anchors: Sha256,
    /// How the hooks went after the last change; at most 32.
    pub hooks: Vec<HookResult>,
}

/// What a report is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportReply {
    /// When the report came in.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub received: UnixTime,
    /// When the answer left.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub sent: UnixTime,
    /// When the next report is expected.
    pub next: UnixTime,
    /// What the agent should do about it.
    pub directives: Vec<Directive>,
}

/// What the master asks of an agent. One it does not know is left aside: a newer master may say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Directive {
    /// Renew now: the trust anchors have changed.
    Renew,
    /// Something newer than this program.
    #[serde(other)]
    Unknown,
}
