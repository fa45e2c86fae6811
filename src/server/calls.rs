//! Calls: what goes to the API, which is every request but those of the broker's own routes.
//!
//! What few calls need, each call would pay for: a router, extractors, a map of extensions, a boxed
//! answer and its conversion between two HTTP crates. So a call's turn on its connection is taken
//! beside actix-web: by hyper ([`CallTurn`]), whose types are those of the client to the API
//! (`docs/adr/0010-calls-beside-actix.md`), or, where the call is a head and no more
//! ([`PlainTurn`]), by the lines below alone (`docs/adr/0011-plain-calls.md`).

mod answer;
mod content;
mod forward;
mod reply;
mod request_body;

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{ALLOW, CONNECTION, COOKIE, EXPECT, HeaderValue, SET_COOKIE, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::admission::{Admission, METHODS};
use super::bridge;
use super::connection::{CallTurn, Link, MAX_HEAD, PlainTurn, has_close};
use super::cookie_keys::{CookieKeys, Judged};
use super::envelope::{Envelope, Exchange};
use super::limits::Limits;
use super::problem::Problem;
use crate::telemetry::Outcome;
use crate::tokens::TokenBroker;
use answer::Outgoing;
pub use content::{Content, relay};
pub use forward::Forwarding;
use forward::Granted;
use reply::Reply;
pub use request_body::{BodyLimits, request_body};

/// The broker's own routes are below this.
const OWN: &str = "/auth/";

/// What answers calls. One a worker, since the client to the API is.
pub struct Calls {
    pub(crate) envelope: Envelope,
    pub(crate) cookies: CookieKeys,
    pub(crate) admission: Admission,
    pub(crate) broker: TokenBroker,
    pub(crate) limits: Limits,
    pub(crate) forwarding: Forwarding,
    /// Paths of pages, which are no calls.
    pub(crate) pages: &'static [&'static str],
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("forwarding", &self.forwarding).finish_non_exhaustive()
    }
}

/// What becomes of the session's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Nothing.
    Leave,
    /// Set it, with the whole `Max-Age`.
    Renew,
    /// Take it away.
    Forget,
}

impl Calls {
    /// Whether a request for that target is a call.
    pub(super) fn takes(&self, target: &str) -> bool {
        let parsed = (!target.starts_with('/')).then(|| Uri::try_from(target).unwrap_or_default());
        let path = match &parsed {
            Some(uri) => uri.path(),
            None => target.split_once('?').map_or(target, |(path, _)| path),
        };
        !path.starts_with(OWN) && !self.pages.contains(&path)
    }

    /// Takes a turn: reads one call, and answers it.
    ///
    /// # Errors
    /// The answer was cut short.
    pub(super) fn serve(
        self: Rc<Self>,
        turn: CallTurn,
        peer: IpAddr,
    ) -> impl Future<Output = Result<(), hyper::Error>> {
        let link = turn.link();
        let answer = service_fn(move |request| {
            let (calls, link) = (Rc::clone(&self), link.clone());
            async move {
                let (head, body) = request.into_parts();
                Ok::<_, Infallible>(calls.answer(head, Some(body), peer, link).await)
            }
        });
        http1::Builder::new()
            // The connection has its own timers, and is the judge of what a head may be.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(turn), answer)
    }

    /// Takes the turn of a call that has been read.
    ///
    /// # Errors
    /// The answer was cut short.
    pub(super) async fn serve_plain(
        &self,
        turn: PlainTurn,
        call: Request<()>,
        peer: IpAddr,
    ) -> io::Result<()> {
        let mut exchange = pin!(async {
            let answer = self.answer(call.into_parts().0, None, peer, turn.link()).await;
            Reply::new(answer).write(&turn).await
        });
        poll_fn(|cx| {
            let polled = exchange.as_mut().poll(cx);
            if polled.is_pending() {
                turn.watch(cx);
            }
            polled
        })
        .await
    }

    async fn answer(
        &self,
        head: Parts,
        mut body: Option<Incoming>,
        peer: IpAddr,
        link: Link,
    ) -> Response<Outgoing> {
        let (version, last) = (head.version, is_last(&head));
        let has_body = body.as_ref().is_some_and(|body| !body.is_end_stream());
        let waits = has_body && head.headers.contains_key(EXPECT);
        let exchange = self.envelope.meet(&head.method, &head.uri, &head.headers, peer);
        let mut deed = Deed::Leave;
        // A bug costs its own call, not the connection's neighbours.
        let walk = AssertUnwindSafe(async {
            let lines = head.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
            let session = self.cookies.judge(lines);
            let result = match self.envelope.admit(&head.method, &head.uri, &head.headers) {
                Ok(()) => Box::pin(self.forward(head, &mut body, &session, &exchange, &mut deed)).await,
                Err(problem) => Err(problem),
            };
            (session, result)
        });
        let (session, result) =
            walk.catch_unwind().await.unwrap_or((Judged::Absent, Err(Problem::new(Outcome::InternalError))));
        let mut response = match result {
            Ok(Granted::Answer(answer, seat)) => {
                Outgoing::wrap(relay(answer, &exchange.method), None, exchange, seat, link)
            }
            Ok(Granted::Methods) => {
                let mut response = Response::new(Content::text(Bytes::new(), &exchange.method));
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                Outgoing::wrap(response, None, exchange, None, link)
            }
            // Who waits for `100 Continue` would be told to send what nobody will read.
            Err(problem) => Box::pin(refused(&problem, body.filter(|_| !waits), exchange, link)).await,
        };
        self.finish(&mut response, deed, &session, last);
        if version < Version::HTTP_11 {
            // Else hyper would promise such a client to keep the connection.
            *response.version_mut() = version;
        }
        response
    }

    fn finish(&self, response: &mut Response<Outgoing>, deed: Deed, session: &Judged, last: bool) {
        let cookie = match (deed, session) {
            (Deed::Renew, Judged::Genuine(id)) => Some(self.cookies.renewal(id)),
            (Deed::Forget, Judged::Genuine(_)) => Some(self.cookies.removal()),
            _ => None,
        };
        let closes = last || self.envelope.is_draining() || !response.body().has_read_the_request();
        let headers = response.headers_mut();
        if let Some(line) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            headers.append(SET_COOKIE, line);
        }
        self.envelope.complete(headers);
        if closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            response.body().closes();
        }
    }
}

/// Whether the connection ends with the answer, whatever that is: the client says so, or is of
/// HTTP/1.0, or has asked for another protocol and may take what follows for it.
fn is_last(head: &Parts) -> bool {
    head.version < Version::HTTP_11
        || head.headers.contains_key(UPGRADE)
        || head.headers.get_all(CONNECTION).iter().any(|line| has_close(line.as_bytes()))
}

/// The answer to a call that goes no further.
async fn refused(
    problem: &Problem,
    body: Option<Incoming>,
    exchange: Box<Exchange>,
    link: Link,
) -> Response<Outgoing> {
    problem.tell(&exchange.id, exchange.client.address);
    // What is here already is no reason to end the connection.
    if let Some(body) = body {
        request_body::skip(body, &link).await;
    }
    let response = bridge::answer(problem.respond(&exchange.id));
    let response = response.map(|text| Content::text(text, &exchange.method));
    Outgoing::wrap(response, Some(problem.code()), exchange, None, link)
}
