//! Big and long bodies: a download, an endless stream, an upload.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, SizedStream},
    http::{Method, StatusCode, header},
    web,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{admit::headless, content::is_fresh, error};
use crate::journal::Record;

/// The byte at `position` of every download: content that a test can check without keeping it.
pub(crate) const fn byte(position: u64) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

/// The byte at `position` of what `GET /v2/download` sends.
pub fn download_byte(position: u64) -> u8 {
    byte(position)
}

#[derive(Deserialize)]
pub(crate) struct Download {
    bytes: u64,
    #[serde(default)]
    chunked: u8,
}

/// `GET /v2/download?bytes=N`: N bytes, with `Content-Length` and `Range`; `&chunked=1` sends
/// them chunked and whole.
pub(crate) async fn download(
    request: HttpRequest,
    query: web::Query<Download>,
    record: web::ReqData<Record>,
) -> HttpResponse {
    let size = query.bytes;
    let tag = format!("\"download-{size}\"");
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::ETAG, tag.as_str()));
    if is_fresh(&request, &tag) {
        return answer.status(StatusCode::NOT_MODIFIED).finish();
    }
    answer.content_type("application/octet-stream");
    let head = request.method() == Method::HEAD;
    if query.chunked == 1 {
        if head {
            return answer.finish();
        }
        return answer.body(BodyStream::new(watched(content(0, size), &record)));
    }
    answer.insert_header((header::ACCEPT_RANGES, "bytes"));
    let (from, until) = match range(&request, size, &tag) {
        Some(Ok((from, until))) => {
            let told = format!("bytes {from}-{}/{size}", until - 1);
            answer.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, told));
            (from, until)
        }
        Some(Err(())) => {
            return HttpResponse::RangeNotSatisfiable()
                .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
                .finish();
        }
        None => (0, size),
    };
    if head {
        return answer.body(headless(until - from));
    }
    answer.body(SizedStream::new(until - from, watched(content(from, until), &record)))
}

/// The one range asked for, first byte and the one after the last; an error if it lies outside.
/// Several ranges, or a condition that fails, mean the whole (RFC 9110 section 14.2).
fn range(request: &HttpRequest, size: u64, tag: &str) -> Option<Result<(u64, u64), ()>> {
    let condition = request.headers().get(header::IF_RANGE);
    if condition.is_some_and(|condition| condition.as_bytes() != tag.as_bytes()) {
        return None;
    }
    let text = request.headers().get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let (from, until) = match (first, last) {
        ("", suffix) => {
            let length: u64 = suffix.parse().ok()?;
            (size.saturating_sub(length), size)
        }
        (first, "") => (first.parse().ok()?, size),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if from < until { Ok((from, until)) } else { Err(()) })
}

fn content(from: u64, until: u64) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(from, move |position| async move {
        if position >= until {
            return None;
        }
        let next = until.min(position + PIECE);
        let piece: Vec<u8> = (position..next).map(byte).collect();
        Some((Ok(Bytes::from(piece)), next))
    })
}

#[derive(Deserialize)]
pub(crate) struct Lines {
    #[serde(default = "a_second")]
    interval_ms: u64,
    lines: Option<u64>,
    format: Option<String>,
}

const fn a_second() -> u64 {
    1000
}

/// `GET /v2/stream?interval_ms=&lines=`: a line at once and then one an interval, without end
/// unless `lines` says so. NDJSON; `format=sse` or `Accept: text/event-stream` for events.
pub(crate) async fn stream(
    request: HttpRequest,
    query: web::Query<Lines>,
    record: web::ReqData<Record>,
) -> HttpResponse {
    let accepted = request.headers().get(header::ACCEPT);
    let events = query.format.as_deref() == Some("sse")
        || accepted.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store")).content_type(if events {
        "text/event-stream"
    } else {
        "application/x-ndjson"
    });
    if request.method() == Method::HEAD {
        return answer.finish();
    }
    let (last, interval) = (query.lines, Duration::from_millis(query.interval_ms));
    let lines = stream::unfold(0_u64, move |number| async move {
        if last.is_some_and(|last| number >= last) {
            return None;
        }
        if number > 0 {
            sleep(interval).await;
        }
        let line = json!({ "line": number });
        let text = if events { format!("id: {number}\ndata: {line}\n\n") } else { format!("{line}\n") };
        Some((Ok::<_, std::io::Error>(Bytes::from(text)), number + 1))
    });
    answer.body(BodyStream::new(watched(lines, &record)))
}

#[derive(Deserialize)]
pub(crate) struct Upload {
    /// Pause before each piece is read, in milliseconds: a slow reader.
    #[serde(default)]
    pause_ms: u64,
    /// Answers 413 once this many bytes have been read.
    refuse_after: Option<u64>,
}

/// `POST` or `PUT /v2/upload`: `{"bytes", "sha256"}` of the body.
pub(crate) async fn upload(mut payload: web::Payload, query: web::Query<Upload>) -> HttpResponse {
    let (mut digest, mut length) = (Sha256::new(), 0_u64);
    loop {
        if query.refuse_after.is_some_and(|most| length >= most) {
            return error(413, "request.tooLarge", "the upload is too large");
        }
        if query.pause_ms > 0 {
            sleep(Duration::from_millis(query.pause_ms)).await;
        }
        match payload.next().await {
            Some(Ok(piece)) => {
                digest.update(&piece);
                length += piece.len() as u64;
            }
            Some(Err(_)) => return error(400, "request.invalid", "the body broke off"),
            None => break,
        }
    }
    HttpResponse::Ok().json(json!({ "bytes": length, "sha256": hex(&digest.finalize()) }))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A body that notes in the journal if it is given up before its end.
struct Watched<S> {
    inner: Pin<Box<S>>,
    record: Record,
    ended: bool,
}

fn watched<S>(inner: S, record: &Record) -> Watched<S> {
    Watched { inner: Box::pin(inner), record: record.clone(), ended: false }
}

impl<S: Stream> Stream for Watched<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let polled = self.inner.as_mut().poll_next(context);
        if matches!(polled, Poll::Ready(None)) {
            self.ended = true;
        }
        polled
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        if !self.ended {
            self.record.update(|entry| entry.answer_cut = true);
        }
    }
}

const PIECE: u64 = 16 * 1024;
