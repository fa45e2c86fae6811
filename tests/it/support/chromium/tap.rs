//! A proxy that passes a browser's plain HTTP on byte for byte and keeps a copy, so that a test
//! can search all that a browser was ever told: headers, redirects and bodies alike.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// One connection. A browser uses it for one host alone.
#[derive(Default)]
struct Line {
    /// The host and port that the browser named.
    host: String,
    sent: Mutex<Vec<u8>>,
    received: Mutex<Vec<u8>>,
}

type Lines = Arc<Mutex<Vec<Arc<Line>>>>;

/// The proxy, on a free port. Ends when dropped.
pub(crate) struct Tap {
    addr: SocketAddr,
    lines: Lines,
    over: Arc<AtomicBool>,
}

impl Tap {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (lines, over) = (Lines::default(), Arc::new(AtomicBool::new(false)));
        let (kept, ended) = (Arc::clone(&lines), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let lines = Arc::clone(&kept);
                thread::spawn(move || carry(stream, &lines));
            }
        });
        Self { addr, lines, over }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// All that `origin` told the browser, connection after connection.
    pub(crate) fn received_from(&self, origin: &str) -> String {
        self.collect(origin, |line| &line.received)
    }

    /// All that the browser told `origin`.
    pub(crate) fn sent_to(&self, origin: &str) -> String {
        self.collect(origin, |line| &line.sent)
    }

    fn collect(&self, origin: &str, side: fn(&Line) -> &Mutex<Vec<u8>>) -> String {
        let host = origin.strip_prefix("http://").unwrap();
        let mut text = String::new();
        for line in self.lines.lock().unwrap().iter().filter(|line| line.host == host) {
            let requests = String::from_utf8_lossy(&line.sent.lock().unwrap()).into_owned();
            for request in requests.lines().filter(|line| line.ends_with(" HTTP/1.1")) {
                let expected = format!(" http://{host}/");
                assert!(request.contains(&expected), "a connection for two hosts: {request}");
            }
            text.push_str(&String::from_utf8_lossy(&side(line).lock().unwrap()));
        }
        text
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.addr);
    }
}

/// Serves one connection until one of its sides closes. What is no plain HTTP (a browser asking
/// for the world outside) is hung up on.
fn carry(mut browser: TcpStream, lines: &Lines) {
    let mut first = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !first.windows(4).any(|window| window == b"\r\n\r\n") {
        match browser.read(&mut buffer) {
            Ok(length) if length > 0 => first.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&first).into_owned();
    let target = head.split(' ').nth(1).and_then(|target| target.strip_prefix("http://"));
    let Some(host) = target.and_then(|target| target.split('/').next()) else { return };
    let port = host.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(80);
    let local = host.starts_with("localhost:") || host.starts_with("127.0.0.1:");
    let Some(mut server) = local.then(|| TcpStream::connect(("127.0.0.1", port)).ok()).flatten() else {
        return;
    };
    let _ = (browser.set_nodelay(true), server.set_nodelay(true));

    let line = Arc::new(Line { host: host.to_owned(), ..Line::default() });
    lines.lock().unwrap().push(Arc::clone(&line));
    line.sent.lock().unwrap().extend_from_slice(&first);
    if server.write_all(&first).is_err() {
        return;
    }
    let (to_server, to_browser) = (server.try_clone().unwrap(), browser.try_clone().unwrap());
    let outbound = Arc::clone(&line);
    let there = thread::spawn(move || copy(browser, to_server, &outbound.sent));
    copy(server, to_browser, &line.received);
    let _ = there.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
    {
        kept.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
