//! A stream that fails when nothing moves on it for too long, in either direction: neither a silent client nor one that
//! does not read its answer keeps a connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// See the module.
pub(super) struct Progress<S> {
    stream: S,
    patience: Duration,
    over: Pin<Box<Sleep>>,
}

impl<S> Progress<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, over: Box::pin(sleep_until(Instant::now() + patience)) }
    }

    /// Passes `outcome` on: something happened, or the patience is over.
    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            let until = Instant::now() + self.patience;
            self.over.as_mut().reset(until);
            return outcome;
        }
        ready!(self.over.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.judge(cx, outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_stream_on_which_nothing_moves_fails_and_one_that_moves_does_not() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Progress::new(near, Duration::from_millis(20));
        far.write_all(b"ab").await.expect("there is room");
        let mut got = [0; 2];
        near.read_exact(&mut got).await.expect("it is there");
        let silent = near.read_exact(&mut got).await.expect_err("nothing comes");
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        let unread = near.write_all(b"more than fits").await.expect_err("nobody reads");
        assert_eq!(unread.kind(), io::ErrorKind::TimedOut);
    }
}
