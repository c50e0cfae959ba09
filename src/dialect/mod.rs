//! The command lines of the products Gatepass stands in for: `twsinst` and `AgentCertificateDownloader`.
//!
//! What is given is read and judged by pure functions first; nothing is touched before all of it is known to be in order.

pub mod codes;
pub mod credentials;
pub mod layout;
pub mod parameters;
pub mod registry;
pub mod request;
pub mod words;
