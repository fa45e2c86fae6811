//! An answer on its way to the browser, with all that ends when it has been sent, or dropped.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::content::Content;
use crate::server::connection::Link;
use crate::server::envelope::Exchange;
use crate::server::limits::Seat;
use crate::telemetry::Outcome;

/// A body, the line in the log, the session's seat, and the turn on the connection.
pub(super) struct Outgoing {
    content: Content,
    status: StatusCode,
    outcome: Outcome,
    exchange: Box<Exchange>,
    seat: Option<Seat>,
    link: Link,
    /// What ended it, until all before it has been written.
    broken: Option<io::Error>,
}

impl Outgoing {
    /// Around an answer. `problem`: the code, where it is one of ours.
    pub(super) fn wrap(
        response: Response<Content>,
        problem: Option<Outcome>,
        exchange: Box<Exchange>,
        seat: Option<Seat>,
        link: Link,
    ) -> Response<Self> {
        let status = response.status();
        let outcome = problem.unwrap_or_else(|| Outcome::from_status(status.as_u16()));
        response.map(|content| {
            let seat = seat.filter(|_| !content.is_done());
            Self { content, status, outcome, exchange, seat, link, broken: None }
        })
    }

    /// What comes next of the body.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let piece = ready!(self.content.poll_piece(cx));
        if self.content.is_done() || !matches!(piece, Some(Ok(_))) {
            // Before the browser can know that the call has ended, and make another.
            self.seat = None;
        }
        Poll::Ready(piece)
    }

    /// The body.
    pub(super) const fn content(&self) -> &Content {
        &self.content
    }

    /// Tells that the body is cut short, once all that came before is written: with that the server
    /// gives up what it holds.
    fn poll_break(
        &mut self,
        cx: &Context<'_>,
        error: io::Error,
        begins: bool,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.link.poll_flushed(cx, begins).is_ready() {
            return Poll::Ready(Some(Err(error)));
        }
        self.broken = Some(error);
        Poll::Pending
    }

    /// Says that the connection ends with it.
    pub(super) fn closes(&self) {
        self.link.closes();
    }

    /// Whether all of the request has been read.
    pub(super) fn has_read_the_request(&self) -> bool {
        self.link.is_read()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(error) = self.broken.take() {
            return self.poll_break(cx, error, false);
        }
        match ready!(self.poll_piece(cx)) {
            Some(Err(error)) => self.poll_break(cx, error, true),
            piece => Poll::Ready(piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let outcome = if self.content.is_done() { self.outcome } else { Outcome::Aborted };
        self.exchange.report(self.status.as_u16(), outcome, self.content.sent());
        self.link.ended();
    }
}
