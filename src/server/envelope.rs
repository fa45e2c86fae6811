//! What is the same for every request: its id, the checks before all others, the headers that
//! every answer carries, and its line in the log.
//!
//! Two kinds of requests pass here: calls ([`super::calls`]) and the broker's own routes
//! ([`own`]).

mod own;

use std::cell::Cell;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Instant;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, Uri};
use uuid::Uuid;

use super::client_address::TrustedProxies;
use super::lifecycle::Lifecycle;
use super::notes::Notes;
use super::problem::Problem;
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

    /// Who sent a request.
    pub(super) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> Client {
        Client {
            request_id: Uuid::now_v7(),
            peer,
            address: self.proxies.client(peer, headers),
            trusted: self.proxies.trusts(peer),
        }
    }

    /// Notes what a request's head tells.
    pub(super) fn meet(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Box<Exchange> {
        let client = self.client(headers, peer);
        Box::new(Exchange {
            id: client.request_id.simple().to_string(),
            method: method.clone(),
            uri: uri.clone(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            client,
            begun: Instant::now(),
            notes: Notes::default(),
            metrics: self.metrics.clone(),
            reported: Cell::new(false),
        })
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
        let named = named.filter(|text| is_host(text)).ok_or(Problem::new(Outcome::BadRequest))?;
        if self.is_ours(named) {
            return Ok(());
        }
        // Another's, if it is one at all.
        Authority::from_str(named).map_err(|_| Problem::new(Outcome::BadRequest))?;
        Err(Problem::new(Outcome::WrongHost).told(SecurityKind::HostRejected, None))
    }

    fn is_ours(&self, named: &str) -> bool {
        let ours = self.public_url.authority();
        let default_port = if self.public_url.secure() { ":443" } else { ":80" };
        named.eq_ignore_ascii_case(ours)
            || named.strip_suffix(default_port).is_some_and(|host| host.eq_ignore_ascii_case(ours))
    }

    /// Whether each answer ends its connection.
    pub(super) fn is_draining(&self) -> bool {
        self.lifecycle.is_draining()
    }

    /// Headers of every answer, ours or the API's, that has none of that name itself.
    fn defaults(&self) -> impl Iterator<Item = (HeaderName, &'static str)> {
        let secure = [(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains")].into_iter();
        secure.take(usize::from(self.public_url.secure())).chain([
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (header::CACHE_CONTROL, NO_STORE),
        ])
    }

    /// Adds the headers of every answer.
    pub(super) fn complete(&self, headers: &mut HeaderMap) {
        for (name, value) in self.defaults() {
            if let header::Entry::Vacant(free) = headers.entry(name) {
                free.insert(HeaderValue::from_static(value));
            }
        }
        if headers.contains_key(header::SET_COOKIE) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
        }
    }
}

const NO_STORE: &str = "no-store";

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), in the characters of names and addresses alone:
/// the others that RFC 3986 section 3.2.2 allows would be parameters in `Forwarded`.
fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']' | b'@')
    })
}

/// What is known of a request while its answer is on the way. In a box, since it is handed on with
/// whatever the request becomes.
pub(super) struct Exchange {
    pub(super) id: String,
    pub(super) method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    pub(super) client: Client,
    begun: Instant,
    pub(super) notes: Notes,
    metrics: Metrics,
    reported: Cell<bool>,
}

impl Exchange {
    /// Writes the request's line in the log, and counts it.
    pub(super) fn report(&self, status: u16, outcome: Outcome, bytes_out: u64) {
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
            client: Some(self.client.address),
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
