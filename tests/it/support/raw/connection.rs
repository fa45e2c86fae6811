//! One connection of the scripted server: its requests read, its answers written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{RawAnswer, RawRequest, Seen};

const MAX_HEAD: usize = 256 * 1024;
const MAX_BODY: usize = 128 * 1024 * 1024;
const MAX_SENT: u64 = 1 << 31;
const LONGEST: Duration = Duration::from_secs(60);

/// A connection, and what was read of it beyond the last request.
pub(crate) struct Connection {
    stream: TcpStream,
    seen: Arc<Seen>,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, seen: Arc<Seen>) -> Self {
        Self { stream, seen, unread: Vec::new() }
    }

    /// Reads and answers until either side closes.
    pub(crate) async fn run(mut self) {
        while let Ok(Some(request)) = timeout(LONGEST, self.request()).await {
            let asked_to_close = closes(&request.head);
            self.seen.requests.lock().unwrap().push(request.clone());
            let Some(script) = &self.seen.script else { return };
            let answer = script(request);
            if self.answer(answer).await != Some(true) || asked_to_close {
                return;
            }
        }
    }

    /// Whether the connection is kept; `None` where the client has gone.
    async fn answer(&mut self, answer: RawAnswer) -> Option<bool> {
        match answer {
            RawAnswer::Bytes(bytes) => {
                self.write(&bytes).await?;
                Some(!closes(&bytes))
            }
            RawAnswer::DropAfterRead => Some(false),
            RawAnswer::Stall => {
                let mut rest = [0; 1024];
                let gone = async { while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
                let _ = timeout(LONGEST, gone).await;
                Some(false)
            }
            RawAnswer::Chunks(pieces) => {
                let keep = !pieces.first().is_some_and(|(_, bytes)| closes(bytes));
                for (pause, piece) in pieces {
                    sleep(pause).await;
                    self.write(&piece).await?;
                }
                Some(keep)
            }
            RawAnswer::Endless { head, piece } => {
                self.write(&head).await?;
                while self.seen.bytes_sent.load(Ordering::SeqCst) < MAX_SENT {
                    self.write(&piece).await?;
                }
                Some(false)
            }
            RawAnswer::CutAfter(bytes) => {
                self.write(&bytes).await?;
                Some(false)
            }
        }
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let sent = timeout(LONGEST, self.stream.write(bytes)).await.ok()?.ok()?;
            self.seen.bytes_sent.fetch_add(sent as u64, Ordering::SeqCst);
            bytes = &bytes[sent..];
        }
        Some(())
    }

    /// The next whole request; `None` at the end of the connection, or beyond a bound.
    async fn request(&mut self) -> Option<RawRequest> {
        let end = loop {
            if let Some(at) = position(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill(MAX_HEAD).await?;
        };
        let head = self.take(end);
        let body = if headers(&head, "transfer-encoding").iter().any(|value| value.contains("chunked")) {
            self.chunked().await?
        } else {
            let length =
                headers(&head, "content-length").pop().map_or(Some(0), |value| value.parse().ok())?;
            self.exactly(length).await?
        };
        Some(RawRequest { head, body })
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = position(&self.unread, b"\r\n") {
                    break self.take(at + 2);
                }
                self.fill(MAX_BODY).await?;
            };
            let line = String::from_utf8(line).ok()?;
            let length = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
            let mut piece = self.exactly(length + 2).await?;
            piece.truncate(length);
            body.append(&mut piece);
            if length == 0 || body.len() > MAX_BODY {
                return (length == 0).then_some(body);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            self.fill(MAX_BODY).await?;
        }
        Some(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }

    async fn fill(&mut self, bound: usize) -> Option<()> {
        let read = self.stream.read_buf(&mut self.unread).await.ok()?;
        (read > 0 && self.unread.len() <= bound).then_some(())
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The values of every header of that name in a request or an answer.
pub(crate) fn headers(message: &[u8], name: &str) -> Vec<String> {
    let head = position(message, b"\r\n\r\n").map_or(message, |end| &message[..end]);
    let head = String::from_utf8_lossy(head).into_owned();
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
}

fn closes(message: &[u8]) -> bool {
    headers(message, "connection").iter().any(|value| value.to_ascii_lowercase().contains("close"))
}
