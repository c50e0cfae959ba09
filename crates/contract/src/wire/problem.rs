//! Problem documents (RFC 9457) with codes that never change their meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RequestId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal, $remedy:ident;)*) => {
        /// Why a request was not carried out. A code says no more than its caller may know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        // utoipa's own derivation does not see names that a macro gives.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for Code {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::schema::words("which problem it is", Self::ALL.iter().map(|code| code.as_str()))
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for Code {}

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// One line for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What its receiver should do about it.
            #[must_use]
            pub const fn remedy(self) -> Remedy {
                match self { $(Self::$name => Remedy::$remedy),* }
            }
        }
    };
}

/// What can be done about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It passes by itself: try again later.
    Wait,
    /// Measure the clock again, then try again.
    MeasureClock,
    /// Make a new key pair, then try again.
    NewKey,
    /// The identity is over: enrol again with an API key, or call a person.
    EnrolAgain,
    /// A person must change something first.
    CallHuman,
}

codes! {
    /// The request is not what the interface asks for.
    BadRequest = "bad-request", 400, "The request cannot be read", CallHuman;
    /// No credential, or one that is not accepted. Unknown, wrong and revoked answer alike.
    Unauthenticated = "unauthenticated", 401, "The credential is not accepted", CallHuman;
    /// The API key is unknown, wrong or revoked.
    ApiKeyRefused = "api-key-refused", 401, "The API key is not accepted", CallHuman;
    /// The API key is suspended; said only to who holds its secret.
    ApiKeySuspended = "api-key-suspended", 403, "The API key is suspended", CallHuman;
    /// The API key waits for approval; said only to who holds its secret.
    ApiKeyPending = "api-key-pending", 403, "The API key waits for approval", CallHuman;
    /// The API key is switched off; said only to who holds its secret.
    ApiKeyDisabled = "api-key-disabled", 403, "The API key is switched off", CallHuman;
    /// The user it belongs to is disabled or deleted; said only to who holds the secret.
    OwnerInactive = "owner-inactive", 403, "The owner of the credential is not active", CallHuman;
    /// The API key's time is over.
    ApiKeyExpired = "api-key-expired", 403, "The API key has expired", CallHuman;
    /// The API key has admitted as many as it may.
    ApiKeyUsedUp = "api-key-used-up", 403, "The API key has no uses left", CallHuman;
    /// The API key or token may not be used from this address.
    NetworkNotAllowed = "network-not-allowed", 403, "The credential may not be used from this address", CallHuman;
    /// The API token's time is over; said only to who holds it.
    TokenExpired = "token-expired", 401, "The API token has expired", CallHuman;
    /// The API token is switched off; said only to who holds it.
    TokenDisabled = "token-disabled", 403, "The API token is switched off", CallHuman;
    /// The caller is known and may not do this.
    CapabilityMissing = "capability-missing", 403, "The caller lacks the capability", CallHuman;
    /// The proof's signature, request or agent does not fit.
    ProofRefused = "proof-refused", 401, "The proof is not accepted", EnrolAgain;
    /// The proof is right but was made at another time.
    ProofTime = "proof-time", 401, "The proof was made at another time than the master's clock shows", MeasureClock;
    /// The proof was made with a key whose successor is in use.
    KeySuperseded = "key-superseded", 403, "A newer key of this agent is in use", EnrolAgain;
    /// The agent was revoked.
    AgentRevoked = "agent-revoked", 403, "The agent is revoked", CallHuman;
    /// The agent's credentials ended too long ago.
    GraceOver = "grace-over", 403, "The credentials ended longer ago than the grace period allows", EnrolAgain;
    /// The agent's credentials have ended and the host is not the one they were issued to.
    HostChanged = "host-changed", 403, "The credentials have ended and the host looks different", EnrolAgain;
    /// The certification request cannot be signed.
    CsrRefused = "csr-refused", 422, "The certification request is not accepted", CallHuman;
    /// The public key belongs to somebody else.
    KeyInUse = "key-in-use", 409, "The public key is in use already", NewKey;
    /// The public key had its certificate, and that has expired.
    KeySpent = "key-spent", 409, "The public key's certificate has expired", NewKey;
    /// There is no such thing, or the caller may not know of it.
    NotFound = "not-found", 404, "Not found", CallHuman;
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed", CallHuman;
    /// Whoever requested something, or owns it, cannot decide it.
    OwnRequest = "own-request", 403, "Somebody else has to decide this", CallHuman;
    /// Something for this API key waits for approval already.
    RequestPending = "request-pending", 409, "A request waits for approval", CallHuman;
    /// Policy wants a reason with this change.
    AnnotationRequired = "annotation-required", 422, "The change needs an annotation", CallHuman;
    /// What was asked for breaks a rule.
    Unacceptable = "unacceptable", 422, "The request breaks a rule", CallHuman;
    /// Somebody else has edited it since it was read.
    PreconditionFailed = "precondition-failed", 412, "It was changed by somebody else", CallHuman;
    /// An edit must say which version it is of.
    PreconditionRequired = "precondition-required", 428, "The edit must name a version", CallHuman;
    /// The same idempotency key came with another request.
    IdempotencyMismatch = "idempotency-mismatch", 422, "The idempotency key was used for another request", CallHuman;
    /// Something else still needs it.
    InUse = "in-use", 409, "It is still in use", CallHuman;
    /// Too many attempts that failed.
    RateLimited = "rate-limited", 429, "Too many failed attempts", Wait;
    /// The client took too long over its request.
    Timeout = "request-timeout", 408, "The request took too long to arrive", Wait;
    /// Another one with that name exists.
    NameTaken = "name-taken", 409, "The name is taken", CallHuman;
    /// The key's state does not allow this change.
    IllegalMove = "illegal-move", 409, "The state does not allow this change", CallHuman;
    /// The body is larger than anything legitimate.
    BodyTooLarge = "body-too-large", 413, "The request body is too large", CallHuman;
    /// The body is not JSON.
    MediaType = "unsupported-media-type", 415, "The request body must be application/json", CallHuman;
    /// Something is wrong inside the master; its log has it under the request id.
    Internal = "internal", 500, "The master failed", Wait;
    /// More is asked than can be done in time; Retry-After says when there will be room.
    Overloaded = "overloaded", 503, "The master is busy", Wait;
    /// The database cannot be written or read.
    Unavailable = "unavailable", 503, "The master cannot reach its database", Wait;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:gatepass:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people, the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Which problem it is, for programs.
    pub code: Code,
    /// What happened this time.
    pub detail: String,
    /// What to try next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where the master's log and audit hold more.
    pub request_id: RequestId,
}

impl Problem {
    /// A problem of that code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>, request_id: RequestId) -> Self {
        Self {
            kind: format!("urn:gatepass:problem:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            hint: None,
            request_id,
        }
    }
}
