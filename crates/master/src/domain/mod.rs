//! What the master decides, without touching anything: instants, records and lots come in, decisions go out.

pub mod agent;
pub mod apikey;
pub mod audit;
pub mod profile;
mod refusal;
pub mod signing;
pub mod slots;

pub use refusal::Refusal;
