//! What is the same for every request: its id, the checks before all others, the headers that
//! every answer carries, its line in the log, and an answer even where the code has a bug.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::Authority;
use actix_web::http::{ConnectionType, Method, StatusCode, Uri, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use bytes::Bytes;
use futures_util::FutureExt;
use uuid::Uuid;

use super::client_address::TrustedProxies;
use super::lifecycle::Lifecycle;
use super::notes::Notes;
use super::problem::{ERROR_HEADER, Problem};
use crate::settings::PublicUrl;
use crate::telemetry::{Metrics, Outcome, RequestLine, SecurityKind};

/// Longest request target, in bytes. RFC 9112 section 3 wants at least 8,000.
const MAX_TARGET: usize = 16 * 1024;
/// Largest sum of field names and values, in bytes.
const MAX_HEADERS: usize = 64 * 1024;
/// What the log has for the status of a request whose client left before there was one.
const NO_STATUS: u16 = 0;

/// The outermost layer of one deployment.
#[derive(Debug, Clone)]
pub struct Envelope {
    public_url: PublicUrl,
    proxies: TrustedProxies,
    lifecycle: Lifecycle,
    metrics: Metrics,
}

/// Who sent a request, for the handlers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    /// Of this request, also in its answer and in the log.
    pub(super) request_id: Uuid,
    /// The other end of the connection.
    pub(super) peer: IpAddr,
    /// Whom a trusted proxy names, else the peer.
    pub(super) address: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(super) trusted: bool,
}

impl Envelope {
    /// An envelope that answers for `public_url` only.
    pub fn new(
        public_url: PublicUrl,
        proxies: TrustedProxies,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> Self {
        Self { public_url, proxies, lifecycle, metrics }
    }

    /// The middleware.
    ///
    /// # Errors
    /// None: what goes wrong inside is answered here.
    pub async fn wrap<B: MessageBody + 'static>(
        &self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let (exchange, client) = self.meet(request.head(), request.peer_addr());
        let notes = exchange.notes.clone();
        request.extensions_mut().insert(notes);
        request.extensions_mut().insert(client);

        if let Err(problem) = self.admit(request.method(), request.uri(), request.headers()) {
            problem.tell(&exchange.id, exchange.client);
            let response = request.into_response(problem.respond(&exchange.id));
            return Ok(self.finish(response, exchange));
        }
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
    pub(super) fn refuse_early(&self, request: &actix_http::Request, problem: &Problem) -> HttpResponse {
        let (exchange, _) = self.meet(request.head(), request.peer_addr());
        problem.tell(&exchange.id, exchange.client);
        let mut response = problem.respond(&exchange.id);
        response.head_mut().set_connection_type(ConnectionType::Close);
        self.complete_headers(response.headers_mut());
        exchange.report(problem.status().as_u16(), problem.code(), 0);
        response
    }

    /// Who sent a request.
    pub(super) fn client(&self, head: &RequestHead, peer: Option<SocketAddr>) -> Client {
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
        Client {
            request_id: Uuid::now_v7(),
            peer,
            address: self.proxies.client(peer, &head.headers),
            trusted: self.proxies.trusts(peer),
        }
    }

    /// Answers what is no request: the handlers' layer never saw it.
    pub(super) fn refuse_unread(
        &self,
        problem: &Problem,
        method: Method,
        uri: Uri,
        peer: SocketAddr,
    ) -> HttpResponse {
        let mut head = RequestHead::default();
        (head.method, head.uri) = (method, uri);
        let (exchange, _) = self.meet(&head, Some(peer));
        let mut response = problem.respond(&exchange.id);
        self.complete_headers(response.headers_mut());
        exchange.report(problem.status().as_u16(), problem.code(), 0);
        response
    }

    /// Notes what a request's head tells.
    fn meet(&self, head: &RequestHead, peer: Option<SocketAddr>) -> (Exchange, Client) {
        let client = self.client(head, peer);
        let exchange = Exchange {
            id: client.request_id.simple().to_string(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            user_agent: head.headers.get(header::USER_AGENT).cloned(),
            client: client.address,
            begun: Instant::now(),
            notes: Notes::default(),
            metrics: self.metrics.clone(),
            reported: Cell::new(false),
        };
        (exchange, client)
    }

    /// The checks that come before a route is looked for.
    pub(super) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if uri.path_and_query().map_or(0, |target| target.as_str().len()) > MAX_TARGET {
            return Err(Problem::new(Outcome::UriTooLong));
        }
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size > MAX_HEADERS {
            return Err(Problem::new(Outcome::HeadersTooLarge));
        }
        if matches!(*method, Method::TRACE | Method::CONNECT) {
            return Err(Problem::method_not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        let expected = headers.get(header::EXPECT).map(HeaderValue::as_bytes);
        if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Problem::new(Outcome::ExpectationFailed));
        }
        // An absolute-form target overrides `Host` (RFC 9112 section 3.2.2).
        let named = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => headers.get(header::HOST).and_then(|host| host.to_str().ok()),
        };
        let named = named
            .filter(|text| is_host(text))
            .and_then(|text| Authority::from_str(text).ok())
            .ok_or(Problem::new(Outcome::BadRequest))?;
        if !self.is_ours(&named) {
            return Err(Problem::new(Outcome::WrongHost).told(SecurityKind::HostRejected, None));
        }
        Ok(())
    }

    fn is_ours(&self, named: &Authority) -> bool {
        if named.as_str().contains('@') {
            return false;
        }
        let ours = self.public_url.authority();
        let default_port = if self.public_url.secure() { ":443" } else { ":80" };
        let named = named.as_str();
        named.eq_ignore_ascii_case(ours)
            || named.strip_suffix(default_port).is_some_and(|host| host.eq_ignore_ascii_case(ours))
    }

    fn finish(&self, mut response: ServiceResponse<BoxBody>, exchange: Exchange) -> ServiceResponse<BoxBody> {
        self.complete_headers(response.headers_mut());
        // After a request for another protocol, which we do not speak, actix is done with the
        // connection; HTTP/1.0 knows no chunks, so that only its end ends a body.
        let upgrade = response.request().head().upgrade();
        let old = response.request().version() < Version::HTTP_11;
        if self.lifecycle.is_draining() || upgrade || old {
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            head.no_chunking(old);
        }
        let status = response.status();
        let outcome = outcome(status, response.headers());
        let bodyless = exchange.method == Method::HEAD;
        response.map_body(|_, body| {
            let done = bodyless || matches!(body.size(), BodySize::None | BodySize::Sized(0));
            BoxBody::new(Watched { body, exchange, status, outcome, sent: 0, done })
        })
    }

    /// An answer for which there is no request any more to hang it on.
    fn lost(&self, exchange: &Exchange, problem: &Problem) -> Error {
        problem.tell(&exchange.id, exchange.client);
        let mut response = problem.respond(&exchange.id);
        self.complete_headers(response.headers_mut());
        exchange.report(problem.status().as_u16(), problem.code(), 0);
        actix_web::error::InternalError::from_response("answered", response).into()
    }

    /// Headers of every answer, ours or the API's. What an answer has set already stays.
    fn complete_headers(&self, headers: &mut HeaderMap) {
        let mut fallback = |name: HeaderName, value: &'static str| {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        if self.public_url.secure() {
            fallback(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
        }
        fallback(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        fallback(header::REFERRER_POLICY, "no-referrer");
        fallback(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
        fallback(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        fallback(header::CACHE_CONTROL, "no-store");
        if headers.contains_key(header::SET_COOKIE) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// Gives a problem's answer, and its record, the id of the request.
fn render(response: ServiceResponse<BoxBody>, exchange: &Exchange) -> ServiceResponse<BoxBody> {
    let Some(problem) = response.response().error().and_then(|error| error.as_error::<Problem>()).cloned()
    else {
        return response;
    };
    problem.tell(&exchange.id, exchange.client);
    let (request, old) = response.into_parts();
    let mut new = problem.respond(&exchange.id);
    for cookie in old.headers().get_all(header::SET_COOKIE) {
        new.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    ServiceResponse::new(request, new)
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), in the characters of names and addresses alone:
/// the others that RFC 3986 section 3.2.2 allows would be parameters in `Forwarded`.
fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']' | b'@')
    })
}

fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    headers
        .get(ERROR_HEADER)
        .and_then(|code| code.to_str().ok())
        .and_then(Outcome::from_code)
        .unwrap_or_else(|| Outcome::from_status(status.as_u16()))
}

/// What is known of a request while its answer is on the way.
struct Exchange {
    id: String,
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    client: IpAddr,
    begun: Instant,
    notes: Notes,
    metrics: Metrics,
    reported: Cell<bool>,
}

impl Exchange {
    fn report(&self, status: u16, outcome: Outcome, bytes_out: u64) {
        self.reported.set(true);
        let noted = self.notes.read();
        let took = self.begun.elapsed();
        self.metrics.request(noted.route, outcome, took);
        RequestLine {
            request_id: &self.id,
            method: self.method.as_str(),
            route: noted.route,
            path: self.uri.path(),
            status,
            outcome,
            duration: took,
            bytes_in: noted.bytes_in,
            bytes_out,
            client: Some(self.client),
            session: noted.session,
            user_agent: self.user_agent.as_ref().and_then(|agent| agent.to_str().ok()),
            upstream: noted.upstream,
            refreshed: noted.refreshed,
        }
        .emit();
    }
}

/// The client left before there was an answer: its request is reported all the same.
impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.reported.get() {
            self.report(NO_STATUS, Outcome::Aborted, 0);
        }
    }
}

/// An answer's body that reports when it has been sent, or dropped.
struct Watched {
    body: BoxBody,
    exchange: Exchange,
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
