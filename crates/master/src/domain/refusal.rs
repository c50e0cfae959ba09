//! Why somebody is not let in, in two texts: `Display` for the log and the audit, [`Refusal::code`] for the caller.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Capability;

/// Why an API key, an API token or an agent's proof does not get what it asks for.
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
    /// Somebody else has to agree to it first.
    #[error("the API key waits for approval")]
    KeyPending,
    /// Somebody else has not agreed to it.
    #[error("the API key was rejected")]
    KeyRejected,
    /// Until it is switched on.
    #[error("the API key is switched off")]
    KeyDisabled,
    /// The key was rotated, and the time in which both secrets were good is over.
    #[error("the secret was replaced by a newer one of this API key")]
    SecretReplaced,
    /// Somebody else has to agree to the key's rotation first.
    #[error("the new secret of this API key waits for approval")]
    SecretPending,
    /// A service key acts as its groups: it is left with nobody to act as.
    #[error("all groups the service key acts as were deleted")]
    GroupsGone,
    /// Whose it is was disabled or deleted.
    #[error("the credential's owner is not active")]
    OwnerInactive,
    /// No API token has the id, or it was deleted.
    #[error("no API token has this id")]
    UnknownToken,
    /// A newer JWT was made for the token, or it was given to somebody else.
    #[error("it is JWT number {number} of this API token, but {last} is the one that is good")]
    TokenSuperseded {
        /// The one that was used.
        number: u64,
        /// The last one.
        last: u64,
    },
    /// It is switched off.
    #[error("the API token is switched off")]
    TokenDisabled,
    /// Its time is over.
    #[error("the API token expired at {at}")]
    TokenExpired {
        /// The first instant at which it was no longer good.
        at: UnixTime,
    },
    /// It comes from where it may not be used.
    #[error("the credential may not be used from this address")]
    Network,
    /// It may not do this.
    #[error("the credential lacks {0}")]
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
            Self::UnknownKey
            | Self::WrongSecret
            | Self::KeyRevoked
            | Self::KeyRejected
            | Self::SecretReplaced => Code::ApiKeyRefused,
            Self::KeyPending | Self::SecretPending => Code::ApiKeyPending,
            Self::KeyDisabled => Code::ApiKeyDisabled,
            Self::KeySuspended => Code::ApiKeySuspended,
            Self::KeyExpired { .. } => Code::ApiKeyExpired,
            Self::OwnerInactive | Self::GroupsGone => Code::OwnerInactive,
            Self::UnknownToken | Self::TokenSuperseded { .. } => Code::Unauthenticated,
            Self::TokenDisabled => Code::TokenDisabled,
            Self::TokenExpired { .. } => Code::TokenExpired,
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
