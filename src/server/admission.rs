//! The checks of a call that need no more than its head: route, method, CSRF gate.
//!
//! A call that waits for `100 Continue` and will be refused must hear so before it sends its body
//! (RFC 9110 section 10.1.1): that is sent where the body is first read, behind these checks.

use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::{Method, Uri};

use super::csrf::CsrfGate;
use super::problem::Problem;
use crate::telemetry::{Outcome, SecurityKind};
use crate::upstream::{PathError, Routes, UpstreamPath};

/// The methods that are forwarded (RFC 9110 section 9, RFC 5789); never TRACE or CONNECT.
pub(super) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The rules of one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admission {
    routes: Arc<Routes>,
    gate: CsrfGate,
    max_body: u64,
}

/// What becomes of a call that passed.
#[derive(Debug)]
pub(super) enum Admitted {
    /// It goes to the API.
    Forward(UpstreamPath),
    /// It asks what methods there are, and is told here: other origins have no business here, so a
    /// preflight hears nothing of `Access-Control-*`, and the last hop answers what may go no
    /// further (RFC 9110 section 7.6.2).
    Options,
}

impl Admission {
    /// Rules for calls to `routes`.
    pub fn new(routes: Arc<Routes>, gate: CsrfGate, max_body: u64) -> Self {
        Self { routes, gate, max_body }
    }

    /// Judges a call by its head.
    pub(super) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Admitted, Problem> {
        if uri.path() == "*" && method == Method::OPTIONS {
            return Ok(Admitted::Options);
        }
        let path = self.path(uri)?;
        if !is_forwarded(method) {
            return Err(Problem::method_not_allowed(METHODS));
        }
        if method == Method::OPTIONS && (is_preflight(headers) || is_last_hop(headers)) {
            return Ok(Admitted::Options);
        }
        self.gate.admit(headers)?;
        if length(headers).is_some_and(|length| length > self.max_body) {
            return Err(Problem::new(Outcome::PayloadTooLarge));
        }
        Ok(Admitted::Forward(path))
    }

    fn path(&self, uri: &Uri) -> Result<UpstreamPath, Problem> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        self.routes.parse(target).map_err(|error| match error {
            PathError::NotFound => Problem::new(Outcome::NotFound),
            PathError::Ambiguous(_) | PathError::ForbiddenQuery => {
                Problem::new(Outcome::BadRequest).told(SecurityKind::PathRejected, Some(error.as_str()))
            }
        })
    }
}

/// The methods of [`METHODS`].
fn is_forwarded(method: &Method) -> bool {
    use Method as M;
    matches!(*method, M::GET | M::HEAD | M::POST | M::PUT | M::PATCH | M::DELETE | M::OPTIONS)
}

/// `Content-Length`, if there is one.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_last_hop(headers: &HeaderMap) -> bool {
    headers.get(header::MAX_FORWARDS).is_some_and(|hops| hops.as_bytes().iter().all(|digit| *digit == b'0'))
}
