//! The body of an answer that is longer than its first piece, of known length.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::conn::Conn;
use super::pool::Pool;

/// What is still to come, and the connection that it comes over.
pub(super) struct Long {
    /// Read already.
    first: Bytes,
    /// How many bytes follow.
    left: u64,
    /// How many are read at once.
    most: usize,
    /// When the piece before was handed on.
    handed_on: Option<Instant>,
    /// What the next are read into.
    room: BytesMut,
    conn: Option<Conn>,
}

impl Long {
    pub(super) fn new(first: Bytes, left: u64, conn: Conn) -> Self {
        Self { first, left, most: SMALLEST, handed_on: None, room: BytesMut::new(), conn: Some(conn) }
    }

    /// How many bytes come.
    pub(super) fn length(&self) -> u64 {
        self.left + self.first.len() as u64
    }

    /// The next piece. With the last one the connection goes back to the pool.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        pool: &Arc<Pool>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        let Some(conn) = &mut self.conn else { return Poll::Ready(None) };
        if self.handed_on.take().is_some_and(|since| since.elapsed() > SLOW) {
            // It waits for the browser, and holds what it has read.
            self.most = SMALLEST;
        }
        let most = usize::try_from(self.left).map_or(self.most, |left| left.min(self.most));
        let read = ready!(conn.poll_fill(cx, &mut self.room, most))?;
        if read == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        // What comes slowly needs little room.
        if read == most {
            self.most = (self.most * 2).min(LARGEST);
        } else if read < self.most / 4 {
            self.most = (self.most / 2).max(SMALLEST);
        }
        self.handed_on = Some(Instant::now());
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0
            && let Some(conn) = self.conn.take()
        {
            pool.put(conn);
        }
        Poll::Ready(Some(Ok(self.room.split().freeze())))
    }
}

/// How much is read at once, in bytes: at first, and of what comes fast.
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 128 * 1024;
/// A browser that takes a piece no sooner is slow.
const SLOW: Duration = Duration::from_millis(20);
