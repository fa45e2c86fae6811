//! The view that an HTTP layer has of a connection: one request, and no byte of the next.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use actix_http::Request;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;

/// A connection, lent to the HTTP layer for one request.
#[derive(Debug)]
pub(in crate::server) struct Turn(pub(super) Rc<RefCell<Wire>>);

/// The same, lent for a call.
#[derive(Debug)]
pub(in crate::server) struct CallTurn {
    wire: Rc<RefCell<Wire>>,
    line: LastInLine,
}

/// Lets the answers that came at the same time go first, each as far as here. What is written then is
/// written together, and wakes a client on the same machine once.
#[derive(Debug, Default)]
pub(in crate::server) struct LastInLine {
    waited: bool,
}

impl LastInLine {
    /// Ready once the others have gone; from then on at once.
    pub(in crate::server) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a request knows of its turn. It does not keep the connection open: requests are kept for
/// use again, with what belonged to them, after their connection has ended.
#[derive(Debug, Clone)]
pub(in crate::server) struct Link(Weak<RefCell<Wire>>);

impl Turn {
    /// For what comes and goes with the request.
    pub(in crate::server) fn link(&self) -> Link {
        Link::to(&self.0)
    }
}

impl CallTurn {
    pub(super) fn new(wire: Rc<RefCell<Wire>>) -> Self {
        Self { wire, line: LastInLine::default() }
    }

    /// For what comes and goes with the call.
    pub(in crate::server) fn link(&self) -> Link {
        Link::to(&self.wire)
    }
}

impl Link {
    pub(super) fn to(wire: &Rc<RefCell<Wire>>) -> Self {
        Self(Rc::downgrade(wire))
    }

    /// The answer has ended, or was dropped.
    pub(in crate::server) fn ended(&self) {
        let wire = self.0.upgrade();
        if let Some(Ok(mut wire)) = wire.as_ref().map(|wire| wire.try_borrow_mut()) {
            wire.answer.ended = true;
        }
    }

    /// Whether all that the HTTP layer has been given of the answer is with the system, since it was
    /// first asked, which `begins` says.
    pub(in crate::server) fn poll_flushed(&self, cx: &Context<'_>, begins: bool) -> Poll<()> {
        let Some(wire) = self.0.upgrade() else { return Poll::Ready(()) };
        let mut wire = wire.borrow_mut();
        if wire.answer.flushed && !begins {
            return Poll::Ready(());
        }
        wire.wait_for_flush(cx);
        Poll::Pending
    }

    /// The answer says that the connection ends with it.
    pub(in crate::server) fn closes(&self) {
        if let Some(wire) = self.0.upgrade() {
            wire.borrow_mut().answer.closes = true;
        }
    }

    /// Whether all of the request has been handed on.
    pub(in crate::server) fn is_read(&self) -> bool {
        self.0.upgrade().is_some_and(|wire| wire.borrow().is_read())
    }

    /// Whether the rest of the request has been read from the socket, if not yet handed on.
    pub(in crate::server) fn is_at_hand(&self) -> bool {
        self.0.upgrade().is_some_and(|wire| wire.borrow().is_at_hand())
    }

    /// To the turn on which a request came.
    pub(in crate::server) fn of(request: &Request) -> Option<Self> {
        request.conn_data::<Self>().cloned()
    }

    /// The answer's body, with whose end the turn ends.
    pub(in crate::server) fn until_sent(link: Option<Self>, body: BoxBody) -> BoxBody {
        match link {
            None => body,
            Some(link) => BoxBody::new(Ending { body, rest: Bytes::new(), link }),
        }
    }

    /// Whether the rest of the request's body cannot be read; otherwise who waits for it is woken
    /// once that is so.
    pub(in crate::server) fn poll_broken(&self, cx: &Context<'_>) -> Poll<()> {
        let Some(wire) = self.0.upgrade() else { return Poll::Ready(()) };
        let mut wire = wire.borrow_mut();
        if wire.is_broken() {
            return Poll::Ready(());
        }
        wire.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Turn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_hand_on(cx, into)
    }
}

impl AsyncWrite for Turn {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        if wire.note_answer(bytes).is_some_and(says_close) {
            wire.answer.closes = true;
        }
        wire.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().flushed();
        Poll::Ready(Ok(()))
    }

    /// The turn is over; whether the connection is, is decided elsewhere.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for CallTurn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire.borrow_mut();
        match wire.poll_hand_on(cx, into) {
            // This layer still answers where it cannot read.
            Poll::Pending if wire.is_broken() => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            polled => polled,
        }
    }
}

impl AsyncWrite for CallTurn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.line.poll(cx));
        let mut wire = self.wire.borrow_mut();
        wire.note_answer(bytes);
        wire.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.line.poll(cx));
        let mut wire = self.wire.borrow_mut();
        // A head does not begin within a piece.
        wire.note_answer(pieces.first().map_or(&[], |first| first));
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut together = [0; TOGETHER];
        match together.get_mut(..length) {
            // The system takes one piece for less than several, and a copy of so little is nothing.
            Some(together) => {
                let mut rest = &mut *together;
                for piece in pieces {
                    rest.write_all(piece)?;
                }
                wire.poll_write(cx, together)
            }
            None => wire.poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.borrow_mut().flushed();
        Poll::Ready(Ok(()))
    }

    /// The turn is over; whether the connection is, is decided elsewhere.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether a head says that the connection ends. What is no head says so too.
fn says_close(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"HTTP/1.") {
        return true;
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return false;
        }
        if let Some((name, value)) = line.split_at_checked(b"connection:".len())
            && name.eq_ignore_ascii_case(b"connection:")
        {
            return has_close(value);
        }
    }
    true
}

/// Whether `close` is among the options of `Connection` (RFC 9112 section 9.6).
pub(in crate::server) fn has_close(options: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Up to so many bytes are written in one piece.
const TOGETHER: usize = 1024;

/// Largest piece of an answer that is handed to the HTTP layer, in bytes. That copies each piece
/// into a buffer which grows with it and is kept while the client takes its time.
const PIECE: usize = 16 * 1024;

/// A body in small pieces that tells when it has been sent, or dropped.
struct Ending {
    body: BoxBody,
    rest: Bytes,
    link: Link,
}

impl MessageBody for Ending {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(piece)) => self.rest = piece,
                other => return Poll::Ready(other),
            }
        }
        let most = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(most))))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.link.ended();
    }
}
