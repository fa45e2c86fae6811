//! The end of a connection.
//!
//! A socket that is closed with bytes unread resets the connection, and the reset can overtake
//! the answer (RFC 9112 section 9.6). So after an answer our side is closed first, and what the
//! client still sends is read and thrown away for a moment.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::Shutdown;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::wire::Wire;

/// How long a client may take to be done with.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How much is thrown away of what it still sends, in bytes.
const MOST_DISCARDED: usize = 8 << 20;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// After a whole answer.
    Linger,
    /// At once, and so that what was sent cannot pass for the whole.
    Abort,
}

/// Sends a last answer, then parts.
pub(super) async fn say(wire: &RefCell<Wire>, alarm: &mut Alarm, mut answer: &[u8]) {
    let until = Instant::now() + CLOSE_TIMEOUT;
    let said = poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        while !answer.is_empty() {
            match wire.poll_write(cx, answer) {
                Poll::Ready(Ok(written)) => answer = answer.get(written..).unwrap_or_default(),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return alarm.poll(cx, until).map(|()| false),
            }
        }
        Poll::Ready(true)
    })
    .await;
    part(wire, alarm, if said { Manner::Linger } else { Manner::Abort }).await;
}

/// Ends the connection.
pub(super) async fn part(wire: &RefCell<Wire>, alarm: &mut Alarm, manner: Manner) {
    if manner == Manner::Abort {
        // Then the close is a reset. Where it cannot be had, it is a close.
        let _ = SockRef::from(wire.borrow().socket()).set_linger(Some(Duration::ZERO));
        return;
    }
    if SockRef::from(wire.borrow().socket()).shutdown(Shutdown::Write).is_err() {
        return;
    }
    let until = Instant::now() + CLOSE_TIMEOUT;
    let mut discarded = 0;
    poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        while let Poll::Ready(read) = wire.poll_discard(cx) {
            match read {
                Ok(read @ 1..) if discarded < MOST_DISCARDED => discarded += read,
                _ => return Poll::Ready(()),
            }
        }
        alarm.poll(cx, until)
    })
    .await;
}
