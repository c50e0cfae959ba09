//! Starts the real programs in directories of their own and stops them again, by process id.

mod agent;
mod delay;
mod faketime;
mod caller;
mod master;
mod program;
mod proxy;
mod identity;
mod fake;
mod disk;

pub use agent::{Agent, Identity};
pub use delay::slow_way;
pub use faketime::{FakeClock, real_now};
pub use caller::{Answer, Caller, application, key_pair};
pub use master::{Master, MasterOptions};
pub use program::{Output, Program, eventually, program, tool};
pub use disk::{Disk, ReadOnly};
pub use fake::{Ca, Fake, days, http, like_a_master};
pub use proxy::{Mishap, Proxy};
