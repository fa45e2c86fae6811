//! Letting a fault strike a request of the token endpoint or of the anonymous-user call.

use std::{convert::Infallible, time::Duration};

use actix_web::{HttpRequest, HttpResponse, body::BodyStream, http::StatusCode, http::header};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::TokenFault;
use crate::{TokenOutcome, connections::Connection, journal::Record};

/// Answers a request by `commit`, unless the fault says otherwise.
pub(crate) async fn strike(
    fault: TokenFault,
    request: &HttpRequest,
    record: &Record,
    commit: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    match fault {
        TokenFault::None => commit(),
        TokenFault::Delay(time) => {
            sleep(time).await;
            commit()
        }
        TokenFault::DelayAfterCommit(time) => {
            let answer = commit();
            sleep(time).await;
            answer
        }
        TokenFault::Gate(gate) => {
            let answer = commit();
            gate.pass().await;
            answer
        }
        TokenFault::DropAfterCommit => {
            commit();
            cut(request, record)
        }
        fault => {
            record.update(|entry| {
                if let Some(call) = &mut entry.token {
                    call.outcome = TokenOutcome::Faulted;
                }
            });
            uncommitted(fault, request, record)
        }
    }
}

fn uncommitted(fault: TokenFault, request: &HttpRequest, record: &Record) -> HttpResponse {
    match fault {
        TokenFault::Status(status, body, content_type) => canned(status, body, &content_type),
        TokenFault::Redirect307(location) => {
            HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish()
        }
        TokenFault::Garbage(body) => canned(200, body, "application/json"),
        TokenFault::Endless => endless(),
        _ => cut(request, record),
    }
}

/// Closes the connection instead of answering. What is returned is written nowhere.
pub(crate) fn cut(request: &HttpRequest, record: &Record) -> HttpResponse {
    record.update(|entry| entry.answer_cut = true);
    Connection::cut(request);
    HttpResponse::InternalServerError().finish()
}

/// An answer in a test's own words. A status that is none becomes 500.
pub(crate) fn canned(status: u16, body: String, content_type: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    if !content_type.is_empty() {
        answer.insert_header((header::CONTENT_TYPE, content_type));
    }
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    answer.body(body)
}

fn endless() -> HttpResponse {
    let piece = Bytes::from(vec![b'a'; PIECE]);
    let opening = Bytes::from_static(b"{\"token_type\":\"Bearer\",\"access_token\":\"");
    let pieces = stream::iter(std::iter::once(opening).chain(std::iter::repeat_n(piece, PIECES)))
        // A pause now and then: a reader that is content with no end is not to starve others.
        .then(|piece| async {
            sleep(Duration::from_micros(50)).await;
            Ok::<_, Infallible>(piece)
        });
    HttpResponse::Ok().content_type("application/json").body(BodyStream::new(Box::pin(pieces)))
}

const PIECE: usize = 16 * 1024;
const PIECES: usize = 4 * 1024;
