//! The answer to `Expect: 100-continue`, before one of the broker's own routes is asked.

use std::net::SocketAddr;

use actix_http::Request;
use actix_web::HttpResponse;
use bytes::Bytes;

use super::bridge;
use super::connection::Refusal;
use super::envelope::Envelope;
use super::listener::Judge;
use super::refusal;

/// Asks of a request's head what comes before all routes: none of them reads a body. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reception(Envelope);

impl Reception {
    /// The checks of one deployment.
    pub fn new(envelope: Envelope) -> Self {
        Self(envelope)
    }
}

impl Judge for Reception {
    fn refuse(&self, request: &Request) -> Option<HttpResponse> {
        let asked = bridge::asked(request.head());
        let problem = self.0.admit(&asked.method, &asked.uri, &asked.headers).err()?;
        Some(self.0.refuse_early(request.head(), request.peer_addr(), &problem))
    }

    fn turn_away(&self, refusal: Refusal, head: &[u8], peer: SocketAddr) -> Bytes {
        refusal::refuse(&self.0, refusal, head, peer)
    }
}
