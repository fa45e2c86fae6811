//! The public listener: actix-web's server, built from its parts.
//!
//! `HttpServer` answers `Expect: 100-continue` with `100 Continue` before any handler is asked, so
//! a client would send its gigabytes to be told that it is not logged in. The parts of which
//! `HttpServer` is made take a service that judges such a request first (RFC 9110 section 10.1.1).

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::AppConfig;

use super::unread::Unread;

/// How long a connection without a request is kept. Longer than load balancers keep theirs, so
/// that it is they who close, and none sends a request into a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a new connection may take to send its first request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that we close may take to be done with.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What becomes of a request that waits for `100 Continue`: `None` lets it send its body.
pub trait Judge: Clone + Send + 'static {
    /// Judges by the head alone.
    fn refuse(&self, request: &Request) -> Option<HttpResponse>;
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

/// A server of `workers` threads for `listener`, each with what `factory` makes.
///
/// # Errors
/// What the system says of the listener.
pub fn listen<F, I, S, B, J>(
    listener: TcpListener,
    workers: usize,
    shutdown_timeout: Duration,
    judge: J,
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
        .disable_signals();
    let closing = builder.graceful_shutdown_signal();
    let builder = builder.listen("public", listener, move || {
        let (closing, judge) = (closing.clone(), judge.clone());
        let application = factory().into_factory().map_err(|error| error.into().error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let closing = closing.clone();
                async move { closing.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            // A client that closes its side has left: its call is dropped, and with it the API's.
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .local_addr(address)
            .expect(fn_service(move |mut request: Request| -> Ready<Result<Request, Refused>> {
                ready(match judge.refuse(&request) {
                    None => Ok(request),
                    Some(response) => {
                        let unread = Unread::of(request.take_payload());
                        Err(Refused(response.map_body(|_, body| unread.until_sent(body))))
                    }
                })
            }))
            .finish(map_config(application, |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(builder.run())
}
