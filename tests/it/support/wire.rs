//! A client that writes and reads bytes, for requests that no well-behaved one makes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::browser::Answer;

/// A connection of a client.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer whose body came to its announced end.
    Whole(Answer),
    /// The connection ended before that.
    Cut(Answer),
    /// The connection ended without a byte.
    Closed,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Writes all of it, or as much as a server takes that has seen enough.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next answer to a request with a body of its own.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        match self.reply(false) {
            Reply::Whole(answer) => answer,
            reply => panic!("no whole answer: {reply:?}"),
        }
    }

    /// The next answer, interim ones included; one to HEAD has no body.
    pub(crate) fn reply(&mut self, to_head: bool) -> Reply {
        let Some(head) = self.until(b"\r\n\r\n") else { return Reply::Closed };
        let mut answer = parse(&head);
        if to_head || answer.status.is_informational() || [204, 304].contains(&answer.status.as_u16()) {
            return Reply::Whole(answer);
        }
        let whole = if let Some(length) = answer.headers.get("content-length") {
            let length = length.to_str().unwrap().parse().unwrap();
            self.take(length, &mut answer.body)
        } else if answer.headers.contains_key("transfer-encoding") {
            self.chunks(&mut answer.body).is_some()
        } else {
            while self.fill().is_some() {}
            answer.body.append(&mut self.unread);
            true
        };
        if whole { Reply::Whole(answer) } else { Reply::Cut(answer) }
    }

    /// Whether the server has closed the connection, which is waited for.
    pub(crate) fn closed(&mut self) -> bool {
        self.unread.is_empty() && self.fill().is_none()
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let line = String::from_utf8(self.until(b"\r\n")?).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
            let whole = self.take(length, body) && self.take(2, &mut Vec::new());
            if length == 0 || !whole {
                return whole.then_some(());
            }
        }
    }

    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return Some(self.unread.drain(..at + end.len()).collect());
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize, into: &mut Vec<u8>) -> bool {
        while self.unread.len() < length && self.fill().is_some() {}
        let there = length.min(self.unread.len());
        into.extend(self.unread.drain(..there));
        there == length
    }

    /// `None`: the server closed the connection.
    fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server says nothing"),
            Err(_) => None,
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Some(())
            }
        }
    }
}

fn parse(head: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(head).into_owned();
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.get(9..12)).expect("a status line");
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    Answer { status: StatusCode::from_bytes(status.as_bytes()).unwrap(), headers, body: Vec::new() }
}
