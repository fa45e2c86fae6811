//! An API that misbehaves on the wire: what it does, by hand, once it has read a request's head.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{RawAnswer, RawServer, Stage};

mod cut;
mod early;
mod floods;
mod framing;
mod interim;
mod pieces;
mod ways;

/// Longest that a blocked read or write of this API lasts, so that a test that fails ends.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is answered as usual.
const USUAL: &str = "GET /v2/me HTTP/1.1\r\n";

/// An API whose every connection is played by a function: it gets the head of a request and the
/// connection. `GET /v2/me` is answered as usual, on a connection that is kept.
struct Api {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

/// The connection, as the function sees it.
struct Line<'a> {
    reader: &'a mut BufReader<TcpStream>,
    sent: &'a AtomicU64,
}

impl Line<'_> {
    /// Writes; whether it could.
    fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let done = self.reader.get_mut().write_all(bytes).is_ok();
        self.sent.fetch_add(if done { bytes.len() as u64 } else { 0 }, Ordering::SeqCst);
        done
    }

    /// Writes the piece until nobody takes it, or 64 MiB have gone; no faster than a network, for
    /// the broker shares the machine's few cores.
    fn write_without_end(&mut self, piece: &[u8]) {
        let mut left = 64 << 20;
        while left > 0 && self.write(piece) {
            left -= piece.len().min(left);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads the rest of what is sent, until the other side closes; how much it was.
    fn drain(&mut self) -> u64 {
        std::io::copy(self.reader, &mut std::io::sink()).unwrap_or(0)
    }

    fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Api {
    fn start(play: impl Fn(&str, &mut Line<'_>) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), "", play)
    }

    /// One that says something as soon as it has a request's first line, and to which little can be
    /// sent before it reads.
    fn hasty(early: &'static str, play: impl Fn(&str, &mut Line<'_>) + Send + Sync + 'static) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(2304).unwrap();
        socket.set_tcp_mss(88).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(8).unwrap();
        Self::on(socket.into(), early, play)
    }

    fn on(
        listener: TcpListener,
        early: &'static str,
        play: impl Fn(&str, &mut Line<'_>) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (sent, over): (Arc<AtomicU64>, Arc<AtomicBool>) = Default::default();
        let (play, counted, ended) = (Arc::new(play), Arc::clone(&sent), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), play, sent) = (stream, Arc::clone(&play), Arc::clone(&counted)) else {
                    continue;
                };
                thread::spawn(move || serve(stream, early, &*play, &sent));
            }
        });
        Self { address, sent, over }
    }

    /// A broker before it, and a browser that has logged in.
    async fn stage(&self, settings: &[(&str, &str)]) -> Stage {
        let url = format!("http://{}", self.address);
        Stage::plain(&[&[("whisk.api_url", url.as_str())], settings].concat()).await
    }

    /// Bytes that the system has taken over for sending.
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, early: &str, play: &(impl Fn(&str, &mut Line<'_>) + ?Sized), sent: &AtomicU64) {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let begins = head.is_empty();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            if begins && !head.starts_with(USUAL) {
                reader.get_mut().write_all(early.as_bytes()).unwrap();
            }
        }
        let mut line = Line { reader: &mut reader, sent };
        if head.starts_with(USUAL) {
            line.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\"mine\"");
        } else {
            play(&head, &mut line);
            return;
        }
    }
}
