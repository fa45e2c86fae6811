//! The HTTP client: connections to one origin, and what is sent over them.
//!
//! It is `hyper`'s client with a pool, a TLS connector and a time limit on connecting, and nothing
//! else: one that also follows redirects, keeps cookies and knows proxies copies a request's headers
//! and parses its URL anew at every call (`docs/adr/0009-speed.md`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::Uri;
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tower_service::Service;

use super::upload::Upload;
use crate::settings::Forward;
use crate::upstream::{BuildError, RequestBodyError};

/// A pool of connections. Cheap to clone; clones share it.
pub(super) type Client = legacy::Client<Connector, Outbound>;

/// A client for an origin. Where that is not `https` no certificate is ever looked at, so the
/// machine's are neither loaded nor depended on.
pub(super) fn client(settings: &Forward, secure: bool) -> Result<Client, BuildError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(settings.connect_timeout));
    // A connection whose other end has vanished is found out while it waits in the pool.
    http.set_keepalive(Some(KEEPALIVE));
    http.set_keepalive_interval(Some(KEEPALIVE));
    http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    // One whose other end vanishes with bytes under way, before the kernel's quarter of an hour.
    // Linux counts an API that reads nothing as vanished, too, and to that `idle_timeout` applies.
    #[cfg(target_os = "linux")]
    http.set_tcp_user_timeout(Some(settings.idle_timeout + UNACKNOWLEDGED));
    let inner = HttpsConnector::from((http, tls(secure)?));
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle_timeout)
        .http1_max_buf_size(BUFFER)
        // The forwarder writes it.
        .set_host(false)
        .build(Connector { inner, limit: settings.connect_timeout }))
}

fn tls(secure: bool) -> Result<ClientConfig, BuildError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?;
    let mut config = if secure {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Connects within `forward.connect_timeout`, TLS included.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    limit: Duration,
}

type Connection = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
type ConnectError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(origin));
        Box::pin(async move {
            connecting.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}

/// A request's body as the client takes it.
pub(super) enum Outbound {
    /// All of it, which may be nothing.
    Whole(Bytes),
    /// As it comes.
    Stream(Box<Upload>),
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(upload) => Pin::new(upload).poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// How large a connection's buffers may grow. With hyper's own bound of 408 KiB a slow browser makes
/// its connection hold more than a megabyte (`docs/PERFORMANCE.md`). It is also the longest head
/// that an answer may have.
const BUFFER: usize = 64 << 10;
/// How much longer than `idle_timeout` sent bytes may go without an acknowledgement.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
