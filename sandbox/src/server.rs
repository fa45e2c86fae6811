//! The HTTP server, on a thread and an actix system of its own.
//!
//! A test may run under any tokio runtime, or block; the sandbox must answer all the same, and
//! must be able to stop within a moment. So nothing of it lives on the caller's runtime.

use std::{
    io,
    net::TcpListener,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use tokio::sync::oneshot;

use crate::{journal_requests, routes, world::World};

/// A server that runs until it is stopped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Serves `listener` on a new thread. Resolves when connections are being accepted.
    pub(crate) async fn start(listener: TcpListener, world: Arc<World>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = oneshot::channel();
        let thread = Builder::new().name("whisk-sandbox".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(serve(listener, world, ready, stopped));
        })?;
        let outcome =
            started.await.unwrap_or_else(|_| Err(io::Error::other("the sandbox's thread ended early")));
        outcome.map(|()| Self { stop, thread })
    }

    /// Stops at once: the listener and every connection are closed when this returns.
    pub(crate) fn stop(self, world: &World) {
        // An error means that the server has ended by itself.
        let _ = self.stop.send(());
        world.connections.cut_all();
        let _ = self.thread.join();
        world.connections.cut_all();
    }
}

async fn serve(
    listener: TcpListener,
    world: Arc<World>,
    ready: oneshot::Sender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let workers = world.config.workers.max(1);
    let hooked = Arc::clone(&world);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&world)))
            .wrap(from_fn(journal_requests::record))
            .configure(routes::configure)
    })
    .workers(workers)
    .disable_signals()
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
    .h1_allow_half_closed(false)
    .shutdown_timeout(0)
    .on_connect(move |io, data| hooked.connections.accepted(io, data))
    .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let handle: ServerHandle = server.handle();
    let _ = ready.send(Ok(()));
    actix_web::rt::spawn(async move {
        // A dropped sender stops the server too.
        let _ = stopped.await;
        handle.stop(false).await;
    });
    // How the server ended matters to nobody: the sandbox is gone or will be started anew.
    let _ = server.await;
}

const KEEP_ALIVE: Duration = Duration::from_secs(75);
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
