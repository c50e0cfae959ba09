//! Ways through the network: places, proxies, and the connections that come of them.
//!
//! Knows nothing of masters: `master` calls them over it, `gateway` relays to them over it.

mod dial;
mod egress;
mod place;
mod proxy;
mod tunnel;

pub use dial::{Connected, Experience, NoWay, Pipe, dial, resolve};
pub use egress::{BadVariable, Configured, Egress, Proxy, SYSTEMD_CREDENTIAL};
pub use place::{BadPlace, GATEWAY_PORT, Place};
pub use proxy::{BadExemption, BadProxy, Exemption, ProxyChoice, ProxyUrl};
pub use tunnel::{ProxyError, ProxyFault};
