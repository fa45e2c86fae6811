//! The HTTP client: connections to one origin, and calls over them.
//!
//! What is plain ([`plain`](super::plain)) is written and read here; all else is `hyper`'s HTTP/1.1.
//! Both are over one pool of connections, a TLS connector and a time limit on connecting, and nothing
//! else: a client that also follows redirects, keeps cookies and knows proxies copies a request's
//! headers and parses its URL anew at every call, and one whose connections are tasks wakes them and
//! is woken by them (`docs/adr/0009-speed.md`).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, poll_fn, select};
use http::{Request, Response, Uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;

use super::conn::Conn;
use super::connector::{ConnectError, Connector};
use super::link::Link;
use super::long::Long;
use super::outbound::Outbound;
use super::plain::{Exchanged, PlainCall};
use super::pool::Pool;
use crate::settings::Forward;
use crate::upstream::BuildError;

/// A pool of connections. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct Client {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
}

struct Shared {
    connector: Connector,
    http: http1::Builder,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection could be made.
    Connect(ConnectError),
    /// The API closed it as soon as it was made.
    Closed,
    /// The API said something before it was asked.
    Unasked,
    /// The connection broke before there was an answer.
    Lost(io::Error),
    /// Nothing of the request was written.
    Canceled(hyper::Error),
    /// The connection broke, or what came over it is no answer.
    SendRequest(hyper::Error),
}

/// What is sent.
pub(super) enum Outgoing {
    Plain(PlainCall),
    /// A body to be sent as it comes, or too large to be sent with its head.
    Full(Box<Request<Outbound>>),
}

/// What comes back.
pub(super) enum Arrival {
    /// All of it.
    Whole(Response<Bytes>),
    /// The beginning of a body of known length, for which its connection is waited on.
    Long(Response<Long>, Arc<Pool>),
    /// An answer that has begun.
    Begun(Response<Incoming>, Rest),
}

/// What of an answer is still to come once it has begun.
pub(super) enum Rest {
    /// Nothing: all of it is here.
    Here,
    /// It comes by itself; or it does not, and the body knows.
    Comes,
    /// It comes while its connection is driven.
    Driven(Unfinished),
}

/// The connection of an answer that has not been received to its end.
pub(super) struct Unfinished {
    link: Link,
    pool: Arc<Pool>,
}

impl Client {
    /// For an origin.
    pub(super) fn new(settings: &Forward, origin: Uri, secure: bool) -> Result<Self, BuildError> {
        let mut http = http1::Builder::new();
        http.max_buf_size(BUFFER);
        let shared = Arc::new(Shared { connector: Connector::new(settings, origin, secure)?, http });
        Ok(Self { shared, pool: Pool::new(settings.pool_idle_timeout) })
    }

    /// Sends a request until its answer begins. The rest of the answer comes as it is waited for,
    /// and only then. A request of which nothing was written, because its connection turned out to
    /// be closed, is sent over another.
    pub(super) async fn send(&self, mut request: Outgoing) -> Result<Arrival, Fault> {
        loop {
            let (conn, used) = match self.pool.take() {
                Some(conn) => (conn, true),
                None => Box::pin(self.connected()).await?,
            };
            last_in_line().await;
            let unsent = match request {
                Outgoing::Plain(call) => match call.exchange(conn).await {
                    Exchanged::Whole(answer, conn) => {
                        if let Some(conn) = conn {
                            self.pool.put(conn);
                        }
                        return Ok(Arrival::Whole(answer));
                    }
                    Exchanged::Long(answer) => {
                        return Ok(Arrival::Long(answer, Arc::clone(&self.pool)));
                    }
                    Exchanged::Begun(conn) => return Box::pin(self.read_on(&call, conn)).await,
                    Exchanged::Closed | Exchanged::Unasked if used => Outgoing::Plain(call),
                    Exchanged::Closed => return Err(Fault::Closed),
                    Exchanged::Unasked => return Err(Fault::Unasked),
                    Exchanged::Lost(error) => return Err(Fault::Lost(error)),
                },
                Outgoing::Full(request) => match Box::pin(self.exchange(conn, *request, used)).await? {
                    Ok(answer) => return Ok(answer),
                    Err(unsent) => Outgoing::Full(Box::new(unsent)),
                },
            };
            tracing::trace!("a connection was closed while it was idle; taking another");
            request = unsent;
        }
    }

    /// Sends it by hyper; gives it back where it can be sent over another connection.
    async fn exchange(
        &self,
        conn: Conn,
        request: Request<Outbound>,
        used: bool,
    ) -> Result<Result<Arrival, Request<Outbound>>, Fault> {
        let link = Link::over(conn, &self.shared.http).await.map_err(Fault::SendRequest)?;
        match link.exchange(request).await {
            Ok((answer, link)) => {
                let rest = link.map_or(Rest::Comes, |link| self.rest(link, &answer));
                Ok(Ok(Arrival::Begun(answer, rest)))
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) if used => Ok(Err(unsent)),
                Some(_) => Err(Fault::Canceled(error.into_error())),
                None => Err(Fault::SendRequest(error.into_error())),
            },
        }
    }

    /// Reads the answer to a call that has been sent.
    async fn read_on(&self, call: &PlainCall, conn: Conn) -> Result<Arrival, Fault> {
        // It goes nowhere; but what answers to a method look like, hyper knows.
        let mut request = Request::new(Outbound::Whole(Bytes::new()));
        *request.method_mut() = call.method.clone();
        let answer = self.exchange(conn, request, false).await?;
        answer.map_err(|_| Fault::Closed)
    }

    fn rest(&self, link: Link, answer: &Response<Incoming>) -> Rest {
        if link.is_idle() {
            self.pool.put_back(link);
            Rest::Here
        } else if answer.body().is_end_stream() {
            // Nobody will wait for it, but the request may still be on its way.
            self.pool.drive(link);
            Rest::Comes
        } else {
            Rest::Driven(Unfinished { link, pool: Arc::clone(&self.pool) })
        }
    }

    /// A new connection; or one that became idle before that stood, and whether it is such a one.
    async fn connected(&self) -> Result<(Conn, bool), Fault> {
        match select(self.pool.wait(), self.connect()).await {
            Either::Left((Ok(conn), connecting)) => {
                // The connection that was begun will be used by another call.
                let pool = Arc::clone(&self.pool);
                tokio::spawn(async move {
                    if let Ok(conn) = connecting.await {
                        pool.put(conn);
                    }
                });
                Ok((conn, true))
            }
            // The pool keeps what is waited for by, so that this cannot be.
            Either::Left((Err(_), connecting)) => Ok((connecting.await?, false)),
            Either::Right((connected, _)) => Ok((connected?, false)),
        }
    }

    fn connect(&self) -> BoxFuture<'static, Result<Conn, Fault>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.connector.connect().await.map(Conn::new).map_err(Fault::Connect) })
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

impl Rest {
    /// It shall come whether it is waited for or not.
    pub(super) fn come(self) -> Self {
        match self {
            Self::Driven(unfinished) => {
                unfinished.finish();
                Self::Comes
            }
            rest => rest,
        }
    }
}

impl Unfinished {
    /// The connection.
    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Nobody will wait for the connection, and it is not to be closed.
    pub(super) fn finish(self) {
        if self.link.is_idle() {
            self.pool.put_back(self.link);
        } else {
            self.pool.drive(self.link);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connector", &self.shared.connector).finish_non_exhaustive()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect(_) => "client error (Connect)",
            Self::Closed => "client error (SendRequest): channel closed",
            Self::Unasked => "client error (SendRequest): the API spoke unasked",
            Self::Lost(_) => "client error (SendRequest)",
            Self::Canceled(_) => "client error (Canceled)",
            Self::SendRequest(_) => "client error (SendRequest)",
        })
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) => Some(&**error),
            Self::Closed | Self::Unasked => None,
            Self::Lost(error) => Some(error),
            Self::Canceled(error) | Self::SendRequest(error) => Some(error),
        }
    }
}

/// How large a connection's buffers may grow. With hyper's own bound of 408 KiB a slow browser makes
/// its connection hold more than a megabyte (`docs/PERFORMANCE.md`). It is also the longest head
/// that an answer may have.
const BUFFER: usize = 64 << 10;
