//! The envelope around the broker's own routes: a middleware of actix-web.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use bytes::Bytes;
use futures_util::FutureExt;

use super::{Envelope, Exchange, NO_STORE};
use crate::server::bridge::{self, Asked};
use crate::server::problem::{ERROR_HEADER, Problem};
use crate::telemetry::Outcome;

impl Envelope {
    /// The middleware.
    ///
    /// # Errors
    /// None: what goes wrong inside is answered here.
    pub async fn wrap<B: MessageBody + 'static>(
        &self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let asked = bridge::asked(request.head());
        let exchange = self.meet_own(&asked, request.peer_addr());
        request.extensions_mut().insert(exchange.notes.clone());
        request.extensions_mut().insert(exchange.client);

        if let Err(problem) = self.admit(&asked.method, &asked.uri, &asked.headers) {
            problem.tell(&exchange.id, exchange.client.address);
            let response = request.into_response(problem.respond(&exchange.id));
            return Ok(self.finish(response, exchange));
        }
        drop(asked);
        // A bug in a handler costs its own request, not the connection's neighbours.
        match AssertUnwindSafe(next.call(request)).catch_unwind().await {
            Ok(Ok(response)) => {
                let response = render(response.map_into_boxed_body(), &exchange);
                Ok(self.finish(response, exchange))
            }
            Ok(Err(error)) => {
                let problem = error.as_error::<Problem>().cloned();
                let problem = problem.unwrap_or(Problem::new(Outcome::InternalError));
                Err(self.lost(&exchange, &problem))
            }
            Err(_) => Err(self.lost(&exchange, &Problem::new(Outcome::InternalError))),
        }
    }

    /// Answers a request of which no more than the head is wanted.
    pub(in crate::server) fn refuse_early(
        &self,
        head: &RequestHead,
        peer: Option<SocketAddr>,
        problem: &Problem,
    ) -> HttpResponse {
        let exchange = self.meet_own(&bridge::asked(head), peer);
        let mut response = self.refuse(&exchange, problem);
        response.head_mut().set_connection_type(ConnectionType::Close);
        response
    }

    /// Answers what is no request: the handlers' layer never saw it.
    pub(in crate::server) fn refuse_unread(
        &self,
        problem: &Problem,
        head: &RequestHead,
        peer: SocketAddr,
    ) -> HttpResponse {
        self.refuse(&self.meet_own(&bridge::asked(head), Some(peer)), problem)
    }

    fn meet_own(&self, asked: &Asked, peer: Option<SocketAddr>) -> Box<Exchange> {
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
        self.meet(&asked.method, &asked.uri, &asked.headers, peer)
    }

    fn finish(
        &self,
        mut response: ServiceResponse<BoxBody>,
        exchange: Box<Exchange>,
    ) -> ServiceResponse<BoxBody> {
        self.complete_own(response.headers_mut());
        // After a request for another protocol, which we do not speak, actix is done with the
        // connection; HTTP/1.0 knows no chunks, so that only its end ends a body.
        let upgrade = response.request().head().upgrade();
        let old = response.request().version() < Version::HTTP_11;
        if self.is_draining() || upgrade || old {
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            head.no_chunking(old);
        }
        let status = response.status();
        let outcome = outcome(status, response.headers());
        let bodyless = exchange.method.as_str() == "HEAD";
        response.map_body(|_, body| {
            let done = bodyless || matches!(body.size(), BodySize::None | BodySize::Sized(0));
            BoxBody::new(Watched { body, exchange, status, outcome, sent: 0, done })
        })
    }

    /// An answer for which there is no request any more to hang it on.
    fn lost(&self, exchange: &Exchange, problem: &Problem) -> Error {
        let response = self.refuse(exchange, problem);
        actix_web::error::InternalError::from_response("answered", response).into()
    }

    fn refuse(&self, exchange: &Exchange, problem: &Problem) -> HttpResponse {
        problem.tell(&exchange.id, exchange.client.address);
        let mut response = problem.respond(&exchange.id);
        self.complete_own(response.headers_mut());
        exchange.report(problem.status().as_u16(), problem.code(), 0);
        response
    }

    fn complete_own(&self, headers: &mut HeaderMap) {
        for (name, value) in self.defaults() {
            if !headers.contains_key(name.as_str())
                && let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes())
            {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        if headers.contains_key(header::SET_COOKIE) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
        }
    }
}

/// Gives a problem's answer, and its record, the id of the request.
fn render(response: ServiceResponse<BoxBody>, exchange: &Exchange) -> ServiceResponse<BoxBody> {
    let Some(problem) = response.response().error().and_then(|error| error.as_error::<Problem>()).cloned()
    else {
        return response;
    };
    problem.tell(&exchange.id, exchange.client.address);
    let (request, old) = response.into_parts();
    let mut new = problem.respond(&exchange.id);
    for cookie in old.headers().get_all(header::SET_COOKIE) {
        new.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    ServiceResponse::new(request, new)
}

fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    headers
        .get(ERROR_HEADER)
        .and_then(|code| code.to_str().ok())
        .and_then(Outcome::from_code)
        .unwrap_or_else(|| Outcome::from_status(status.as_u16()))
}

/// An answer's body that reports when it has been sent, or dropped.
struct Watched {
    body: BoxBody,
    exchange: Box<Exchange>,
    status: StatusCode,
    outcome: Outcome,
    sent: u64,
    done: bool,
}

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => {
                self.sent = self.sent.saturating_add(piece.len() as u64);
                // actix does not ask again once the announced length is out.
                self.done = matches!(self.body.size(), BodySize::Sized(length) if length <= self.sent);
            }
            Poll::Ready(None) => self.done = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let outcome = if self.done { self.outcome } else { Outcome::Aborted };
        self.exchange.report(self.status.as_u16(), outcome, self.sent);
    }
}
