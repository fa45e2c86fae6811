//! The socket of a connection, what was read from it and not handed on yet, and how far the
//! exchange on it has come.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::chunks::{Chunks, Step};
use super::head::{Framing, Head};

/// How much is read at once where it is kept.
const PIECE: usize = 4 * 1024;
/// How much of the requests that follow is read while one is served: enough to notice that a
/// client has left which had sent a few.
const HELD_BACK: usize = 16 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// Read, and not handed on yet.
    pub(super) unread: BytesMut,
    /// What of the request is still to be handed on.
    rest: Rest,
    /// How far the answer is.
    pub(super) answer: Progress,
    /// The client has closed its side, or all of it.
    pub(super) gone: bool,
    /// Since when the client has sent nothing of the body that is asked for.
    pub(super) starved: Option<Instant>,
    /// Since when the client has taken nothing of what is to be written.
    pub(super) stuck: Option<Instant>,
    /// Who reads the body, and wants to hear that it is broken.
    pub(super) reader: Option<Waker>,
    /// Who gives the answer, and wants to hear that all so far has been written.
    writer: Option<Waker>,
}

/// How far an answer is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Progress {
    /// Its head has been written.
    pub(super) begun: bool,
    /// Its head says that the connection ends with it.
    pub(super) closes: bool,
    /// Its body has come to an end, or was dropped.
    pub(super) ended: bool,
    /// The system has taken over all of it so far.
    pub(super) flushed: bool,
}

#[derive(Debug)]
enum Rest {
    Head { left: usize, body: Framing },
    Length(u64),
    Chunks(Chunks),
    Broken,
    Nothing,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            unread: BytesMut::new(),
            rest: Rest::Nothing,
            answer: Progress::default(),
            gone: false,
            starved: None,
            stuck: None,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// From now on the bytes of this request are handed on, and none of the next. Says what `judge`
    /// says of its target.
    pub(super) fn begin(&mut self, head: &Head, judge: impl FnOnce(&str) -> bool) -> bool {
        let target = self.unread.get(head.target.clone()).unwrap_or_default();
        let judged = judge(std::str::from_utf8(target).unwrap_or_default());
        self.rest = Rest::Head { left: head.length, body: head.framing };
        self.answer = Progress { closes: head.old, ..Progress::default() };
        (self.starved, self.stuck, self.reader, self.writer) = (None, None, None, None);
        judged
    }

    /// The head that was begun is read, and has no body.
    pub(super) fn read_head(&mut self, head: &Head) {
        self.unread.advance(head.length);
        self.rest = Rest::Nothing;
    }

    /// Notices that the client leaves.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) {
        while !self.gone && self.unread.len() < HELD_BACK {
            match self.poll_fill(cx) {
                Poll::Ready(read) => self.gone |= read.is_err(),
                Poll::Pending => return,
            }
        }
    }

    /// Whether all of the request has been handed on.
    pub(super) const fn is_read(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Whether what is still to be handed on has been read.
    pub(super) fn is_at_hand(&self) -> bool {
        match self.rest {
            Rest::Nothing => true,
            Rest::Length(left) => left <= self.unread.len() as u64,
            Rest::Head { .. } | Rest::Chunks(_) | Rest::Broken => false,
        }
    }

    /// Whether the body's framing is broken.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.rest, Rest::Broken)
    }

    /// When the client has been given enough time.
    pub(super) fn deadline(&self, to_send: Duration, to_take: Duration) -> Option<Instant> {
        let starved = self.starved.map(|since| since + to_send);
        let stuck = self.stuck.map(|since| since + to_take);
        match (starved, stuck) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Reads a piece to be kept; 0 bytes are the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Asked first, so that a connection that waits needs no buffer.
        ready!(self.socket.poll_read_ready(cx))?;
        self.unread.reserve(PIECE);
        // After less than there was room for, this knows that there is no more, and the system is
        // not asked once more only to hear so.
        let mut piece = (&mut self.unread).limit(PIECE);
        let read = ready!(pin!(self.socket.read_buf(&mut piece)).poll(cx))?;
        self.gone |= read == 0;
        Poll::Ready(Ok(read))
    }

    /// Hands on what comes next of the request. After its end: nothing until the client closes.
    pub(super) fn poll_hand_on(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = self.poll_rest(cx, into);
        match &polled {
            Poll::Pending if matches!(self.rest, Rest::Length(_) | Rest::Chunks(_)) => {
                self.starved.get_or_insert_with(Instant::now);
            }
            _ => self.starved = None,
        }
        if self.unread.is_empty() {
            // A connection that waits holds no buffer.
            self.unread = BytesMut::new();
        }
        polled
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.rest {
                Rest::Head { left, body } => {
                    let (taken, body) = (take(&mut self.unread, *left, into), *body);
                    *left -= taken;
                    if *left == 0 {
                        self.rest = match body {
                            Framing::Length(0) => Rest::Nothing,
                            Framing::Length(length) => Rest::Length(length),
                            Framing::Chunked => Rest::Chunks(Chunks::default()),
                        };
                    }
                    return Poll::Ready(Ok(()));
                }
                Rest::Length(left) => {
                    let taken = if self.unread.is_empty() {
                        let taken = ready!(read_at_most(&mut self.socket, *left, cx, into))?;
                        self.gone |= taken == 0;
                        taken
                    } else {
                        take(&mut self.unread, usize::try_from(*left).unwrap_or(usize::MAX), into) as u64
                    };
                    *left -= taken;
                    if *left == 0 {
                        self.rest = Rest::Nothing;
                    }
                    return Poll::Ready(Ok(()));
                }
                Rest::Chunks(chunks) => {
                    let before = into.filled().len();
                    let step = chunks.step(&mut self.unread, into);
                    let (over, moved) = (chunks.is_over(), into.filled().len() > before);
                    if over {
                        self.rest = Rest::Nothing;
                    }
                    match step {
                        _ if moved => return Poll::Ready(Ok(())),
                        Err(_) => {
                            self.rest = Rest::Broken;
                            // Whoever waits for the next piece hears it instead.
                            self.reader.take().map_or_else(|| cx.waker().wake_by_ref(), Waker::wake);
                            return Poll::Pending;
                        }
                        Ok(Step::End) => {}
                        Ok(Step::HandedOn) => {
                            // No room for the smallest step: the layer above makes some.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Ok(Step::Hungry) => {
                            if ready!(self.poll_fill(cx))? == 0 {
                                return Poll::Ready(Ok(()));
                            }
                        }
                    }
                }
                Rest::Broken => return Poll::Pending,
                Rest::Nothing => {
                    if self.unread.len() >= HELD_BACK {
                        return Poll::Pending;
                    }
                    if ready!(self.poll_fill(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    /// Notes that these bytes of an answer are to be written. Gives its head back where it begins
    /// with them.
    pub(super) fn note_answer<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.answer.flushed = false;
        if self.answer.begun {
            return None;
        }
        let head = Some(without_interim(bytes)).filter(|head| !head.is_empty());
        self.answer.begun = head.is_some();
        head
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note_progress(polled)
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.note_progress(polled)
    }

    fn note_progress(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending => {
                self.stuck.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => self.stuck = None,
        }
        polled
    }

    /// Everything written so far is with the system.
    pub(super) fn flushed(&mut self) {
        self.answer.flushed = true;
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Waits until everything given to the HTTP layer so far is with the system.
    pub(super) fn wait_for_flush(&mut self, cx: &Context<'_>) {
        self.answer.flushed = false;
        self.writer = Some(cx.waker().clone());
    }

    /// Throws away what has been read, and reads on; 0 bytes are the end.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.unread.clear();
        self.poll_fill(cx)
    }
}

/// Moves at most so many bytes from one to the other.
fn take(from: &mut BytesMut, most: usize, into: &mut ReadBuf<'_>) -> usize {
    let taken = most.min(from.len()).min(into.remaining());
    into.put_slice(from.get(..taken).unwrap_or_default());
    from.advance(taken);
    taken
}

/// Reads straight into the buffer of the layer above, but nothing beyond the body.
fn read_at_most(
    socket: &mut TcpStream,
    most: u64,
    cx: &mut Context<'_>,
    into: &mut ReadBuf<'_>,
) -> Poll<io::Result<u64>> {
    let before = into.filled().len();
    match usize::try_from(most) {
        Ok(most) if most < into.remaining() => {
            let mut part = ReadBuf::new(into.initialize_unfilled_to(most));
            ready!(Pin::new(socket).poll_read(cx, &mut part))?;
            let taken = part.filled().len();
            into.advance(taken);
        }
        _ => ready!(Pin::new(socket).poll_read(cx, into))?,
    }
    Poll::Ready(Ok((into.filled().len() - before) as u64))
}

/// What follows an interim answer.
fn without_interim(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(bytes)
}
