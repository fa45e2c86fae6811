//! What an answer consists of, and how its end is known.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::upstream::{Answer, AnswerBody};

/// An answer's body: a text of ours, or what the API sends.
#[derive(Debug)]
pub struct Content {
    source: Source,
    /// In bytes; `None`: nobody knows.
    length: Option<u64>,
    sent: u64,
    /// Whether all that is to be sent has been taken.
    done: bool,
}

#[derive(Debug)]
enum Source {
    Text(Bytes),
    Api(AnswerBody),
}

impl Content {
    /// All of it; `method` is that of the request.
    pub(super) fn text(text: Bytes, method: &Method) -> Self {
        let done = text.is_empty() || method == Method::HEAD;
        Self { length: Some(text.len() as u64), sent: 0, done, source: Source::Text(text) }
    }

    /// In bytes; `None`: nobody knows.
    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Bytes that have been taken.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether all that is to be sent has been taken.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// What comes next.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let piece = match &mut self.source {
            Source::Text(text) if text.is_empty() => None,
            Source::Text(text) => Some(Ok(std::mem::take(text))),
            Source::Api(body) => ready!(Pin::new(body).poll_next(cx)),
        };
        match &piece {
            Some(Ok(piece)) => {
                self.sent = self.sent.saturating_add(piece.len() as u64);
                // Nobody asks again once the announced length is out.
                self.done = self.length.is_some_and(|length| length <= self.sent);
            }
            Some(Err(_)) => {}
            None if self.length.is_some_and(|length| length > self.sent) => {
                return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            None => self.done = true,
        }
        Poll::Ready(piece)
    }
}

/// The API's answer to a request of that method.
pub fn relay(answer: Answer, method: &Method) -> Response<Content> {
    let Answer { status, mut headers, length, body } = answer;
    if status == StatusCode::NOT_MODIFIED
        && let Some(length) = length
    {
        // What a GET would have had; hyper leaves it out where there is no body.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let bodyless = method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || length == Some(0);
    let mut response = Response::new(Content { source: Source::Api(body), length, sent: 0, done: bodyless });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.poll_piece(cx).map_ok(Frame::data)
    }

    /// Whether no more comes. Where there is a length but no body (HEAD, 304) the length is what
    /// hyper asks for.
    fn is_end_stream(&self) -> bool {
        self.length.is_some_and(|length| length <= self.sent)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.length.map(|length| length.saturating_sub(self.sent));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
