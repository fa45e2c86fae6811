//! A call on its way to the API, and the answer on its way back.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Method, StatusCode};

use super::{RequestBodyError, UpstreamPath};

/// A request for the API. The forwarder puts the token on it.
#[derive(Debug)]
pub struct Call {
    /// The browser's method.
    pub method: Method,
    /// Where it goes.
    pub path: UpstreamPath,
    /// What [`request_headers`](super::request_headers) made of the browser's headers.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: CallBody,
}

impl Call {
    /// Whether the call can be sent once more: its body has not been given away.
    pub const fn repeatable(&self) -> bool {
        matches!(self.body, CallBody::Empty | CallBody::Kept(_))
    }
}

/// Pieces of a request's body as the browser sends them. A stream that ends early must yield an
/// error, for an end is taken as the body's end.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, RequestBodyError>> + Send>>;

/// The body of a call.
pub enum CallBody {
    /// There is none.
    Empty,
    /// All of it, kept so that the call can be repeated.
    Kept(Bytes),
    /// Too large to keep, or of unknown length: sent as it comes, once.
    Stream {
        /// `Content-Length` in bytes; `None`: chunked.
        length: Option<u64>,
        /// The pieces.
        pieces: Pieces,
    },
    /// It was a stream and has been sent.
    Spent,
}

impl fmt::Debug for CallBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Kept(bytes) => write!(f, "Kept({} bytes)", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
            Self::Spent => f.write_str("Spent"),
        }
    }
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status, 200 to 599.
    pub status: StatusCode,
    /// Its headers, filtered by [`response_headers`](super::response_headers). The body's framing
    /// is not among them.
    pub headers: HeaderMap,
    /// The length in bytes that the API announced; to HEAD and with 304, the length that a GET
    /// would have had.
    pub length: Option<u64>,
    /// The body. To drop it is to cancel the call.
    pub body: AnswerBody,
}

/// The body of an answer: pieces as they come. It ends with an error, never cleanly, where the
/// API's body was cut short or paused for longer than `forward.idle_timeout`.
pub enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    /// As it comes.
    Stream(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

impl Stream for AnswerBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Stream(pieces) => pieces.as_mut().poll_next(cx),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerBody")
    }
}

impl Answer {
    /// Reads up to `limit` bytes of the body ahead, and leaves the body as it was. A body that
    /// breaks meanwhile breaks when it is read.
    pub async fn peek(&mut self, limit: usize) -> Bytes {
        if let AnswerBody::Whole(bytes) = &self.body {
            return bytes.clone();
        }
        let mut seen = Vec::new();
        let mut ahead = bytes::BytesMut::new();
        while ahead.len() < limit {
            let Some(piece) = self.body.next().await else { break };
            let broken = piece.is_err();
            if let Ok(piece) = &piece {
                ahead.extend_from_slice(piece);
            }
            seen.push(piece);
            if broken {
                break;
            }
        }
        let rest = std::mem::replace(&mut self.body, AnswerBody::Whole(Bytes::new()));
        self.body = AnswerBody::Stream(Box::pin(stream::iter(seen).chain(rest)));
        ahead.freeze()
    }
}
