//! Sends a call to the API and streams the answer back.
//!
//! Each worker has one forwarder and so its own pool of connections: a connection's task lives on
//! the worker that opened it, and never outlives it or waits for another.
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
//!
//! **Unavoidable.** The HTTP client adds `Accept: */*` to a call without `Accept`, which means
//! the same (RFC 9110 section 12.5.1).

mod answer;
mod failure;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep_until};

use super::{Answer, BuildError, Call, CallBody, Error, Routes};
use crate::model::AccessToken;
use crate::settings::Forward;
use upload::{Guard, Upload};

/// Sends calls to the API. Cheap to clone; make one a worker.
#[derive(Debug, Clone)]
pub struct Forwarder {
    client: reqwest::Client,
    routes: Arc<Routes>,
    response_timeout: Duration,
    idle_timeout: Duration,
}

impl Forwarder {
    /// A forwarder with a pool of its own.
    ///
    /// # Errors
    /// [`BuildError`] if the API is `https` and the machine has no usable trust store.
    pub fn new(settings: &Forward, routes: Arc<Routes>) -> Result<Self, BuildError> {
        let mut client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(settings.pool_idle_timeout)
            .retry(reqwest::retry::never());
        if routes.origin().starts_with("http://") {
            // No certificate is ever looked at: do not load, nor depend on, the machine's.
            client = client.tls_certs_only([]);
        }
        Ok(Self {
            client: client.build().map_err(BuildError)?,
            routes,
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
                Attempt::new(call, token, self, since)?.run(self).await
            }
            outcome => outcome,
        };
        let (response, guard) = outcome.map_err(Error::from)?;
        answer::read(response, guard, call, self)
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
    request: reqwest::Request,
    guard: Guard,
}

impl Attempt {
    fn new(
        call: &mut Call,
        token: &AccessToken,
        forwarder: &Forwarder,
        since: Instant,
    ) -> Result<Self, Error> {
        let mut request = reqwest::Request::new(call.method.clone(), call.path.url().clone());
        *request.headers_mut() = call.headers.clone();
        request.headers_mut().insert(AUTHORIZATION, bearer(token)?);

        // The body decides the framing. It is spelt out, because the HTTP client would send no
        // body with a GET of unknown length, and no length with an empty POST.
        request.headers_mut().remove(CONTENT_LENGTH);
        request.headers_mut().remove(TRANSFER_ENCODING);
        let guard = match std::mem::replace(&mut call.body, CallBody::Spent) {
            CallBody::Empty => {
                if [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) {
                    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                call.body = CallBody::Empty;
                Guard::handed_over(since)
            }
            CallBody::Kept(bytes) => {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                *request.body_mut() = Some(Bytes::clone(&bytes).into());
                call.body = CallBody::Kept(bytes);
                Guard::handed_over(since)
            }
            CallBody::Stream { length, pieces } => {
                match length {
                    Some(length) => request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length)),
                    None => {
                        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))
                    }
                };
                let (upload, guard) = Upload::new(pieces, forwarder.idle_timeout);
                *request.body_mut() = Some(reqwest::Body::wrap_stream(upload));
                guard
            }
            CallBody::Spent => return Err(Error::Spent),
        };
        Ok(Self { request, guard })
    }

    async fn run(self, forwarder: &Forwarder) -> Result<(reqwest::Response, Guard), Failure> {
        let Self { request, mut guard } = self;
        let response = forwarder.client.execute(request);
        tokio::pin!(response);
        loop {
            let deadline = guard.deadline(forwarder.response_timeout);
            tokio::select! {
                biased;
                result = &mut response => {
                    return match result {
                        Ok(response) => Ok((response, guard)),
                        Err(error) => Err(failure::classify(error, &guard)),
                    };
                }
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
        }
    }
}

/// RFC 6750 section 2.1, marked so that it is never printed.
fn bearer(token: &AccessToken) -> Result<HeaderValue, Error> {
    // Cannot fail: a token is visible ASCII.
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| Error::Invalid)?;
    value.set_sensitive(true);
    Ok(value)
}
