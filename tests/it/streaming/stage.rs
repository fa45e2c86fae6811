//! A server of body, forwarder and relay alone, and a client that writes and reads bytes.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use whisk_bff::model::AccessToken;
use whisk_bff::server::{BodyLimits, Content, relay, request_body};
use whisk_bff::settings::{Forward, RoutePattern};
use whisk_bff::upstream::{Call, ClientHop, Error, Forwarder, RequestBodyError, Routes, request_headers};

/// Limits that tests can reach: 1 MiB, of which 1 KiB is kept; 400 ms to answer or to pause.
pub(super) fn limits() -> Forward {
    Forward {
        routes: vec![RoutePattern::Prefix("/v2/".to_owned())],
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(400),
        max_body: 1 << 20,
        replay_limit: 1 << 10,
        pool_idle_timeout: Duration::from_secs(5),
    }
}

/// The server. Dropped, it stops.
pub(super) struct Stage {
    pub(super) addr: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Stage {
    pub(super) fn before(api_url: &str) -> Self {
        Self::with(api_url, limits())
    }

    pub(super) fn with(api_url: &str, settings: Forward) -> Self {
        let routes = Arc::new(Routes::new(&api_url.parse().unwrap(), &settings.routes, &[]));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let limits = BodyLimits::from(&settings);
            let forwarder = Forwarder::new(&settings, routes).unwrap();
            let serve = async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let forwarder = forwarder.clone();
                    let answer = service_fn(move |request| forward(request, forwarder.clone(), limits));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
                    // A client that leaves is an error here.
                    tokio::task::spawn_local(async move { drop(connection.await) });
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stopped = async move { drop(stopped.await) };
            runtime.block_on(LocalSet::new().run_until(async {
                tokio::select! { () = serve => {} () = stopped => {} }
            }));
        });
        Self { addr, _stop: stop }
    }

    pub(super) fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, unread: Vec::new() }
    }

    /// One request on a connection of its own.
    pub(super) fn ask(&self, request: &str) -> Answer {
        let mut wire = self.connect();
        wire.send(request);
        wire.answer(request.starts_with("HEAD"))
    }
}

/// What the real way of a call does, without session and gate: send, and once more after a 401.
async fn forward(
    request: Request<Incoming>,
    forwarder: Forwarder,
    limits: BodyLimits,
) -> Result<Response<Either<Content, String>>, Infallible> {
    Ok(call(request, &forwarder, limits).await.map_or_else(
        |error| {
            let status = match error {
                Error::Unreachable | Error::Invalid => StatusCode::BAD_GATEWAY,
                Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Error::RequestBody(RequestBodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
                Error::RequestBody(RequestBodyError::TimedOut) => StatusCode::REQUEST_TIMEOUT,
                Error::RequestBody(_) | Error::Loop => StatusCode::BAD_REQUEST,
                Error::Spent => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let mut response = Response::new(Either::Right(format!("{error:?}")));
            *response.status_mut() = status;
            response
        },
        |response| response.map(Either::Left),
    ))
}

async fn call(
    request: Request<Incoming>,
    forwarder: &Forwarder,
    limits: BodyLimits,
) -> Result<Response<Content>, Error> {
    let address = IpAddr::from([127, 0, 0, 1]);
    let hop = ClientHop { peer: address, client: address, proto: "http", host: "app", forwarded_chain: None };
    let (head, body) = request.into_parts();
    let path = forwarder.routes().parse(head.uri.path_and_query().unwrap().as_str()).unwrap();
    let body = request_body(&head.headers, body, limits).await?;
    let headers = request_headers(head.headers, &hop)?;
    let mut call = Call { method: head.method.clone(), path, headers, body };
    let token = |text: &str| AccessToken::parse(text.to_owned()).unwrap();
    let mut answer = forwarder.send(&mut call, &token("first")).await?;
    if answer.status == 401 && call.repeatable() {
        answer = forwarder.send(&mut call, &token("second")).await?;
    }
    Ok(relay(answer, &head.method))
}

/// A client's connection.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// Whether the body came to its announced end.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().filter_map(|line| line.split_once(": "));
        line.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next answer, which has no body after HEAD.
    pub(super) fn answer(&mut self, after_head: bool) -> Answer {
        self.answer_if_any(after_head).expect("an answer")
    }

    /// The same; `None` where the connection ends before it.
    pub(super) fn answer_if_any(&mut self, after_head: bool) -> Option<Answer> {
        let head = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new(), whole: true };
        if after_head || matches!(status, 204 | 304) {
            return Some(answer);
        }
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            answer.whole = self.take(length, &mut answer.body);
        } else if answer.header("transfer-encoding").is_some() {
            answer.whole = self.chunks(&mut answer.body).is_some();
        }
        Some(answer)
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
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server says nothing"),
            Err(_) => None,
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Some(())
            }
        }
    }
}
