//! Connections that do nothing are closed: HTTP/2 and a client that never reads have no time limit of their own, and
//! each connection costs an open file.

use std::future::{Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready as or_pending};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// The longest silence. Longer than any answer takes: the test outbox waits at most 30 seconds.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Accepts connections that send without delay and end when idle.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdleAcceptor;

impl<S> Accept<TcpStream, S> for IdleAcceptor {
    type Stream = Idle<TcpStream>;
    type Service = S;
    type Future = Ready<Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(stream.set_nodelay(true).map(|()| (Idle::new(stream), service)))
    }
}

/// A stream that fails once nothing went in or out of it for [`IDLE_TIME`].
#[derive(Debug)]
pub(super) struct Idle<S> {
    stream: S,
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<S> Idle<S> {
    fn new(stream: S) -> Self {
        Self { stream, last: Instant::now(), timer: Box::pin(sleep(IDLE_TIME)) }
    }

    /// Passes on what the stream said, and looks at the time when that was nothing. The timer is set anew only when it
    /// rings, so traffic does not pay for it.
    fn watched<T>(&mut self, context: &mut Context<'_>, said: Poll<Result<T>>) -> Poll<Result<T>> {
        if said.is_ready() {
            self.last = Instant::now();
            return said;
        }
        loop {
            or_pending!(self.timer.as_mut().poll(context));
            let end = self.last + IDLE_TIME;
            if end <= Instant::now() {
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the connection was idle")));
            }
            self.timer.as_mut().reset(end);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let said = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watched(context, said)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, said)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watched(context, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_cut_off_and_a_slow_one_is_not() {
        let (mut peer, ours) = duplex(1);
        let mut ours = Idle::new(ours);
        for _ in 0..3 {
            let slowly = async {
                tokio::time::advance(IDLE_TIME.mul_f32(0.9)).await;
                peer.write_u8(7).await
            };
            let (read, sent) = tokio::join!(ours.read_u8(), slowly);
            assert_eq!((read.unwrap(), sent.is_ok()), (7, true));
        }
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_is_cut_off() {
        let (_peer, ours) = duplex(1);
        let mut ours = Idle::new(ours);
        assert_eq!(ours.write_all(b"more than fits").await.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
