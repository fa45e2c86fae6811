//! A call that is a head and a few bytes, and an answer that comes in one piece.
//!
//! Nearly every call is one. It is written as it is, and where the first bytes that come hold all
//! of the answer, with a length or in chunks, they are the answer. Whatever else they are (the
//! beginning of more, interim, of HTTP/1.0, the last of its connection, malformed) is hyper's to read,
//! from the first byte.

use std::io;
use std::mem::MaybeUninit;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode};

use super::conn::Conn;
use super::long::Long;

/// How much is read at once, in bytes.
const PIECE: usize = 8 * 1024;
/// Most field lines of an answer.
const MAX_LINES: usize = 64;

/// A call as it goes over the wire.
pub(super) struct PlainCall {
    pub(super) method: Method,
    pub(super) text: Vec<u8>,
}

/// What came of a call.
pub(super) enum Exchanged {
    /// Its answer, and the connection, unless it cannot be used again.
    Whole(Response<Bytes>, Option<Conn>),
    /// An answer of known length that has begun.
    Long(Response<Long>),
    /// An answer that hyper is to read.
    Begun(Conn),
    /// Nothing was sent: the API had closed the connection.
    Closed,
    /// Nothing was sent: the API had said something before it was asked.
    Unasked,
    /// The connection broke.
    Lost(io::Error),
}

impl PlainCall {
    /// Of these parts; `headers` are all there are.
    pub(super) fn new(method: Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut text = Vec::with_capacity(USUAL + body.len());
        let mut put = |parts: [&[u8]; 4]| parts.iter().for_each(|part| text.extend_from_slice(part));
        put([method.as_str().as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\n"]);
        for (name, value) in headers {
            put([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        put([b"\r\n", body, b"", b""]);
        Self { method, text }
    }

    /// Sends it, until its answer begins.
    pub(super) async fn exchange(&self, mut conn: Conn) -> Exchanged {
        let (mut rest, mut asked, mut sent) = (self.text.as_slice(), false, false);
        let mut read = BytesMut::with_capacity(PIECE);
        let failure = poll_fn(|cx| {
            match conn.poll_fill(cx, &mut read, PIECE) {
                Poll::Ready(Ok(1..)) if asked => return Poll::Ready(None),
                Poll::Ready(Ok(1..)) => return Poll::Ready(Some(Exchanged::Unasked)),
                Poll::Ready(_) if !asked => return Poll::Ready(Some(Exchanged::Closed)),
                Poll::Ready(Ok(_)) => {
                    return Poll::Ready(Some(Exchanged::Lost(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Exchanged::Lost(error))),
                Poll::Pending => asked = true,
            }
            // The API may answer before it has read everything.
            if !sent && let Poll::Ready(written) = conn.poll_send(cx, &mut rest) {
                match written {
                    Ok(()) => sent = true,
                    // It may have answered before it stopped listening.
                    Err(error) => match conn.poll_fill(cx, &mut read, PIECE) {
                        Poll::Ready(Ok(1..)) => return Poll::Ready(None),
                        _ => return Poll::Ready(Some(Exchanged::Lost(error))),
                    },
                }
            }
            Poll::Pending
        })
        .await;
        if let Some(failure) = failure {
            return failure;
        }
        let read = read.freeze();
        if !sent {
            return Exchanged::Begun(conn.replay(read, Bytes::copy_from_slice(rest)));
        }
        match answer(&read, &self.method) {
            Some((head, Body::Whole(body, end))) => {
                Exchanged::Whole(head.map(|()| body), Some(conn).filter(|_| end == read.len()))
            }
            Some((head, Body::Long(first, left))) => {
                Exchanged::Long(head.map(|()| Long::new(first, left, conn)))
            }
            None => Exchanged::Begun(conn.replay(read, Bytes::new())),
        }
    }
}

/// A body.
#[derive(Debug)]
enum Body {
    /// All of it, and where it ends.
    Whole(Bytes, usize),
    /// What is there of it, and how many bytes are missing.
    Long(Bytes, u64),
}

/// An answer whose beginning this is, if it is of the usual kind.
fn answer(read: &Bytes, method: &Method) -> Option<(Response<()>, Body)> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_LINES];
    let mut head = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, read, &mut lines);
    let Ok(httparse::Status::Complete(begin)) = parsed else { return None };
    let status = StatusCode::from_u16(head.code?).ok().filter(|status| !status.is_informational())?;
    if head.version != Some(1) {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    let (mut length, mut chunked) = (None, false);
    for line in head.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        let usual = match name {
            CONTENT_LENGTH => length.replace(digits(line.value)?).is_none(),
            TRANSFER_ENCODING => {
                line.value.eq_ignore_ascii_case(b"chunked") && !std::mem::replace(&mut chunked, true)
            }
            CONNECTION => line.value.eq_ignore_ascii_case(b"keep-alive"),
            _ => true,
        };
        if !usual {
            return None;
        }
        headers.append(name, HeaderValue::from_maybe_shared(read.slice_ref(line.value)).ok()?);
    }
    let bodyless =
        *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = match (length, chunked) {
        _ if bodyless => Body::Whole(Bytes::new(), begin),
        (Some(length), false) => with_length(read, begin, length)?,
        (None, true) => chunks(read, begin)?,
        _ => return None,
    };
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Some((answer, body))
}

fn with_length(read: &Bytes, begin: usize, length: u64) -> Option<Body> {
    let here = read.len() - begin;
    if let Some(left) = length.checked_sub(here as u64).filter(|left| *left > 0) {
        return (length <= MOST).then(|| Body::Long(read.slice(begin..), left));
    }
    let end = begin + usize::try_from(length).ok()?;
    Some(Body::Whole(read.slice(begin..end), end))
}

/// `1*DIGIT`, and nothing else.
fn digits(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The data of chunks, which begin here, without extensions and trailers.
fn chunks(read: &Bytes, begin: usize) -> Option<Body> {
    let mut data = Vec::new();
    let mut rest = read.get(begin..)?;
    loop {
        let line = rest.iter().take(MOST_DIGITS + 1).position(|byte| *byte == b'\r')?;
        let (size, after) = rest.split_at_checked(line)?;
        let digits = size.iter().all(u8::is_ascii_hexdigit).then_some(size)?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let (chunk, after) = after.strip_prefix(b"\r\n")?.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(Body::Whole(data.into(), read.len() - rest.len()));
        }
    }
}

/// What no body is as long as, in bytes: hyper has other meanings for the largest numbers there are.
const MOST: u64 = 1 << 62;
/// Of a chunk's size.
const MOST_DIGITS: usize = 8;
/// What most heads have room in, in bytes.
const USUAL: usize = 1024;

#[cfg(test)]
mod tests;
