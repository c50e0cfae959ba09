//! What networks do, and who may answer there: answers that are lost, cut off or garbled; servers that are no master,
//! or not this one; masters that are busy or say no; proxies, balancers and gateways on the way; dead address families.
//!
//! Whatever it is: the message names the real reason, no secret goes to an unverified server, what is held stays.

mod families;
mod gateways;
mod lost;
mod no_master;
mod overload;
mod proxies;
mod refused;
