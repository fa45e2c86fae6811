//! A streamed request body on its way out, and the one who watches it.
//!
//! The HTTP client pulls the body; the call waits for the answer and must know whose turn it is, what
//! broke, and how to stop the body when the browser leaves: a body that is still on its way when the
//! answer begins is sent on by a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::upstream::{Pieces, RequestBodyError};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The browser's, which the reader of the body watches.
    Browser,
    /// The API's, since it was given the last piece: it shall take the next one.
    Api(Instant),
    /// The API's, since the body ended: it shall answer.
    Ended(Instant),
    /// Nobody's: the body broke.
    Broken(RequestBodyError),
}

/// The body, as the HTTP client pulls it.
pub(super) struct Upload {
    pieces: Pieces,
    turn: watch::Sender<Turn>,
    /// `None` once it has fired.
    cancelled: Option<oneshot::Receiver<()>>,
}

/// The watch over a body. To drop it is to stop the body, with an error, so that what was sent is
/// not taken for the whole.
pub(super) enum Guard {
    /// The body, if any, was handed over whole, at that moment.
    HandedOver(Instant),
    /// It is on its way.
    Streamed {
        /// Whose turn it is.
        turn: watch::Receiver<Turn>,
        /// `forward.idle_timeout`.
        idle_timeout: Duration,
        /// Its end stops the body.
        _cancel: oneshot::Sender<()>,
    },
}

impl Upload {
    pub(super) fn new(pieces: Pieces, idle_timeout: Duration) -> (Self, Guard) {
        let (sender, turn) = watch::channel(Turn::Api(Instant::now()));
        let (cancel, cancelled) = oneshot::channel();
        let guard = Guard::Streamed { turn, idle_timeout, _cancel: cancel };
        (Self { pieces, turn: sender, cancelled: Some(cancelled) }, guard)
    }

    /// Notes whose turn it is. Only an end is worth waking anyone for: every other turn moves a
    /// deadline later.
    fn note(&self, turn: Turn) {
        let wake = matches!(turn, Turn::Ended(_) | Turn::Broken(_));
        self.turn.send_if_modified(|noted| {
            *noted = turn;
            wake
        });
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, RequestBodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let cancelled =
            self.cancelled.as_mut().is_none_or(|cancelled| Pin::new(cancelled).poll(cx).is_ready());
        if cancelled {
            self.cancelled = None;
            self.note(Turn::Broken(RequestBodyError::Aborted));
            return Poll::Ready(Some(Err(RequestBodyError::Aborted)));
        }
        let polled = self.pieces.as_mut().poll_next(cx);
        self.note(match &polled {
            Poll::Pending => Turn::Browser,
            Poll::Ready(Some(Ok(_))) => Turn::Api(Instant::now()),
            Poll::Ready(Some(Err(fault))) => Turn::Broken(*fault),
            Poll::Ready(None) => Turn::Ended(Instant::now()),
        });
        polled
    }
}

impl Guard {
    /// For a call whose body, if any, is handed over whole, at this moment.
    pub(super) fn handed_over(since: Instant) -> Self {
        Self::HandedOver(since)
    }

    fn turn(&self) -> Turn {
        match self {
            Self::HandedOver(since) => Turn::Ended(*since),
            Self::Streamed { turn, .. } => *turn.borrow(),
        }
    }

    fn idle_timeout(&self) -> Duration {
        match self {
            Self::HandedOver(_) => Duration::ZERO,
            Self::Streamed { idle_timeout, .. } => *idle_timeout,
        }
    }

    /// When the API's time to answer is over, as things stand.
    pub(super) fn deadline(&self, response_timeout: Duration) -> Instant {
        match self.turn() {
            Turn::Browser => Instant::now() + self.idle_timeout(),
            Turn::Api(since) => since + self.idle_timeout(),
            Turn::Ended(since) => since + response_timeout,
            Turn::Broken(_) => Instant::now() + GRACE,
        }
    }

    /// When the body last moved; now, while it is the browser's turn.
    pub(super) fn last_moved(&self) -> Option<Instant> {
        match self.turn() {
            Turn::Browser => Some(Instant::now()),
            Turn::Api(since) | Turn::Ended(since) => Some(since),
            Turn::Broken(_) => None,
        }
    }

    /// Whether nothing of it will ever change: the body was handed over whole.
    pub(super) fn is_still(&self) -> bool {
        matches!(self, Self::HandedOver(_))
    }

    /// Whether there is more of the body to come.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.turn(), Turn::Browser | Turn::Api(_))
    }

    /// Why the body broke, if it did.
    pub(super) fn fault(&self) -> Option<RequestBodyError> {
        match self.turn() {
            Turn::Broken(fault) => Some(fault),
            _ => None,
        }
    }

    /// Waits for the body to end or break; for ever, once that is known.
    pub(super) async fn ended(&mut self) {
        let ended = match self {
            Self::HandedOver(_) => false,
            Self::Streamed { turn, .. } => turn.changed().await.is_ok(),
        };
        if !ended {
            std::future::pending().await
        }
    }
}

/// How long the HTTP client may take to tell that the body broke.
const GRACE: Duration = Duration::from_secs(1);
