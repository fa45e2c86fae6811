//! The HTTP client: connections to one origin, and calls over them.
//!
//! It is `hyper`'s HTTP/1.1 over a pool of its own, a TLS connector and a time limit on connecting,
//! and nothing else: one that also follows redirects, keeps cookies and knows proxies copies a
//! request's headers and parses its URL anew at every call, and one whose connections are tasks
//! wakes them and is woken by them (`docs/adr/0009-speed.md`).

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, select};
use http::{Request, Response, Uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;

use super::connector::{ConnectError, Connector};
use super::link::Link;
use super::outbound::Outbound;
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
    /// Nothing of the request was written.
    Canceled(hyper::Error),
    /// The connection broke, or what came over it is no answer.
    SendRequest(hyper::Error),
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
    pub(super) async fn send(
        &self,
        mut request: Request<Outbound>,
    ) -> Result<(Response<Incoming>, Rest), Fault> {
        loop {
            let (link, used) = match self.pool.take() {
                Some(link) => (link, true),
                None => Box::pin(self.connected()).await?,
            };
            match link.exchange(request).await {
                Ok((answer, link)) => {
                    let rest = link.map_or(Rest::Comes, |link| self.rest(link, &answer));
                    return Ok((answer, rest));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used => {
                        tracing::trace!("a connection was closed while it was idle; taking another");
                        request = unsent;
                    }
                    Some(_) => return Err(Fault::Canceled(error.into_error())),
                    None => return Err(Fault::SendRequest(error.into_error())),
                },
            }
        }
    }

    fn rest(&self, link: Link, answer: &Response<Incoming>) -> Rest {
        if link.is_idle() {
            self.pool.put(link);
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
    async fn connected(&self) -> Result<(Link, bool), Fault> {
        match select(self.pool.wait(), self.connect()).await {
            Either::Left((Ok(link), connecting)) => {
                // The connection that was begun will be used by another call.
                let pool = Arc::clone(&self.pool);
                tokio::spawn(async move {
                    if let Ok(link) = connecting.await {
                        pool.put(link);
                    }
                });
                Ok((link, true))
            }
            // The pool keeps what is waited for by, so that this cannot be.
            Either::Left((Err(_), connecting)) => Ok((connecting.await?, false)),
            Either::Right((connected, _)) => Ok((connected?, false)),
        }
    }

    fn connect(&self) -> BoxFuture<'static, Result<Link, Fault>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let socket = shared.connector.connect().await.map_err(Fault::Connect)?;
            Link::over(socket, &shared.http).await.map_err(Fault::SendRequest)?.ok_or(Fault::Closed)
        })
    }
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
            self.pool.put(self.link);
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
            Self::Canceled(_) => "client error (Canceled)",
            Self::SendRequest(_) => "client error (SendRequest)",
        })
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) => Some(&**error),
            Self::Closed => None,
            Self::Canceled(error) | Self::SendRequest(error) => Some(error),
        }
    }
}

/// How large a connection's buffers may grow. With hyper's own bound of 408 KiB a slow browser makes
/// its connection hold more than a megabyte (`docs/PERFORMANCE.md`). It is also the longest head
/// that an answer may have.
const BUFFER: usize = 64 << 10;
