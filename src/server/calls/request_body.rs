//! A call's body on its way in.

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::server::connection::Link;
use crate::settings::Forward;
use crate::upstream::{CallBody, Pieces, RequestBodyError};

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

/// The body of a call. Up to `limits.replay` it is read here and kept; what is larger is streamed,
/// and so is a body of unknown length that does not end soon.
///
/// # Errors
/// [`RequestBodyError`]; [`RequestBodyError::TooLarge`] at once where the length is announced.
/// A streamed body may still break later.
pub async fn request_body(
    headers: &HeaderMap,
    body: Incoming,
    limits: BodyLimits,
) -> Result<CallBody, RequestBodyError> {
    let framing = framing(headers)?;
    let mut upload = Upload { body, limits, read: 0, idle: None, waiting: false };
    let patience = match framing {
        Framing::None => return Ok(CallBody::Empty),
        Framing::Length(length) if length > limits.max => return Err(RequestBodyError::TooLarge),
        Framing::Length(length) if length > limits.replay as u64 => {
            return Ok(CallBody::Stream { length: Some(length), pieces: Box::pin(upload) });
        }
        // It all comes, or the browser is slow: the pieces' timeout is enough.
        Framing::Length(_) => None,
        Framing::Chunked => Some(Instant::now() + PATIENCE),
    };

    let mut kept = BytesMut::new();
    loop {
        let piece = match patience {
            None => upload.next().await,
            Some(until) => match timeout_at(until, upload.next()).await {
                Ok(piece) => piece,
                Err(_) => break,
            },
        };
        let Some(piece) = piece else { return Ok(CallBody::Kept(kept.freeze())) };
        kept.extend_from_slice(&piece?);
        if kept.len() > limits.replay {
            break;
        }
    }
    let first = Some(kept.freeze()).filter(|first| !first.is_empty());
    let pieces: Pieces = Box::pin(stream::iter(first.map(Ok)).chain(upload));
    Ok(CallBody::Stream { length: None, pieces })
}

/// Reads what is left of a body and here already, so that its connection can be used again.
pub(super) async fn skip(mut body: Incoming, link: &Link) {
    let mut next = async || poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    while link.is_at_hand() && matches!(next().await, Some(Ok(_))) {}
}

/// How a request's body is delimited (RFC 9112 section 6).
enum Framing {
    None,
    Length(u64),
    Chunked,
}

fn framing(headers: &HeaderMap) -> Result<Framing, RequestBodyError> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Ok(Framing::Chunked);
    }
    // The connection has refused whatever is no single number.
    match headers.get(CONTENT_LENGTH) {
        None => Ok(Framing::None),
        Some(length) => match length.to_str().ok().and_then(|length| length.trim().parse().ok()) {
            Some(0) => Ok(Framing::None),
            Some(length) => Ok(Framing::Length(length)),
            None => Err(RequestBodyError::Malformed),
        },
    }
}

/// The pieces of a body, within the limits.
struct Upload {
    body: Incoming,
    limits: BodyLimits,
    read: u64,
    /// None as long as no piece had to be waited for: most bodies come with their head.
    idle: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Stream for Upload {
    type Item = Result<Bytes, RequestBodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let upload = &mut *self;
        while let Poll::Ready(frame) = Pin::new(&mut upload.body).poll_frame(cx) {
            upload.waiting = false;
            // The connection drops trailers.
            let Some(piece) = frame.map(|frame| frame.map(Frame::into_data)) else {
                return Poll::Ready(None);
            };
            let Ok(piece) = piece.map_err(|error| fault(&error))? else { continue };
            upload.read = upload.read.saturating_add(piece.len() as u64);
            let within = upload.read <= upload.limits.max;
            return Poll::Ready(Some(within.then_some(piece).ok_or(RequestBodyError::TooLarge)));
        }
        let until = Instant::now() + upload.limits.idle;
        let idle = upload.idle.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !upload.waiting {
            upload.waiting = true;
            idle.as_mut().reset(until);
        }
        idle.as_mut().poll(cx).map(|()| Some(Err(RequestBodyError::TimedOut)))
    }
}

fn fault(error: &hyper::Error) -> RequestBodyError {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match cause {
        Some(io::ErrorKind::InvalidData) => RequestBodyError::Malformed,
        _ => RequestBodyError::Aborted,
    }
}

/// How long a body of unknown length may take to end before it is streamed. Browsers announce
/// lengths; this is for bodies that a proxy in front re-framed, and they are there at once.
const PATIENCE: Duration = Duration::from_millis(250);
