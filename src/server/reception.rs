//! Who may send a body: the answer to `Expect: 100-continue`.

use std::net::SocketAddr;

use actix_http::Request;
use actix_web::http::{Method, Uri};
use actix_web::{HttpMessage, HttpResponse};
use bytes::Bytes;

use super::admission::{Admission, Admitted};
use super::connection::Refusal;
use super::cookie_keys::{CookieKeys, Judged};
use super::envelope::Envelope;
use super::limits::Limits;
use super::listener::Judge;
use super::problem::Problem;
use super::refusal;
use crate::telemetry::{Limit, Outcome};

/// Asks of a request's head what the handlers would ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reception {
    envelope: Envelope,
    cookies: CookieKeys,
    admission: Admission,
    limits: Limits,
}

impl Reception {
    /// The checks of one deployment.
    pub fn new(envelope: Envelope, cookies: CookieKeys, admission: Admission, limits: Limits) -> Self {
        Self { envelope, cookies, admission, limits }
    }

    fn judge(&self, request: &Request) -> Result<(), Problem> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        self.envelope.admit(method, uri, headers)?;
        match self.admission.judge(method, uri, headers) {
            Ok(Admitted::Forward(_)) => match self.cookies.judge(headers) {
                Judged::Genuine => Ok(()),
                Judged::Absent => Err(Problem::new(Outcome::LoginRequired)),
                Judged::Unknown => {
                    let client = self.envelope.client(request.head(), request.peer_addr()).address;
                    self.limits.charge_here(Limit::UnknownCookies, client)?;
                    Err(Problem::new(Outcome::LoginRequired))
                }
            },
            // Other routes answer for themselves, and read no body.
            Err(problem) if problem.code() == Outcome::NotFound && is_route(method, uri) => Ok(()),
            judged => judged.map(|_| ()),
        }
    }
}

impl Judge for Reception {
    fn refuse(&self, request: &Request) -> Option<HttpResponse> {
        let problem = self.judge(request).err()?;
        Some(self.envelope.refuse_early(request, &problem))
    }

    fn turn_away(&self, refusal: Refusal, head: &[u8], peer: SocketAddr) -> Bytes {
        refusal::refuse(&self.envelope, refusal, head, peer)
    }
}

/// Whether it may be one of the broker's own routes, or a page: those are all read with GET.
fn is_route(method: &Method, uri: &Uri) -> bool {
    uri.path().starts_with("/auth/") || matches!(*method, Method::GET | Method::HEAD)
}
