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
    exchange: Exchange,
    seat: Option<Seat>,
    link: Link,
}

impl Outgoing {
    /// Around an answer. `problem`: the code, where it is one of ours.
    pub(super) fn wrap(
        response: Response<Content>,
        problem: Option<Outcome>,
        exchange: Exchange,
        seat: Option<Seat>,
        link: Link,
    ) -> Response<Self> {
        let status = response.status();
        let outcome = problem.unwrap_or_else(|| Outcome::from_status(status.as_u16()));
        response.map(|content| {
            let seat = seat.filter(|_| !content.is_done());
            Self { content, status, outcome, exchange, seat, link }
        })
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
        let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
        if self.content.is_done() || !matches!(frame, Some(Ok(_))) {
            // Before the browser can know that the call has ended, and make another.
            self.seat = None;
        }
        Poll::Ready(frame)
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
