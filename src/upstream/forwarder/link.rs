//! One call over a connection to the API, by hyper.
//!
//! No task of its own drives it: whoever waits for something from it lets it read and write. So a
//! call over a connection that stands wakes nobody but itself.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::future::poll_fn;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use super::bell::Bell;
use super::conn::Conn;
use super::outbound::Outbound;

/// A connection, lent to hyper. Dropped, it is closed.
pub(super) struct Link {
    sender: http1::SendRequest<Outbound>,
    wire: Wire,
}

struct Wire {
    connection: Box<http1::Connection<Conn, Outbound>>,
    bell: Bell,
}

/// What came of a request: the answer and the connection, unless that has ended.
pub(super) type Exchanged = Result<(Response<Incoming>, Option<Link>), TrySendError<Request<Outbound>>>;

impl Link {
    /// Over a connection on which nothing is under way, or for an answer that has begun.
    pub(super) async fn over(conn: Conn, http: &http1::Builder) -> Result<Self, hyper::Error> {
        let (sender, connection) = http.handshake(conn).await?;
        Ok(Self { sender, wire: Wire { connection: Box::new(connection), bell: Bell::new() } })
    }

    /// The connection, once it is idle; `None` where it cannot be used again.
    pub(super) fn into_conn(self) -> Option<Conn> {
        let parts = self.wire.connection.into_parts();
        parts.io.reclaimed(&parts.read_buf)
    }

    /// Reads and writes what can be; whether the connection has ended. It is not to be asked again
    /// then.
    pub(super) fn advance(&mut self) -> bool {
        self.wire.advance()
    }

    /// Has the task woken when there is something to read or write.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.wire.bell.listen(cx);
    }

    /// Whether the last call has come to its end, its answer's last byte received, and the
    /// connection can take the next. True only as of the last `advance`.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready()
    }

    /// Sends a request, until its answer begins. An error holds the request where none of it was
    /// written: before the first byte, the connection is seen to be open still.
    pub(super) async fn exchange(self, request: Request<Outbound>) -> Exchanged {
        let Self { mut sender, mut wire } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let mut sent = false;
        let begun = poll_fn(|cx| {
            if wire.bell.has_rung() | !std::mem::replace(&mut sent, true) {
                let ended = wire.poll();
                // The answer comes by nothing but the connection, so it need not wake.
                if let Poll::Ready(begun) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    return Poll::Ready(Some((begun, ended)));
                }
                if ended {
                    return Poll::Ready(None);
                }
            }
            wire.bell.listen(cx);
            Poll::Pending
        })
        .await;
        match begun {
            Some((begun, ended)) => Ok((begun?, (!ended).then_some(Self { sender, wire }))),
            None => {
                // The request that waits in it is given back.
                drop(wire);
                Ok((answer.await?, None))
            }
        }
    }
}

impl Wire {
    fn advance(&mut self) -> bool {
        self.bell.has_rung() && self.poll()
    }

    fn poll(&mut self) -> bool {
        // Whatever ended it has been told to whoever waits for an answer, or for a piece of one.
        Pin::new(&mut *self.connection).poll(&mut self.bell.context()).is_ready()
    }
}
