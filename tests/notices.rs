//! Notices: what arrives where, and that nothing is lost.

mod courier;
mod outbox;
