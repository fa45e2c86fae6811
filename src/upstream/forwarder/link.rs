//! One connection to the API, and one call over it.
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
use super::connector::Socket;
use super::outbound::Outbound;

/// A connection. Dropped, it is closed.
pub(super) struct Link {
    sender: http1::SendRequest<Outbound>,
    wire: Wire,
}

struct Wire {
    connection: Box<http1::Connection<Socket, Outbound>>,
    bell: Bell,
}

/// What came of a request: the answer and the connection, unless that has ended.
pub(super) type Exchanged = Result<(Response<Incoming>, Option<Link>), TrySendError<Request<Outbound>>>;

impl Link {
    /// Over a connection that was just made; `None` if the API has closed it. What the API says
    /// before it is asked is an error.
    pub(super) async fn over(socket: Socket, http: &http1::Builder) -> Result<Option<Self>, hyper::Error> {
        let (sender, connection) = http.handshake(socket).await?;
        let mut wire = Wire { connection: Box::new(connection), bell: Bell::new() };
        let ended = match Pin::new(&mut *wire.connection).poll(&mut wire.bell.context()) {
            Poll::Ready(ended) => ended.map(|()| true)?,
            Poll::Pending => false,
        };
        Ok((!ended).then_some(Self { sender, wire }))
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

    /// Nobody waits for it any more.
    pub(super) fn leave(&self) {
        self.wire.bell.leave();
    }

    /// Whether the last call has come to its end, its answer's last byte received, and the
    /// connection can take the next. True only as of the last `advance`.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready()
    }

    /// Closes it in good order: under TLS the other side is told that nothing was cut off.
    pub(super) async fn close(self) {
        let Self { sender, wire } = self;
        drop(sender);
        // Why it did not end well matters to nobody.
        let _ended = wire.connection.await;
    }

    /// Sends a request, until its answer begins. An error holds the request where none of it was
    /// written: before the first byte, the connection is seen to be open still.
    pub(super) async fn exchange(self, request: Request<Outbound>) -> Exchanged {
        let Self { mut sender, mut wire } = self;
        last_in_line().await;
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

/// Lets the calls that came at the same time go first, each as far as here. What is written then
/// is written together: an API on the same machine that slept is woken once and not for each of
/// them, which costs several times this.
async fn last_in_line() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
