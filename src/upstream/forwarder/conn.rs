//! A connection to the API, between calls and for one.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::future::poll_fn;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::connector::Socket;

/// A connection. Dropped, it is closed.
///
/// hyper reads and writes through it where a call is more than a head and a few bytes, or its
/// answer is. Where the call has been written already and its answer has begun ([`Conn::replay`]),
/// what hyper writes goes nowhere, and what was read comes to hyper first.
pub(super) struct Conn {
    /// In a box, since it has room for TLS and goes from hand to hand.
    socket: Box<TokioIo<Socket>>,
    replay: Option<Replay>,
}

struct Replay {
    read: Bytes,
    /// What the system has not taken of the call yet. While there is any, no other can follow.
    unsent: Bytes,
    /// Whether hyper has written its request. It would take an answer before for an error.
    asked: bool,
    reader: Option<Waker>,
}

impl Conn {
    /// Over what was just connected.
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket: Box::new(TokioIo::new(socket)), replay: None }
    }

    /// Whether nothing has come since the last answer, not even an end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let read = &mut ReadBuf::new(&mut byte);
        let now = &mut Context::from_waker(Waker::noop());
        AsyncRead::poll_read(Pin::new(&mut *self.socket), now, read).is_pending()
    }

    /// Closes it in good order: under TLS the other side is told that nothing was cut off.
    pub(super) async fn close(mut self) {
        // Why it did not end well matters to nobody.
        let _ended = poll_fn(|cx| AsyncWrite::poll_shutdown(Pin::new(&mut *self.socket), cx)).await;
    }

    /// Reads what is there, at most so many bytes; 0 bytes are the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        into.reserve(most);
        pin!(self.socket.read_buf(&mut into.limit(most))).poll(cx)
    }

    /// Writes what the system takes; once all is taken, it is on its way.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) -> Poll<io::Result<()>> {
        while !rest.is_empty() {
            match ready!(AsyncWrite::poll_write(Pin::new(&mut *self.socket), cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *rest = rest.get(written..).unwrap_or_default(),
            }
        }
        AsyncWrite::poll_flush(Pin::new(&mut *self.socket), cx)
    }

    /// For hyper, to which the answer that began with these bytes is read, while the rest of the
    /// call is sent.
    pub(super) fn replay(mut self, read: Bytes, unsent: Bytes) -> Self {
        self.replay = Some(Replay { read, unsent, asked: false, reader: None });
        self
    }

    /// From hyper, after an answer that it has read to its end; `None` where it cannot be used again.
    pub(super) fn reclaimed(mut self, unread: &[u8]) -> Option<Self> {
        let done = |replay: Replay| replay.read.is_empty() && replay.unsent.is_empty();
        (self.replay.take().is_none_or(done) && unread.is_empty()).then_some(self)
    }

    /// Sends the rest of a call whose answer has begun.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(replay) = &mut self.replay else { return Poll::Ready(Ok(())) };
        while !replay.unsent.is_empty() {
            match ready!(AsyncWrite::poll_write(Pin::new(&mut *self.socket), cx, &replay.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => replay.unsent.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Read for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(replay) = &mut self.replay {
            if !replay.asked {
                replay.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let part = replay.read.split_to(into.remaining().min(replay.read.len()));
            if part.has_remaining() {
                into.put_slice(&part);
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(self.socket.inner_mut()).poll_read(cx, into)
    }
}

impl Replay {
    fn ask(&mut self) {
        self.asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Write for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(replay) = &mut self.replay {
            replay.ask();
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(self.socket.inner_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(replay) = &mut self.replay {
            replay.ask();
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        Pin::new(self.socket.inner_mut()).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.inner().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An API that has answered may well have closed its ear.
        let _refused = ready!(self.poll_unsent(cx));
        Pin::new(self.socket.inner_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.inner_mut()).poll_shutdown(cx)
    }
}
