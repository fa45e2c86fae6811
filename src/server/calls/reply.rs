//! The answer to a plain call, as it goes over the wire (RFC 9112 sections 4 to 7).

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::header::DATE;
use http::response::Parts;
use http::{Response, StatusCode};

use super::answer::Outgoing;
use crate::model::push_number;
use crate::server::bridge;
use crate::server::connection::{LastInLine, PlainTurn};

/// Pieces up to this size, in bytes, are copied, so that they are written together.
const SMALL: usize = 4 * 1024;
/// How much is copied before it is written, in bytes.
const BATCH: usize = 16 * 1024;

/// An answer that is being written.
pub(super) struct Reply {
    /// What comes to it; `None` once all has been taken.
    body: Option<Outgoing>,
    outbox: Outbox,
    /// Why the body is cut short, until all before it is written.
    broken: Option<io::Error>,
    line: LastInLine,
}

/// What is to be written.
struct Outbox {
    chunked: bool,
    /// First these bytes, then the piece, then the end of its chunk.
    front: BytesMut,
    piece: Bytes,
    chunk_end: &'static [u8],
}

impl Reply {
    pub(super) fn new(answer: Response<Outgoing>) -> Self {
        let (head, body) = answer.into_parts();
        let bodyless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = body.content().length();
        let chunked = !bodyless && length.is_none();
        let outbox = Outbox::new(text(&head, length.filter(|_| !bodyless), chunked), chunked);
        let body = Some(body).filter(|body| !body.content().is_done());
        Self { body, outbox, broken: None, line: LastInLine::default() }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The body is cut short, or the client has left.
    pub(super) async fn write(mut self, turn: &PlainTurn) -> io::Result<()> {
        poll_fn(|cx| self.poll_all(cx, turn)).await?;
        turn.flushed();
        Ok(())
    }

    fn poll_all(&mut self, cx: &mut Context<'_>, turn: &PlainTurn) -> Poll<io::Result<()>> {
        loop {
            self.gather(cx);
            if self.outbox.is_empty() {
                // Something is awaited, or nothing comes any more.
                return match (self.broken.take(), &self.body) {
                    (Some(error), _) => Poll::Ready(Err(error)),
                    (None, Some(_)) => Poll::Pending,
                    (None, None) => Poll::Ready(Ok(())),
                };
            }
            ready!(self.line.poll(cx));
            ready!(self.poll_write(cx, turn))?;
        }
    }

    /// Takes of the body what is there, as much as can be written at once.
    fn gather(&mut self, cx: &mut Context<'_>) {
        while self.outbox.takes_more() {
            let Some(body) = &mut self.body else { return };
            match body.poll_piece(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(piece))) => {
                    let done = body.content().is_done();
                    self.outbox.add(piece);
                    if done {
                        self.body = None;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.broken = Some(error);
                    self.body = None;
                }
                Poll::Ready(None) => {
                    self.outbox.end();
                    self.body = None;
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, turn: &PlainTurn) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let parts = self.outbox.parts();
            // The system takes one piece for less than several.
            let alone = parts.iter().position(|part| !part.is_empty()).unwrap_or_default();
            let written = if parts.iter().skip(alone + 1).all(|part| part.is_empty()) {
                turn.poll_write(cx, &parts[alone..=alone])
            } else {
                turn.poll_write(cx, &parts)
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.outbox.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Outbox {
    fn new(head: BytesMut, chunked: bool) -> Self {
        Self { chunked, front: head, piece: Bytes::new(), chunk_end: b"" }
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.piece.is_empty() && self.chunk_end.is_empty()
    }

    /// Whether there is a place for another piece, behind all that is to be written.
    fn takes_more(&self) -> bool {
        self.piece.is_empty() && self.chunk_end.is_empty() && self.front.len() < BATCH
    }

    fn add(&mut self, piece: Bytes) {
        if self.chunked && !piece.is_empty() {
            self.front.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            self.chunk_end = b"\r\n";
        }
        if piece.len() <= SMALL {
            self.front.extend_from_slice(&piece);
            self.front.extend_from_slice(std::mem::take(&mut self.chunk_end));
        } else {
            self.piece = piece;
        }
    }

    /// The last chunk, if they are chunks.
    fn end(&mut self) {
        if self.chunked {
            self.front.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn parts(&self) -> [IoSlice<'_>; 3] {
        [IoSlice::new(&self.front), IoSlice::new(&self.piece), IoSlice::new(self.chunk_end)]
    }

    fn advance(&mut self, written: usize) {
        let front = written.min(self.front.len());
        self.front.advance(front);
        let piece = (written - front).min(self.piece.len());
        self.piece.advance(piece);
        self.chunk_end = self.chunk_end.get(written - front - piece..).unwrap_or_default();
    }
}

/// The head: the answer's own fields, its framing, and `Date` where the API gave none (RFC 9110
/// section 6.6.1).
fn text(head: &Parts, length: Option<u64>, chunked: bool) -> BytesMut {
    let mut text = BytesMut::with_capacity(USUAL);
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut put = |parts: [&[u8]; 4]| parts.iter().for_each(|part| text.extend_from_slice(part));
    put([b"HTTP/1.1 ", head.status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    for (name, value) in &head.headers {
        put([b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    if !head.headers.contains_key(DATE) {
        put([b"\r\ndate: ", bridge::date().as_bytes(), b"", b""]);
    }
    if let Some(length) = length {
        let mut digits = String::with_capacity(20);
        push_number(&mut digits, length);
        put([b"\r\ncontent-length: ", digits.as_bytes(), b"", b""]);
    }
    if chunked {
        put([b"\r\ntransfer-encoding: chunked", b"", b"", b""]);
    }
    put([b"\r\n\r\n", b"", b"", b""]);
    text
}

/// What most heads, with a small body, have room in; in bytes.
const USUAL: usize = 1024;

#[cfg(test)]
mod tests;
