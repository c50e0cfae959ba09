//! Ways through the network: places, proxies, and who goes through one.
//!
//! Knows nothing of masters: `master` calls them over it, `gateway` relays to them over it.

mod place;
mod proxy;

pub use place::{BadPlace, GATEWAY_PORT, Place};
pub use proxy::{BadExemption, BadProxy, Exemption, ProxyChoice, ProxyUrl};
