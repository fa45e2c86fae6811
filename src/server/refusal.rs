//! Answers to what is no request: there is nothing that the handlers could be asked.
//!
//! They are problems like all others, with an id, a line in the log and their count in the
//! metrics; only their bytes are written here, because the HTTP layer has nothing to answer.

use std::fmt::Write as _;
use std::net::SocketAddr;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::RequestHead;
use actix_web::http::header::DATE;
use actix_web::http::{Method, Uri};
use bytes::Bytes;

use super::bridge;
use super::connection::{Fault, Refusal};
use super::envelope::Envelope;
use super::problem::Problem;
use crate::telemetry::Outcome;

/// Longest part of a target that is looked at for the log.
const LOGGED: usize = 4096;

impl Refusal {
    const fn problem(self) -> Problem {
        Problem::new(match self {
            Self::Head(Fault::Malformed) => Outcome::BadRequest,
            Self::Head(Fault::TargetTooLong) => Outcome::UriTooLong,
            Self::Head(Fault::HeadersTooLarge) => Outcome::HeadersTooLarge,
            Self::Head(Fault::BodyTooLarge) => Outcome::PayloadTooLarge,
            Self::Head(Fault::UnknownCoding) => Outcome::NotImplemented,
            Self::Head(Fault::UnknownVersion) => Outcome::VersionUnsupported,
            Self::Slow => Outcome::RequestTimeout,
        })
    }
}

/// The answer to bytes that begin like `head`, as it goes over the wire. The connection ends with
/// it: nobody knows where another request would begin.
pub(super) fn refuse(envelope: &Envelope, refusal: Refusal, head: &[u8], peer: SocketAddr) -> Bytes {
    let mut begun = RequestHead::default();
    (begun.method, begun.uri) = first_line(head);
    let to_head = begun.method == Method::HEAD;
    let response = envelope.refuse_unread(&refusal.problem(), &begun, peer);
    serialize(response, to_head)
}

/// Method and target, where the first line has them.
fn first_line(head: &[u8]) -> (Method, Uri) {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    // Unusual ones are `other` in the log, and so is none.
    let method = method.or_else(|| Method::from_bytes(b"NONE").ok()).unwrap_or_default();
    let target = words.next().map(|word| word.get(..LOGGED).unwrap_or(word));
    let uri = target.and_then(|word| Uri::try_from(word).ok()).unwrap_or(Uri::from_static("*"));
    (method, uri)
}

fn serialize(response: HttpResponse, to_head: bool) -> Bytes {
    let status = response.status();
    let date = bridge::date();
    let mut text =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap_or_default();
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    let _ = write!(text, "{DATE}: {date}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    if !to_head {
        bytes.extend_from_slice(&body);
    }
    bytes.into()
}
