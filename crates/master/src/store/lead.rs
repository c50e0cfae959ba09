//! Which of the masters does what must be done once: notices, rotation, sweeping.
//!
//! The database's own lock says so. It belongs to a connection and is lost with it, so another master takes over within
//! seconds of a leader's end. A leader that is cut off from the server may believe in itself a few seconds longer:
//! leading saves doing things twice, the transactions are what makes them happen once.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::PostgresUrl;
use super::postgres::{LEADER, Session};
use super::sql::{Conn, Result, params};
use crate::clock;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Whether this master leads. While any clone lives it leads, or stands by.
#[derive(Debug, Clone)]
pub struct Lead(watch::Receiver<bool>);

impl Lead {
    /// For a database that is one master's alone.
    pub(super) fn alone() -> Self {
        Self(watch::channel(true).1)
    }

    /// Stands for election, in a thread of its own.
    pub(super) fn among(url: PostgresUrl) -> Self {
        let (leads, lead) = watch::channel(false);
        std::thread::spawn(move || stand(&url, &leads));
        Self(lead)
    }

    /// At this moment, as far as this master knows.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        *self.0.borrow()
    }
}

fn stand(url: &PostgresUrl, leads: &watch::Sender<bool>) {
    let mut held = None;
    while !leads.is_closed() {
        let now = look(url, &mut held).unwrap_or_else(|error| {
            if held.take().is_some() {
                warn!(%error, "the connection that decides who leads is lost");
            }
            false
        });
        let changed = leads.send_if_modified(|before| std::mem::replace(before, now) != now);
        if changed && now {
            info!("leading the periodic work");
        } else if changed {
            warn!("leading no longer");
        }
        clock::pause(EVERY);
    }
}

/// The lock is asked for until it is had, and then kept for as long as the connection answers.
fn look(url: &PostgresUrl, held: &mut Option<(Session, bool)>) -> Result<bool> {
    let (session, leads) = match held {
        Some(held) => held,
        None => held.insert((Session::open(url)?, false)),
    };
    let conn = Conn::Postgres(session);
    *leads = if *leads {
        conn.exists("SELECT 1", &[])?
    } else {
        conn.exists("SELECT 1 WHERE pg_try_advisory_lock(?1)", params![LEADER])?
    };
    Ok(*leads)
}
