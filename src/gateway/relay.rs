//! One connection: bytes from one side to the other, until both have said everything or nothing moves any more.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::timeout;

use crate::net::Pipe;

/// At once in each direction; a connection costs twice that in memory.
const CHUNK: usize = 4 * 1024;

/// Whatever it does, no conversation of an agent takes that long.
const LONGEST: Duration = Duration::from_mins(10);

/// What came of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    /// Bytes from the agent.
    pub(super) asked: u64,
    /// Bytes from the master.
    pub(super) answered: u64,
}

/// Carries until both sides have ended, one breaks off, or nothing has moved for `idle`.
pub(super) async fn carry(agent: impl Pipe, master: impl Pipe, idle: Duration) -> Carried {
    let ((from_agent, to_agent), (from_master, to_master)) = (split(agent), split(master));
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let both = (&asked, &answered);
    let conversation = async {
        tokio::try_join!(
            one_way(from_agent, to_master, both.0, both, idle),
            one_way(from_master, to_agent, both.1, both, idle)
        )
    };
    // How it ends is the agent's business, which sees it.
    _ = timeout(LONGEST, conversation).await;
    Carried { asked: asked.into_inner(), answered: answered.into_inner() }
}

/// A direction in which nothing moves is idle only when nothing moves in the other one either.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
    both: (&AtomicU64, &AtomicU64),
    idle: Duration,
) -> io::Result<()> {
    let all = || both.0.load(Ordering::Relaxed) + both.1.load(Ordering::Relaxed);
    let mut chunk = vec![0; CHUNK];
    loop {
        let before = all();
        let size = match timeout(idle, from.read(&mut chunk)).await {
            Ok(read) => read?,
            Err(_) if all() > before => continue,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        if size == 0 {
            return to.shutdown().await;
        }
        timeout(idle, to.write_all(&chunk[..size])).await??;
        moved.fetch_add(u64::try_from(size).unwrap_or_default(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn each_side_may_end_before_the_other() {
        let ((mut agent, near), (far, mut master)) = (duplex(64), duplex(64));
        let carrying = tokio::spawn(carry(near, far, LONG));
        agent.write_all(b"question").await.expect("sent");
        agent.shutdown().await.expect("nothing more");
        let mut heard = String::new();
        master.read_to_string(&mut heard).await.expect("all of it");
        let answering = tokio::spawn(async move { master.write_all(&[7; 10_000]).await });
        let mut answer = Vec::new();
        agent.read_to_end(&mut answer).await.expect("all of it");
        answering.await.expect("no panic").expect("sent");
        assert_eq!((heard.as_str(), answer.len()), ("question", 10_000));
        assert_eq!(carrying.await.expect("no panic"), Carried { asked: 8, answered: 10_000 });
    }

    #[tokio::test]
    async fn what_does_not_move_ends_and_what_moves_slowly_does_not() {
        let ((mut agent, near), (far, mut master)) = (duplex(64), duplex(64));
        let idle = Duration::from_secs(1);
        let carrying = tokio::spawn(carry(near, far, idle));
        for _ in 0..5 {
            timeout(idle / 3, std::future::pending::<()>()).await.expect_err("it never ends");
            master.write_all(b"x").await.expect("sent");
            assert_eq!(agent.read_u8().await.expect("arrives"), b'x');
        }
        // Neither side ever ends: the relay does.
        assert_eq!(carrying.await.expect("no panic"), Carried { asked: 0, answered: 5 });
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        let ((_agent, near), (far, mut master)) = (duplex(64), duplex(64));
        let carrying = tokio::spawn(carry(near, far, Duration::from_millis(200)));
        let flood = tokio::spawn(async move { master.write_all(&vec![1; 100_000]).await });
        carrying.await.expect("no panic");
        flood.await.expect("no panic").expect_err("the relay has hung up");
    }
}
