//! Relays for hosts that have no way of their own to the master.

mod settings;

pub use settings::{GatewayId, Idle, Settings};
