//! What agent, master and the administrator's tool must agree on: names, bodies, codes, formats and time arithmetic.
//!
//! Pure: nothing here reads a clock, draws a random number, touches a file or a socket. Bytes and instants come in as
//! arguments; a value that exists is valid.

pub mod address;
pub mod audit;
pub mod clock;
pub mod digest;
pub mod id;
pub mod jws;
pub mod name;
pub mod network;
pub mod pki;
pub mod proof;
#[cfg(feature = "openapi")]
mod schema;
pub mod secret;
pub mod span;
pub mod suggest;
pub mod time;
pub mod token;
pub mod usertoken;
pub mod wire;
