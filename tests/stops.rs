//! Stopped dead, as by `kill -9`: the agent at every point of an enrolment, a renewal and a token refresh, the master
//! just before and just after every kind of commit, and both at random moments. Every point there is has to be reached.

mod agent;
mod changes;
mod master;
mod random;
