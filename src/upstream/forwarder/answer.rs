//! From the API's response head to an [`Answer`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Method, StatusCode};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep};

use super::client::{Arrival, Rest, Unfinished};
use super::long::Long;
use super::pool::Pool;
use super::upload::Guard;
use super::{Begun, Forwarder};
use crate::upstream::call::AnswerBody;
use crate::upstream::headers::{ResponseContext, response_headers};
use crate::upstream::{Answer, Call, Error};

/// Checks and filters the head, and puts the body under the idle timeout.
pub(super) fn read(begun: Begun, call: &Call, forwarder: &Forwarder) -> Result<Answer, Error> {
    let (guard, idle_timeout) = (begun.guard, forwarder.idle_timeout);
    match begun.arrival {
        Arrival::Whole(response) => {
            let (head, body) = response.into_parts();
            let answered = filtered(head, Some(body.len() as u64), call, forwarder)?;
            Ok(answered(AnswerBody::Whole(body)))
        }
        Arrival::Long(response, pool) => {
            let (head, long) = response.into_parts();
            let answered = filtered(head, Some(long.length()), call, forwarder)?;
            Ok(answered(Download::over(Source::Long(long, pool), guard, idle_timeout)))
        }
        Arrival::Begun(response, rest) => {
            let (head, pieces) = response.into_parts();
            let answered = filtered(head, pieces.size_hint().exact(), call, forwarder)?;
            Ok(answered(body(pieces, rest, guard, idle_timeout)))
        }
    }
}

/// The answer, but for its body, which is of that length.
fn filtered(
    head: Parts,
    length: Option<u64>,
    call: &Call,
    forwarder: &Forwarder,
) -> Result<impl FnOnce(AnswerBody) -> Answer, Error> {
    let status = head.status;
    // No upgrade was asked for (RFC 9110 section 15.2.2), and there is nothing above 599
    // (section 15).
    if status.is_informational() || status.as_u16() > 599 {
        return Err(Error::Invalid);
    }
    let bodyless = call.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    let length = if bodyless { announced_length(&head.headers) } else { length };
    let context = ResponseContext { routes: &forwarder.routes, path: &call.path };
    let headers = response_headers(head.headers, status, &context)?;
    Ok(move |body| Answer { status, headers, length, body })
}

fn body(mut pieces: Incoming, rest: Rest, guard: Guard, idle_timeout: Duration) -> AnswerBody {
    let (ahead, unfinished) = match rest {
        Rest::Here => match whole(&mut pieces) {
            Ok(whole) => return AnswerBody::Whole(whole),
            Err(ahead) => (ahead, None),
        },
        Rest::Comes => (None, None),
        Rest::Driven(unfinished) => (None, Some(unfinished)),
    };
    Download::over(Source::Hyper(Pieces { ahead, incoming: pieces, unfinished }), guard, idle_timeout)
}

/// A body of known length, all of which is here; or else what has been read of it.
fn whole(pieces: &mut Incoming) -> Result<Bytes, Option<Piece>> {
    if pieces.is_end_stream() {
        return Ok(Bytes::new());
    }
    let first = match Pin::new(&mut *pieces).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(first) => first,
        Poll::Pending => None,
    };
    match first {
        Some(Ok(frame)) if pieces.is_end_stream() => frame.into_data().map_err(|frame| Some(Ok(frame))),
        first => Err(first),
    }
}

/// `Content-Length`, where no body comes that would tell it.
fn announced_length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let first = values.next()?;
    let digits = first.to_str().ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?;
    if values.any(|other| other != first) { None } else { digits.parse().ok() }
}

type Piece = Result<Frame<Bytes>, hyper::Error>;

struct Download {
    source: Source,
    /// Kept to the end: the body may still be on its way out, and shall stop when this one does.
    guard: Guard,
    idle_timeout: Duration,
    /// None as long as no piece had to be waited for: most answers come with their head.
    idle: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// Who reads it.
enum Source {
    Long(Long, Arc<Pool>),
    Hyper(Pieces),
}

struct Pieces {
    /// Read already; before the others.
    ahead: Option<Piece>,
    incoming: Incoming,
    /// The connection they come by, unless they are all here or a task sees to it.
    unfinished: Option<Unfinished>,
}

impl Pieces {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match ready!(self.poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) => return Poll::Ready(Some(Ok(piece))),
                // Trailers are not carried across.
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Some(ahead));
        }
        let pieces = &mut self.incoming;
        let Some(unfinished) = &mut self.unfinished else { return Pin::new(pieces).poll_frame(cx) };
        // The pieces come by nothing but the connection, so they need not wake.
        let now = &mut Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut *pieces).poll_frame(now);
        if frame.is_pending() {
            let ended = unfinished.link().advance();
            if ended || unfinished.link().is_idle() {
                // The rest is here, or will never be.
                if let Some(unfinished) = self.unfinished.take().filter(|_| !ended) {
                    unfinished.finish();
                }
                return Pin::new(pieces).poll_frame(cx);
            }
            frame = Pin::new(&mut *pieces).poll_frame(now);
            if frame.is_pending() {
                unfinished.link().listen(cx);
                return Poll::Pending;
            }
        }
        // Nobody asks again once the announced length is out.
        if (matches!(frame, Poll::Ready(None)) || pieces.is_end_stream())
            && let Some(unfinished) = self.unfinished.take()
        {
            unfinished.finish();
        }
        frame
    }
}

impl Download {
    fn over(source: Source, guard: Guard, idle_timeout: Duration) -> AnswerBody {
        AnswerBody::Stream(Box::pin(Self { source, guard, idle_timeout, idle: None, waiting: false }))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.source {
            Source::Long(long, pool) => long.poll_piece(cx, pool),
            Source::Hyper(pieces) => pieces.poll_piece(cx),
        }
    }
}

impl Stream for Download {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = self.poll_piece(cx) {
            self.waiting = false;
            if let Some(Err(error)) = &piece {
                tracing::warn!(%error, "the API's answer was cut short");
            }
            return Poll::Ready(piece);
        }
        let download = &mut *self;
        let limit = download.idle_timeout;
        let idle = download.idle.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !download.waiting {
            download.waiting = true;
            idle.as_mut().reset(Instant::now() + limit);
        }
        while idle.as_mut().poll(cx).is_ready() {
            // An API that is still being given the request's body is not idle.
            let moved = download.guard.last_moved().map(|moved| moved + limit);
            match moved.filter(|until| *until > Instant::now()) {
                Some(until) => idle.as_mut().reset(until),
                None => {
                    tracing::warn!("the API's answer paused for too long");
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
            }
        }
        Poll::Pending
    }
}
