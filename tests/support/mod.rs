//! Starts the real programs in directories of their own and stops them again, by process id.

mod agent;
mod caller;
mod delay;
mod disk;
mod fake;
mod faketime;
mod host;
mod identity;
mod master;
mod middle;
mod netns;
mod nspawn;
mod packages;
#[allow(dead_code, reason = "shared with the master's own tests: each uses its part")]
mod postgres;
mod program;
mod proxy;
mod pypi;
mod smtp;

pub use agent::{Agent, Identity};
pub use caller::{Answer, Caller, application, key_pair};
pub use delay::slow_way;
pub use disk::{Disk, ReadOnly};
pub use fake::{Ca, Fake, days, http, like_a_master};
pub use faketime::{FakeClock, real_now};
pub use host::Host;
pub use master::{Master, MasterOptions};
pub use middle::{ConnectProxy, Manners, Tap, balancer, tls_records};
pub use netns::{Net, with_hosts};
pub use nspawn::{HERE, Lab, Machine};
pub use packages::{VERSIONS, package};
pub use postgres::{Cluster, PASSWORD};
pub use program::{Output, Program, eventually, program, tool, write};
pub use proxy::{Mishap, Proxy};
pub use pypi::from_pypi;
pub use smtp::{LOGIN, Mail, Smtp, Way};
