//! The public listener: actix-web's server, built from its parts.
//!
//! `HttpServer` hands a connection to the HTTP layer and forgets it. Here each has its place in a
//! [`Capacity`] and is served by [`connection`], which lends it to that layer for one request at
//! a time. And `HttpServer` answers `Expect: 100-continue` with `100 Continue` before any handler
//! is asked, so that a client would send its gigabytes to be told that it is not logged in; the
//! parts take a service that judges such a request first (RFC 9110 section 10.1.1).

use std::fmt;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_factory, fn_service,
    map_config,
};
use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::AppConfig;
use bytes::Bytes;
use tokio::net::TcpStream;

use super::calls::Calls;
use super::capacity::Capacity;
use super::connection::{self, Link, Patience, Refusal, Turn};
use super::unread::Unread;

/// What becomes of requests that no handler sees.
pub trait Judge: Clone + Send + 'static {
    /// Judges a request that waits for `100 Continue`, by its head alone. `None` lets it send its
    /// body.
    fn refuse(&self, request: &Request) -> Option<HttpResponse>;

    /// The whole answer, as it goes over the wire, to bytes that begin like `head` and are no
    /// request.
    fn turn_away(&self, refusal: Refusal, head: &[u8], peer: SocketAddr) -> Bytes;
}

/// What clients may take, in time and in number.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How long each thing may take.
    pub patience: Patience,
    /// How many connections there may be.
    pub capacity: Capacity,
}

/// An answer instead of `100 Continue`.
struct Refused(HttpResponse);

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused")
    }
}

impl From<Refused> for Response<BoxBody> {
    fn from(refused: Refused) -> Self {
        refused.0.into()
    }
}

/// A server of `workers` threads for `listener`, each with what `calls` and `factory` make.
///
/// # Errors
/// What the system says of the listener.
pub fn listen<F, I, S, B, J>(
    listener: TcpListener,
    workers: usize,
    shutdown_timeout: Duration,
    bounds: Bounds,
    judge: J,
    calls: impl Fn() -> Rc<Calls> + Send + Clone + 'static,
    factory: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
    J: Judge,
{
    let address = listener.local_addr()?;
    let builder: ServerBuilder = Server::build()
        .workers(workers)
        .shutdown_timeout(shutdown_timeout.as_secs().max(1))
        // What is beyond the capacity is closed, not kept waiting.
        .max_concurrent_connections(bounds.capacity.most().saturating_mul(2))
        .disable_signals();
    let closing = builder.graceful_shutdown_signal();
    let patience = bounds.patience;
    let builder = builder.listen("public", listener, move || {
        let answers = calls();
        let application = map_config(factory().into_factory(), |()| AppConfig::default());
        let application = apply_fn_factory(application, |request: Request, service: &S::Service| {
            let link = Link::of(&request);
            let answer = service.call(request);
            async move {
                let answer = match answer.await {
                    Ok(answer) => answer.into().map_body(|_, body| body.boxed()),
                    Err(error) => Response::from(error.into().error_response()),
                };
                Ok(answer.map_body(|_, body| Link::until_sent(link, body)))
            }
        });
        let expecting = judge.clone();
        let http = HttpService::build()
            // A dispatcher lives for one request; the connection has its own timers.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(Duration::from_secs(1))
            // A client that closes its side has left: its call is dropped, and with it the API's.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .on_connect_ext(|turn: &Turn, data| {
                data.insert(turn.link());
            })
            .expect(fn_service(move |mut request: Request| -> Ready<Result<Request, Refused>> {
                ready(match expecting.refuse(&request) {
                    None => Ok(request),
                    Some(response) => {
                        let link = Link::of(&request);
                        let unread = Unread::of(request.take_payload());
                        let response = response.map_body(|_, body| unread.until_sent(body));
                        Err(Refused(response.map_body(|_, body| Link::until_sent(link, body))))
                    }
                })
            }))
            .h1(application.map_err(|error| error.into().error_response()));
        let (closing, judge, capacity) = (closing.clone(), judge.clone(), bounds.capacity.clone());
        fn_factory(move || {
            let made = http.new_service(());
            let (closing, judge, capacity) = (closing.clone(), judge.clone(), capacity.clone());
            let answers = Rc::clone(&answers);
            async move {
                let http = Rc::new(made.await?);
                Ok::<_, ()>(fn_service(move |socket: TcpStream| {
                    let (http, closing, judge) = (Rc::clone(&http), closing.clone(), judge.clone());
                    let closing = async move { closing.notified().await };
                    serve(socket, Rc::clone(&answers), http, judge, capacity.clone(), patience, closing)
                }))
            }
        })
    })?;
    Ok(builder.run())
}

/// Serves a connection, if there is room for it.
async fn serve<S>(
    socket: TcpStream,
    calls: Rc<Calls>,
    http: Rc<S>,
    judge: impl Judge,
    capacity: Capacity,
    patience: Patience,
    closing: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<(Turn, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let peer = socket.peer_addr()?;
    let Some(_place) = capacity.admit(peer.ip()) else { return Ok(()) };
    // Else the last piece of a streamed answer waits for the client's acknowledgement.
    socket.set_nodelay(true)?;
    let refuse = |refusal, head: &[u8]| judge.turn_away(refusal, head, peer);
    connection::serve(socket, peer, calls, http, refuse, patience, closing).await;
    Ok(())
}
