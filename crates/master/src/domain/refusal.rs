//! Why somebody is not let in, in two texts: `Display` for the log and the audit, [`Refusal::code`] for the caller.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Capability;

/// Why an API key or an agent's proof does not get what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No API key has the id.
    #[error("no API key has this id")]
    UnknownKey,
    /// The id exists, the secret is another one.
    #[error("the secret is not this API key's")]
    WrongSecret,
    /// Nobody is told, not even who holds the secret: it may be a thief.
    #[error("the API key is revoked")]
    KeyRevoked,
    /// Until it is resumed.
    #[error("the API key is suspended")]
    KeySuspended,
    /// Its time is over.
    #[error("the API key expired at {at}")]
    KeyExpired {
        /// The first instant at which it was no longer good.
        at: UnixTime,
    },
    /// It comes from where it may not be used.
    #[error("the API key may not be used from this address")]
    Network,
    /// It may not do this.
    #[error("the API key lacks {0}")]
    Lacks(Capability),
    /// It has enrolled as many agents as it may.
    #[error("the API key has no uses left")]
    UsedUp,
    /// An administrator cut the agent off.
    #[error("the agent is revoked")]
    AgentRevoked,
    /// The agent said good-bye itself.
    #[error("the agent has deregistered")]
    AgentGone,
    /// No credential of any agent has the proof's or the token's key.
    #[error("no agent has this key")]
    UnknownProof,
    /// A later generation was seen in use.
    #[error("generation {generation} was used, but {confirmed} is in use")]
    Superseded {
        /// The one that was used.
        generation: u64,
        /// The latest one seen in use.
        confirmed: u64,
    },
    /// The credential ended too long ago.
    #[error("the certificate expired at {expired}, and the grace period is over")]
    GraceOver {
        /// When it ended.
        expired: UnixTime,
    },
    /// The credential has ended, and the host is not the one it was issued to.
    #[error("the certificate expired at {expired}, and the host is another one")]
    HostChanged {
        /// When it ended.
        expired: UnixTime,
    },
    /// The public key in the request is somebody else's.
    #[error("the public key belongs to another agent or came with another API key")]
    KeyInUse,
    /// The public key in the request had its certificate.
    #[error("the public key's certificate expired at {expired}")]
    KeySpent {
        /// When it ended.
        expired: UnixTime,
    },
}

impl Refusal {
    /// What the caller is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::UnknownKey | Self::WrongSecret | Self::KeyRevoked => Code::ApiKeyRefused,
            Self::KeySuspended => Code::ApiKeySuspended,
            Self::KeyExpired { .. } => Code::ApiKeyExpired,
            Self::Network => Code::NetworkNotAllowed,
            Self::Lacks(_) => Code::CapabilityMissing,
            Self::UsedUp => Code::ApiKeyUsedUp,
            Self::AgentRevoked => Code::AgentRevoked,
            Self::AgentGone | Self::UnknownProof => Code::ProofRefused,
            Self::Superseded { .. } => Code::KeySuperseded,
            Self::GraceOver { .. } => Code::GraceOver,
            Self::HostChanged { .. } => Code::HostChanged,
            Self::KeyInUse => Code::KeyInUse,
            Self::KeySpent { .. } => Code::KeySpent,
        }
    }
}
