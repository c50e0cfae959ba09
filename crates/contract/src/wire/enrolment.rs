//! What a host that is no agent yet says and is told beside `POST /agents`: a password for a key, and how a key stands.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Problem;
use super::admin::{Capability, Expiry, KeyKind, KeyState, Standing};
use crate::id::KeyId;
use crate::name::{DisplayName, UserName};
use crate::network::Network;
use crate::secret::{Password, ShownOnce};
use crate::time::UnixTime;

/// `POST /agents/key`: an enrolment key for one host, for somebody who has a password and no API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentKeyRequest {
    /// Who: somebody who has `agent.enrol`.
    pub user: UserName,
    /// Their password.
    pub password: Password,
    /// What the host is called that is to be enrolled; for people.
    pub name: DisplayName,
}

/// An API key that enrols one agent, soon.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentKey {
    /// Its public half.
    pub id: KeyId,
    /// To be presented as Bearer.
    pub secret: ShownOnce,
    /// When it ends, used or not.
    pub expires: UnixTime,
}

/// `GET /apikeys/self`: an API key as whoever holds it may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnKey {
    /// Its public half.
    pub id: KeyId,
    /// What it is called.
    pub name: DisplayName,
    /// For whom it acts.
    pub kind: KeyKind,
    /// Whose it is.
    pub owner: UserName,
    /// What people did to it.
    pub state: KeyState,
    /// What time does to it.
    pub standing: Standing,
    /// Off: refused but kept.
    pub enabled: bool,
    /// When it ends.
    pub expires: Expiry,
    /// How many agents it may still enrol; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
    /// From where it may be used; empty: anywhere.
    pub networks: Vec<Network>,
    /// What it may do at this moment.
    pub capabilities: Vec<Capability>,
    /// Where the caller is, as the master sees it.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Address))]
    pub from: IpAddr,
    /// What an enrolment from there would be answered with at this moment; absent where it would be let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Problem>,
}
