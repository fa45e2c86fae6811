//! The life of a browser's connection: a head, a turn, the next head.
//!
//! The HTTP layer below the handlers (actix-http) reads ahead, times the first head of a
//! connection alone, answers what is malformed with a bare status, and takes the answer to one
//! request for that to the next where they are pipelined. So it never sees a connection here, but
//! one request at a time ([`turn`]): its head, which was read strictly before ([`head`]), its body,
//! whose end is counted here ([`chunks`]), and nothing more until its answer is out. Each turn has
//! a dispatcher of its own, and a connection that waits has none, and no buffers.
//!
//! See `docs/adr/0008-requests-one-at-a-time.md`.

mod alarm;
mod chunks;
mod goodbye;
mod head;
mod plain;
mod turn;
mod wire;

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_service::Service;
use bytes::{Buf, Bytes};
use futures_util::future::FusedFuture;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::calls::Calls;
use alarm::Alarm;
use goodbye::Manner;
pub use head::Fault;
pub(super) use head::MAX_HEAD;
use head::{Head, Search};
pub(super) use plain::PlainTurn;
pub(super) use turn::{CallTurn, LastInLine, Link, Turn, has_close};
use wire::Wire;

/// What a handler that reads a body has, beyond the client's time to send it, to say that it did
/// not come.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// `server.head_timeout`: for a request's head, and until the first byte of the first.
    pub head: Duration,
    /// `server.keep_alive_timeout`: until the first byte of another request.
    pub keep_alive: Duration,
    /// `forward.idle_timeout`: between two pieces of a body, in either direction.
    pub idle: Duration,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The head is no request, or one that is not served.
    Head(Fault),
    /// The head did not come in time.
    Slow,
}

/// Serves a connection until it ends: calls by `calls`, all else by `service`. `refuse` words the
/// answer to what is no request, of which the first bytes are given.
pub(super) async fn serve<S>(
    socket: TcpStream,
    peer: SocketAddr,
    calls: Rc<Calls>,
    service: Rc<S>,
    refuse: impl Fn(Refusal, &[u8]) -> Bytes,
    patience: Patience,
    closing: impl Future<Output = ()>,
) where
    S: Service<(Turn, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let wire = Rc::new(RefCell::new(Wire::new(socket)));
    let mut alarm = Alarm::within(patience.head);
    let mut closing = pin!(futures_util::FutureExt::fuse(closing));
    let mut spare = patience.head;
    loop {
        let until = Instant::now() + spare;
        let head = match next_head(&wire, &mut alarm, until, patience.head, closing.as_mut()).await {
            Ok(head) => head,
            Err(None) => return,
            Err(Some(refusal)) => {
                let answer = refuse(refusal, &wire.borrow().unread);
                return goodbye::say(&wire, &mut alarm, &answer).await;
            }
        };
        let is_call = wire.borrow_mut().begin(&head, |target| calls.takes(target));
        let plain = if is_call { PlainTurn::of(&wire, &head) } else { None };
        let over = if let Some((turn, call)) = plain {
            take_turn(Box::pin(calls.serve_plain(turn, call, peer.ip())), &wire, &mut alarm, patience).await
        } else if is_call {
            let turn = Rc::clone(&calls).serve(CallTurn::new(Rc::clone(&wire)), peer.ip());
            take_turn(Box::pin(turn), &wire, &mut alarm, patience).await
        } else {
            let turn = service.call((Turn(Rc::clone(&wire)), Some(peer)));
            take_turn(Box::pin(turn), &wire, &mut alarm, patience).await
        };
        match over {
            Some(manner) => return goodbye::part(&wire, &mut alarm, manner).await,
            None => spare = patience.keep_alive,
        }
    }
}

/// The next request's head. `Err(None)`: there is none.
async fn next_head(
    wire: &RefCell<Wire>,
    alarm: &mut Alarm,
    idle_until: Instant,
    patience: Duration,
    mut closing: Pin<&mut impl FusedFuture<Output = ()>>,
) -> Result<Head, Option<Refusal>> {
    let mut search = Search::default();
    let mut begun = None;
    std::future::poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        loop {
            match look(&mut search, &mut wire) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(Some(Refusal::Head(fault)))),
            }
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Err(None)),
                Poll::Pending => break,
            }
        }
        let until = if wire.unread.is_empty() && begun.is_none() {
            wire.unread = bytes::BytesMut::new();
            if closing.is_terminated() || closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(None));
            }
            idle_until
        } else {
            *begun.get_or_insert_with(|| Instant::now() + patience)
        };
        alarm.poll(cx, until).map(|()| Err(begun.map(|_| Refusal::Slow)))
    })
    .await
}

fn look(search: &mut Search, wire: &mut Wire) -> Result<Option<Head>, Fault> {
    let empty = search.skip(&wire.unread)?;
    if empty > 0 {
        wire.unread.advance(empty);
    }
    search.find(&wire.unread)
}

/// Lets the HTTP layer take its turn. `None`: the connection is ready for the next.
async fn take_turn<E: Display>(
    mut turn: Pin<Box<impl Future<Output = Result<(), E>>>>,
    wire: &RefCell<Wire>,
    alarm: &mut Alarm,
    patience: Patience,
) -> Option<Manner> {
    std::future::poll_fn(|cx| {
        let over = turn.as_mut().poll(cx);
        let wire = wire.borrow();
        let answered = wire.answer.begun && wire.answer.ended && wire.answer.flushed;
        match over {
            // Who works for it stops, unless the work is done.
            _ if wire.gone => Poll::Ready(Some(if answered { Manner::Linger } else { Manner::Abort })),
            Poll::Pending if !answered => poll_patience(cx, &wire, alarm, patience),
            Poll::Ready(Err(error)) => {
                tracing::debug!(target: "connection", %error, "the answer was cut short");
                Poll::Ready(Some(Manner::Abort))
            }
            // Done with this request, or with all: how much of a body it cares to read is no matter
            // where the next request begins here.
            _ if answered && wire.is_read() && !wire.answer.closes => Poll::Ready(None),
            Poll::Pending | Poll::Ready(Ok(())) => Poll::Ready(Some(Manner::Linger)),
        }
    })
    .await
}

/// Whether a client has taken too long to send its body, or to take its answer.
fn poll_patience(
    cx: &mut Context<'_>,
    wire: &Wire,
    alarm: &mut Alarm,
    patience: Patience,
) -> Poll<Option<Manner>> {
    let Some(until) = wire.deadline(patience.idle + LAST_WORD, patience.idle) else { return Poll::Pending };
    alarm.poll(cx, until).map(|()| {
        tracing::debug!(target: "connection", "the client took too long");
        Some(Manner::Abort)
    })
}
