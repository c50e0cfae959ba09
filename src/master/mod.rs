//! The master as the agent sees it.
//!
//! Invariant: nothing but `GET /trust` is ever asked of a server that was not verified, and nothing but `GET /time` of
//! one whose certificate's dates were set aside. What one master fails to show never lowers what the next has to show.

mod client;
mod endpoint;
mod error;
mod fault;
mod link;
mod reply;
mod tls;

use gatepass_contract::id::AgentId;
use gatepass_contract::jws::SigningKey;
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::Skew;
use gatepass_contract::wire::admin::AgentView;
use gatepass_contract::wire::agent::{EnrolRequest, Issued, RenewRequest, ReportReply, ReportRequest};

pub use client::Client;
pub use endpoint::{Endpoint, Trust};
pub use error::{MasterError, Refusal, Remedy};
pub use fault::{Behind, Fault};

/// Who calls, after enrolment: each call carries a proof signed with the key.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who the agent is.
    pub agent: AgentId,
    /// The master's number for the bundle it holds.
    pub generation: u64,
    /// The key of that bundle.
    pub key: SigningKey,
}

/// What can be asked of a master.
pub trait Master: Sync {
    /// How the wall clock stands to the master's, measured now. Whoever asks decides whether to believe it.
    fn probe(&self) -> impl Future<Output = Result<Skew, MasterError>> + Send;

    /// Trades an API key for an identity. Asking again with the same public key is safe.
    fn enrol(
        &self,
        key: &ApiKey,
        request: &EnrolRequest,
    ) -> impl Future<Output = Result<Issued, MasterError>> + Send;

    /// The next generation, or a fresh token for the present one. Asking again with the same public key is safe.
    fn renew(
        &self,
        caller: &Caller,
        request: &RenewRequest,
    ) -> impl Future<Output = Result<Issued, MasterError>> + Send;

    /// Tells the master how things are here.
    fn report(
        &self,
        caller: &Caller,
        report: &ReportRequest,
    ) -> impl Future<Output = Result<ReportReply, MasterError>> + Send;

    /// What the master believes about the caller.
    fn me(&self, caller: &Caller) -> impl Future<Output = Result<AgentView, MasterError>> + Send;

    /// Ends the identity.
    fn deregister(&self, caller: &Caller) -> impl Future<Output = Result<(), MasterError>> + Send;

    /// The step is over: no connection is kept until the next, and the first master is the first choice again.
    fn hang_up(&self) {}
}
