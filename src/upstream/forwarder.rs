//! Sends a call to the API and streams the answer back.
//!
//! Each worker has one forwarder and so its own pool of connections: a connection lives on the worker
//! that opened it, and never outlives it or waits for another. It is driven by the call that uses it.
//!
//! **Time.** The API has `response_timeout` to begin its answer, counted from the end of the
//! request. A long upload is no silence: while the browser is the slower side the API's clock
//! stands still (the reader of the body watches the browser), and where the API is the slower
//! side it has `idle_timeout` to take the next piece. Between pieces of the answer it has
//! `idle_timeout` too. No limit covers a whole call, which may stream for days.
//!
//! **Repeats.** A connection that the API closes just as it is used loses a call that the API may
//! have seen. GET, HEAD and OPTIONS without a body are sent once more; nothing else ever is (RFC
//! 9110 section 9.2.2). Requests that never left this process are the HTTP client's to repeat.

mod answer;
mod bell;
mod client;
mod conn;
mod connector;
mod failure;
mod link;
mod long;
mod outbound;
mod plain;
mod pool;
mod upload;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{Method, Request, Uri};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Answer, BuildError, Call, CallBody, Error, Routes};
use crate::model::AccessToken;
use crate::settings::Forward;
use client::{Arrival, Client, Outgoing};
use outbound::Outbound;
use plain::PlainCall;
use upload::{Guard, Upload};

/// Sends calls to the API. Cheap to clone; make one a worker.
#[derive(Debug, Clone)]
pub struct Forwarder {
    client: Client,
    routes: Arc<Routes>,
    host: HeaderValue,
    response_timeout: Duration,
    idle_timeout: Duration,
}

impl Forwarder {
    /// A forwarder with a pool of its own.
    ///
    /// # Errors
    /// [`BuildError`], for one if the API is `https` and the machine has no usable trust store.
    pub fn new(settings: &Forward, routes: Arc<Routes>) -> Result<Self, BuildError> {
        let (scheme, authority) = routes.origin_parts()?;
        let secure = scheme == Scheme::HTTPS;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BuildError::Origin)?;
        let origin = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        let origin = origin.map_err(|_| BuildError::Origin)?;
        Ok(Self {
            client: Client::new(settings, origin, secure)?,
            routes,
            host,
            response_timeout: settings.response_timeout,
            idle_timeout: settings.idle_timeout,
        })
    }

    /// The paths that this forwarder sends, and where to.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Sends the call with this token and returns as soon as the answer's headers are there. A
    /// streamed body is taken out of the call; any other stays, so that the call can be sent again
    /// with another token. To drop the future, or the answer's body, is to cancel the call.
    ///
    /// # Errors
    /// [`Error`], by cause. After [`Error::Unreachable`], [`Error::Timeout`] and
    /// [`Error::Invalid`] it is unknown whether the call took effect.
    pub async fn send(&self, call: &mut Call, token: &AccessToken) -> Result<Answer, Error> {
        // A second attempt gets no time of its own.
        let since = Instant::now();
        let first = Attempt::new(call, token, self, since)?;
        let repeatable = matches!(call.body, CallBody::Empty)
            && [Method::GET, Method::HEAD, Method::OPTIONS].contains(&call.method);
        let outcome = match first.run(self).await {
            Err(Failure::ConnectionLost) if repeatable => {
                tracing::debug!("a connection broke before the answer; sending the call once more");
                Box::pin(Attempt::new(call, token, self, since)?.run(self)).await
            }
            outcome => outcome,
        };
        answer::read(outcome.map_err(Error::from)?, call, self)
    }
}

/// Why an attempt yielded no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The connection stood, and broke.
    ConnectionLost,
    /// Anything else.
    Other(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ConnectionLost => Self::Unreachable,
            Failure::Other(error) => error,
        }
    }
}

/// The call, sent once.
struct Attempt {
    request: Outgoing,
    guard: Guard,
}

/// An answer that has begun.
struct Begun {
    arrival: Arrival,
    guard: Guard,
}

impl Attempt {
    fn new(
        call: &mut Call,
        token: &AccessToken,
        forwarder: &Forwarder,
        since: Instant,
    ) -> Result<Self, Error> {
        // All is written into the call, which has room for it; a copy has not.
        let headers = &mut call.headers;
        headers.insert(HOST, forwarder.host.clone());
        headers.insert(AUTHORIZATION, bearer(token)?);

        // The body decides the framing. It is spelt out, because the HTTP client would send no
        // body with a GET of unknown length, and no length with an empty POST.
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        let plain = |headers: &HeaderMap, body: &[u8]| {
            Outgoing::Plain(PlainCall::new(call.method.clone(), call.path.target().as_str(), headers, body))
        };
        let full = |headers: &HeaderMap, body: Outbound| {
            let mut request = Request::new(body);
            *request.method_mut() = call.method.clone();
            *request.uri_mut() = Uri::from(call.path.target().clone());
            *request.headers_mut() = headers.clone();
            Outgoing::Full(Box::new(request))
        };
        let (request, guard) = match std::mem::replace(&mut call.body, CallBody::Spent) {
            CallBody::Empty => {
                call.body = CallBody::Empty;
                if [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                (plain(headers, b""), Guard::handed_over(since))
            }
            CallBody::Kept(bytes) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                let request = if bytes.len() <= SENT_AT_ONCE {
                    plain(headers, &bytes)
                } else {
                    full(headers, Outbound::Whole(bytes.clone()))
                };
                call.body = CallBody::Kept(bytes);
                (request, Guard::handed_over(since))
            }
            CallBody::Stream { length, pieces } => {
                match length {
                    Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
                    None => headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
                };
                let (upload, guard) = Upload::new(pieces, forwarder.idle_timeout);
                (full(headers, Outbound::Stream(Box::new(upload))), guard)
            }
            CallBody::Spent => return Err(Error::Spent),
        };
        Ok(Self { request, guard })
    }

    async fn run(self, forwarder: &Forwarder) -> Result<Begun, Failure> {
        let Self { request, mut guard } = self;
        let mut response = pin!(forwarder.client.send(request));
        let result = loop {
            let deadline = guard.deadline(forwarder.response_timeout);
            if guard.is_still() {
                let timed = timeout_at(deadline, response.as_mut()).await;
                break timed.map_err(|_| Failure::Other(Error::Timeout))?;
            }
            tokio::select! {
                biased;
                result = &mut response => break result,
                () = guard.ended() => {}
                () = sleep_until(deadline) => {
                    if let Some(fault) = guard.fault() {
                        return Err(Failure::Other(fault.into()));
                    }
                    if guard.deadline(forwarder.response_timeout) <= deadline {
                        return Err(Failure::Other(Error::Timeout));
                    }
                }
            }
        };
        let arrival = match result.map_err(|fault| failure::classify(&fault, &guard))? {
            // The body goes on whether the browser takes the answer or not: it may take it only
            // after it has sent all.
            Arrival::Begun(response, rest) if guard.is_moving() => Arrival::Begun(response, rest.come()),
            arrival => arrival,
        };
        Ok(Begun { arrival, guard })
    }
}

/// RFC 6750 section 2.1, marked so that it is never printed.
fn bearer(token: &AccessToken) -> Result<HeaderValue, Error> {
    // In one piece of memory, without the machinery of `format!`.
    let mut line = Vec::with_capacity(BEARER.len() + token.expose().len());
    line.extend_from_slice(BEARER);
    line.extend_from_slice(token.expose().as_bytes());
    // Cannot fail: a token is visible ASCII.
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(line)).map_err(|_| Error::Invalid)?;
    value.set_sensitive(true);
    Ok(value)
}

const BEARER: &[u8] = b"Bearer ";
/// Up to how many bytes of a body are copied to go out with their head.
const SENT_AT_ONCE: usize = 16 * 1024;
