//! What the master decides, without touching anything: instants, records and lots come in, decisions go out.

pub mod agent;
pub mod annotation;
pub mod apikey;
pub mod approval;
pub mod audit;
pub mod difference;
pub mod idempotency;
pub mod notice;
pub mod people;
pub mod principal;
pub mod profile;
mod refusal;
pub mod replay;
pub mod signing;
pub mod slots;
pub mod token;
pub mod version;

pub use refusal::Refusal;
