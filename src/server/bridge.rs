//! The bridge between the two HTTP crates: the server speaks `http` 0.2, the client to the API
//! speaks `http` 1. No other file knows both.
//!
//! Names and values cross as bytes. Bodies cross without a copy, and each side waits for the
//! other: a request's body is read by a task on the connection's own worker (the server's payload
//! cannot leave it) and handed over through a channel that holds two pieces.

use std::io;
use std::time::Duration;

use actix_web::body::{self, BodyStream, SizedStream};
use actix_web::error::PayloadError;
use actix_web::http as web_http;
use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::settings::Forward;
use crate::upstream::{
    self, Answer, Call, CallBody, ClientHop, HeaderError, Pieces, RequestBodyError, UpstreamPath,
};

/// Limits of request bodies.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// `forward.max_body`, in bytes.
    pub max: u64,
    /// `forward.replay_limit`, in bytes.
    pub replay: usize,
    /// `forward.idle_timeout`: between two pieces.
    pub idle: Duration,
}

impl From<&Forward> for BodyLimits {
    fn from(settings: &Forward) -> Self {
        Self { max: settings.max_body, replay: settings.replay_limit, idle: settings.idle_timeout }
    }
}

/// A call to the API with the browser's method and headers, as the rules let them cross.
///
/// # Errors
/// [`HeaderError`]: the call has been here before. A method cannot fail: both crates know the same
/// tokens (RFC 9110 section 9.1).
pub fn call(
    request: &HttpRequest,
    path: UpstreamPath,
    body: CallBody,
    hop: &ClientHop<'_>,
) -> Result<Call, HeaderError> {
    let method = http::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or_default();
    let headers = upstream::request_headers(&request_headers(request), hop)?;
    Ok(Call { method, path, headers, body })
}

/// The browser's headers, byte for byte; the values of one name keep their order.
fn request_headers(request: &HttpRequest) -> http::HeaderMap {
    let inbound = request.headers();
    let mut headers = http::HeaderMap::with_capacity(inbound.len());
    let mut block = Block::of(inbound.iter().map(|(_, value)| value.as_bytes()));
    for (name, value) in inbound {
        // Neither can fail: the one crate accepted what the other accepts.
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::from_bytes(name.as_str().as_bytes()),
            http::HeaderValue::from_maybe_shared(block.next(value.len())),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

/// The request's body. Up to `limits.replay` it is read here and kept; what is larger is
/// streamed, and so is a body of unknown length that does not end soon.
///
/// # Errors
/// [`RequestBodyError`]; [`RequestBodyError::TooLarge`] at once where the length is announced.
/// A streamed body may still break later.
pub async fn request_body(
    request: &HttpRequest,
    mut payload: web::Payload,
    limits: BodyLimits,
) -> Result<CallBody, RequestBodyError> {
    let framing = framing(request.headers())?;
    let patience = match framing {
        Framing::None => return Ok(CallBody::Empty),
        Framing::Length(length) if length > limits.max => return Err(RequestBodyError::TooLarge),
        Framing::Length(length) if length > limits.replay as u64 => {
            return Ok(CallBody::Stream { length: Some(length), pieces: pump(None, payload, limits) });
        }
        // It all comes, or the browser is slow: the pieces' timeout is enough.
        Framing::Length(_) => None,
        Framing::Chunked => Some(Instant::now() + PATIENCE),
    };

    let mut kept = BytesMut::new();
    loop {
        let piece = match patience {
            None => timeout(limits.idle, payload.next()).await.map_err(|_| RequestBodyError::TimedOut)?,
            Some(until) => match timeout_at(until, payload.next()).await {
                Ok(piece) => piece,
                Err(_) => break,
            },
        };
        let Some(piece) = piece else { return Ok(CallBody::Kept(kept.freeze())) };
        kept.extend_from_slice(&piece.map_err(fault)?);
        if kept.len() as u64 > limits.max {
            return Err(RequestBodyError::TooLarge);
        }
        if kept.len() > limits.replay {
            break;
        }
    }
    Ok(CallBody::Stream { length: None, pieces: pump(Some(kept.freeze()), payload, limits) })
}

/// The API's answer for the browser. `is_head`: the request was HEAD.
pub fn inbound(answer: Answer, is_head: bool) -> HttpResponse {
    let Answer { status, headers, length, body } = answer;
    // Cannot fail: 200 to 599.
    let status = web_http::StatusCode::from_u16(status.as_u16()).unwrap_or(web_http::StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    let mut block = Block::of(headers.values().map(http::HeaderValue::as_bytes));
    for (name, value) in &headers {
        if let (Ok(name), Ok(value)) = (
            web_http::header::HeaderName::from_bytes(name.as_str().as_bytes()),
            web_http::header::HeaderValue::from_maybe_shared(block.next(value.len())),
        ) {
            response.append_header((name, value));
        }
    }
    match (status, length) {
        // The server would end a streamed 204 with a chunk, and a streamed 304 not at all; both
        // would spoil the connection.
        (web_http::StatusCode::NO_CONTENT, _) => response.body(body::None::new()),
        (web_http::StatusCode::NOT_MODIFIED, length) => {
            if let Some(length) = length {
                response.no_chunking(length);
            }
            response.body(body::None::new())
        }
        (_, None) if is_head => response.body(body::None::new()),
        (_, Some(length)) => response.body(SizedStream::new(length, body)),
        // Not `streaming()`, which invents a `Content-Type`.
        (_, None) => response.body(BodyStream::new(body)),
    }
}

/// The values of a message's headers in one piece of memory, cut up again. A copy of each would be
/// a piece of its own, and another as soon as it is cloned.
struct Block(Bytes);

impl Block {
    fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::with_capacity(512);
        values.for_each(|value| bytes.extend_from_slice(value));
        Self(bytes.into())
    }

    /// The next value, of that length.
    fn next(&mut self, length: usize) -> Bytes {
        self.0.split_to(length.min(self.0.len()))
    }
}

/// How a request's body is delimited (RFC 9112 section 6).
enum Framing {
    None,
    Length(u64),
    Chunked,
}

fn framing(headers: &web_http::header::HeaderMap) -> Result<Framing, RequestBodyError> {
    if headers.contains_key(web_http::header::TRANSFER_ENCODING) {
        return Ok(Framing::Chunked);
    }
    // The server has refused whatever is no single number.
    match headers.get(web_http::header::CONTENT_LENGTH) {
        None => Ok(Framing::None),
        Some(length) => match length.to_str().ok().and_then(|length| length.trim().parse().ok()) {
            Some(0) => Ok(Framing::None),
            Some(length) => Ok(Framing::Length(length)),
            None => Err(RequestBodyError::Malformed),
        },
    }
}

/// What the reading task hands over. A channel that closes without an end says that the task was
/// stopped: what came so far must not pass for the whole.
enum Handed {
    Piece(Bytes),
    Fault(RequestBodyError),
    End,
}

/// Reads the rest of the payload in a task of its own, which stops when the pieces are dropped.
fn pump(first: Option<Bytes>, mut payload: web::Payload, limits: BodyLimits) -> Pieces {
    let (sender, mut receiver) = mpsc::channel(CAPACITY);
    let mut size = first.as_ref().map_or(0, |first| first.len() as u64);
    let task = StopOnDrop(rt::spawn(async move {
        loop {
            let handed = match timeout(limits.idle, payload.next()).await {
                Err(_) => Handed::Fault(RequestBodyError::TimedOut),
                Ok(None) => Handed::End,
                Ok(Some(Err(error))) => Handed::Fault(fault(error)),
                Ok(Some(Ok(piece))) => {
                    size += piece.len() as u64;
                    if size > limits.max {
                        Handed::Fault(RequestBodyError::TooLarge)
                    } else {
                        Handed::Piece(piece)
                    }
                }
            };
            let last = !matches!(handed, Handed::Piece(_));
            if sender.send(handed).await.is_err() || last {
                return;
            }
        }
    }));
    let rest = stream::poll_fn(move |cx| {
        let _stopped_with_the_pieces = &task;
        receiver.poll_recv(cx).map(|handed| match handed {
            Some(Handed::Piece(piece)) => Some(Ok(piece)),
            Some(Handed::Fault(fault)) => Some(Err(fault)),
            Some(Handed::End) => None,
            None => Some(Err(RequestBodyError::Aborted)),
        })
    });
    let first = first.filter(|first| !first.is_empty());
    Box::pin(stream::iter(first.map(Ok)).chain(rest))
}

struct StopOnDrop(JoinHandle<()>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn fault(error: PayloadError) -> RequestBodyError {
    match error {
        PayloadError::EncodingCorrupted | PayloadError::UnknownLength => RequestBodyError::Malformed,
        PayloadError::Overflow => RequestBodyError::TooLarge,
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => RequestBodyError::TimedOut,
        _ => RequestBodyError::Aborted,
    }
}

/// How long a body of unknown length may take to end before it is streamed. Browsers announce
/// lengths; this is for bodies that a proxy in front re-framed, and they are there at once.
const PATIENCE: Duration = Duration::from_millis(250);

/// Pieces on their way between the two tasks: one being sent, one being read.
const CAPACITY: usize = 2;
