//! A scripted server on a raw socket, for what a well-behaved one never does: connections that
//! break, answers that stall, that never end or that are no HTTP. It keeps the exact bytes of
//! each request, and bounds everything, so that a test that fails does not hang the rest.
//!
//! Requirements that tests see through it: R19, R20, R21, R25, R26, R27, R40, W7, W8, W14.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connection::{Connection, headers};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

mod connection;

/// A request as it came.
#[derive(Clone)]
pub(crate) struct RawRequest {
    /// From the request line to the empty line, that one included.
    pub(crate) head: Vec<u8>,
    /// The body, a chunked one without its framing.
    pub(crate) body: Vec<u8>,
}

impl RawRequest {
    /// The first line, without its end.
    pub(crate) fn request_line(&self) -> String {
        String::from_utf8_lossy(&self.head).lines().next().unwrap_or_default().to_owned()
    }

    /// The values of every header of that name, in any case.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        headers(&self.head, name)
    }

    /// The value of a header that must come once, at most.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut values = self.headers(name);
        assert!(values.len() < 2, "{name} comes {} times", values.len());
        values.pop()
    }

    /// The body as `application/x-www-form-urlencoded` pairs, in order.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.body))
    }
}

/// What follows a request. After `Bytes` and `Chunks` the connection is kept, unless either
/// side said `Connection: close`.
#[derive(Clone)]
pub(crate) enum RawAnswer {
    /// These bytes, head and body.
    Bytes(Vec<u8>),
    /// Closes the connection without a byte.
    DropAfterRead,
    /// Says nothing until the client goes.
    Stall,
    /// Each piece after its pause.
    Chunks(Vec<(Duration, Vec<u8>)>),
    /// The head, then the piece again and again until the client goes.
    Endless {
        /// Sent once.
        head: Vec<u8>,
        /// Sent without end.
        piece: Vec<u8>,
    },
    /// These bytes, then closes the connection.
    CutAfter(Vec<u8>),
}

impl RawAnswer {
    /// A whole answer with a JSON body.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with(status, &[("Content-Type", "application/json")], body)
    }

    /// A whole answer with these headers besides `Content-Length`.
    pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let text = format!("HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        Self::Bytes(text.into_bytes())
    }
}

type Script = dyn Fn(RawRequest) -> RawAnswer + Send + Sync;

/// What the connections share.
pub(crate) struct Seen {
    script: Option<Box<Script>>,
    requests: Mutex<Vec<RawRequest>>,
    connections: AtomicUsize,
    bytes_sent: AtomicU64,
}

/// The server, on a free port of the loopback address. Dropped, it ends with all connections.
pub(crate) struct RawServer {
    addr: SocketAddr,
    seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

impl RawServer {
    /// Answers each request as the script says.
    pub(crate) fn start(script: impl Fn(RawRequest) -> RawAnswer + Send + Sync + 'static) -> Self {
        Self::listen(Some(Box::new(script)))
    }

    /// Closes each connection before reading from it.
    pub(crate) fn closing() -> Self {
        Self::listen(None)
    }

    fn listen(script: Option<Box<Script>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen {
            script,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            bytes_sent: AtomicU64::new(0),
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(accept(listener, Arc::clone(&seen)));
        Self { addr, seen, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Every whole request so far, in the order of their ends.
    pub(crate) fn requests(&self) -> Vec<RawRequest> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Bytes that the system has taken over for sending, of all answers.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.seen.bytes_sent.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The plain drop would wait, which an async test must not.
            runtime.shutdown_background();
        }
    }
}

const MAX_CONNECTIONS: usize = 1024;

async fn accept(listener: std::net::TcpListener, seen: Arc<Seen>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (Some(_), Ok(slot)) = (&seen.script, Arc::clone(&slots).try_acquire_owned()) else {
            continue;
        };
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let _slot = slot;
            let _ = stream.set_nodelay(true);
            Connection::new(stream, seen).run().await;
        });
    }
}
