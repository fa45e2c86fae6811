//! The bridge between the two HTTP crates: actix-web, which serves the broker's own routes, speaks
//! `http` 0.2, and hyper, between which calls pass, speaks `http` 1. No other file knows both.
//!
//! Names and values cross as bytes: what the one crate accepts, the other accepts.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::RequestHead;
use actix_web::http as web_http;
use bytes::Bytes;

/// A request's head.
pub(super) struct Asked {
    pub(super) method: http::Method,
    pub(super) uri: http::Uri,
    pub(super) headers: http::HeaderMap,
}

/// The head of a request to one of the broker's own routes.
pub(super) fn asked(head: &RequestHead) -> Asked {
    Asked {
        method: http::Method::from_bytes(head.method.as_str().as_bytes()).unwrap_or_default(),
        uri: http::Uri::try_from(head.uri.to_string()).unwrap_or_default(),
        headers: headers(&head.headers),
    }
}

/// Whether both crates take this for a request's target.
pub(super) fn is_target(text: &str) -> bool {
    web_http::Uri::try_from(text).is_ok() && http::Uri::try_from(text).is_ok()
}

/// What `Date` says now.
pub(super) fn date() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "`Date` is the time by the clock on the wall, in every answer"
    )]
    let now = std::time::SystemTime::now();
    web_http::header::HttpDate::from(now).to_string()
}

/// Headers byte for byte; the values of one name keep their order.
pub(super) fn headers(from: &web_http::header::HeaderMap) -> http::HeaderMap {
    let mut headers = http::HeaderMap::with_capacity(from.len());
    for (name, value) in from {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::from_bytes(name.as_str().as_bytes()),
            http::HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

/// An answer that is there whole, for who did not ask one of the broker's own routes.
pub(super) fn answer(response: HttpResponse) -> http::Response<Bytes> {
    let status = http::StatusCode::from_u16(response.status().as_u16());
    let headers = headers(response.headers());
    let mut answer = http::Response::new(response.into_body().try_into_bytes().unwrap_or_default());
    *answer.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    *answer.headers_mut() = headers;
    answer
}
