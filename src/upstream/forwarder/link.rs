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

use super::connector::Socket;
use super::outbound::Outbound;

/// A connection. Dropped, it is closed.
pub(super) struct Link {
    sender: http1::SendRequest<Outbound>,
    connection: Box<http1::Connection<Socket, Outbound>>,
}

/// What came of a request: the answer and the connection, unless that has ended.
pub(super) type Exchanged = Result<(Response<Incoming>, Option<Link>), TrySendError<Request<Outbound>>>;

impl Link {
    /// Over a connection that was just made; `None` if the API has closed it. What the API says
    /// before it is asked is an error.
    pub(super) async fn over(socket: Socket, http: &http1::Builder) -> Result<Option<Self>, hyper::Error> {
        let (sender, connection) = http.handshake(socket).await?;
        let mut link = Self { sender, connection: Box::new(connection) };
        let ended = poll_fn(|cx| {
            Poll::Ready(match Pin::new(&mut *link.connection).poll(cx) {
                Poll::Ready(ended) => ended.map(|()| true),
                Poll::Pending => Ok(false),
            })
        });
        let ended = ended.await?;
        Ok((!ended).then_some(link))
    }

    /// Reads and writes what can be; ready when the connection has ended, after which this is not
    /// called again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whatever ended it has been told to whoever waits for an answer, or for a piece of one.
        Pin::new(&mut *self.connection).poll(cx).map(drop)
    }

    /// The same without being woken when there is more.
    pub(super) fn poll_now(&mut self) -> Poll<()> {
        self.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether the last call has come to its end, its answer's last byte received, and the
    /// connection can take the next. True only as of the last `poll`.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready()
    }

    /// Sends a request, until its answer begins. An error holds the request where none of it was
    /// written: before the first byte, the connection is seen to be open still.
    pub(super) async fn exchange(self, request: Request<Outbound>) -> Exchanged {
        let Self { mut sender, mut connection } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let mut sent = false;
        let begun = poll_fn(|cx| {
            // The answer comes by nothing but the connection, so it wakes nobody.
            let now = &mut Context::from_waker(Waker::noop());
            // Nor does what is read first: were the connection left idle with this task's waker,
            // the next call over it would wake this task.
            if sent {
                let ended = Pin::new(&mut *connection).poll(now).is_ready();
                if let Poll::Ready(begun) = answer.as_mut().poll(now) {
                    return Poll::Ready(Some((begun, ended)));
                }
                if ended {
                    return Poll::Ready(None);
                }
            }
            sent = true;
            let ended = Pin::new(&mut *connection).poll(cx).is_ready();
            match answer.as_mut().poll(now) {
                Poll::Ready(begun) => Poll::Ready(Some((begun, ended))),
                Poll::Pending if ended => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match begun {
            Some((begun, ended)) => Ok((begun?, (!ended).then_some(Self { sender, connection }))),
            None => {
                // The request that waits in it is given back.
                drop(connection);
                Ok((answer.await?, None))
            }
        }
    }
}
