//! A connection to the API: TCP, and TLS where the API is `https`.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, poll_fn};
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tower_service::Service;

use crate::settings::Forward;
use crate::upstream::BuildError;

/// Connects to one origin within `forward.connect_timeout`, TLS included.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    origin: Uri,
    limit: Duration,
}

/// The bytes of a connection.
pub(super) type Socket = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
/// Why there is none.
pub(super) type ConnectError = Box<dyn std::error::Error + Send + Sync>;

impl Connector {
    /// To this origin. Where it is not `https` no certificate is ever looked at, so the machine's
    /// are neither loaded nor depended on.
    pub(super) fn new(settings: &Forward, origin: Uri, secure: bool) -> Result<Self, BuildError> {
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
        Ok(Self { inner, origin, limit: settings.connect_timeout })
    }

    pub(super) fn connect(&self) -> BoxFuture<'static, Result<Socket, ConnectError>> {
        let Self { mut inner, origin, limit } = self.clone();
        let connecting = async move {
            poll_fn(|cx: &mut Context<'_>| -> Poll<Result<(), ConnectError>> { inner.poll_ready(cx) })
                .await?;
            inner.call(origin).await
        };
        Box::pin(async move {
            let timed = tokio::time::timeout(limit, connecting).await;
            timed.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
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

/// How much longer than `idle_timeout` sent bytes may go without an acknowledgement.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
