//! Reaching Redis: one connection to whichever server may be written to.
//!
//! * Standalone: the server named, if it is a primary.
//! * Sentinel: the primary that sentinels name, if it says so itself (see `sentinels`).
//! * Cluster: any node named; the map of slots comes from there.
//!
//! TLS always verifies the server's certificate and name, against the given CA alone if there is
//! one. Certificates are read anew for each attempt: they can be renewed without a restart.

use std::sync::Mutex;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    PushInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, cmd,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout};

use super::fault;
use super::primaries::Primaries;
use super::wire::Wire;
use crate::settings::{Node, RedisUrl, Topology};
use crate::store::StoreError;

/// Makes connections to what one URL names.
pub(super) struct Connector {
    url: RedisUrl,
    /// For one attempt, in all.
    pub(super) limit: Duration,
    response_timeout: Duration,
    /// The primary that a sentinel announced last, and when.
    pub(super) announced: Mutex<Option<(Node, Instant)>>,
}

/// A connection, and where it leads.
pub(super) struct Reached {
    pub(super) wire: Wire,
    pub(super) primaries: Primaries,
    /// Servers that hear what is published through it.
    pub(super) nodes: Vec<Node>,
}

impl Connector {
    /// # Errors
    /// [`StoreError::Unavailable`] where a certificate file cannot be used. Whether Redis is there
    /// is not asked.
    pub(super) fn new(url: RedisUrl, store_timeout: Duration) -> Result<Self, StoreError> {
        // Exactly one provider is compiled in; if the process has installed it, all is well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let limit = store_timeout.clamp(SHORTEST_LIMIT, LONGEST_LIMIT);
        let connector = Self { url, limit, response_timeout: store_timeout, announced: Mutex::default() };
        let node = Node { host: "localhost".to_owned(), port: 0 };
        connector.client(&node, None).map_err(StoreError::Unavailable)?;
        Ok(connector)
    }

    /// Where to.
    pub(super) fn topology(&self) -> &Topology {
        &self.url.topology
    }

    /// The same for the log. Without credentials.
    pub(super) fn address(&self) -> String {
        self.url.redacted()
    }

    /// One attempt. The error is a reason for the log, without credentials.
    pub(super) async fn connect(&self) -> Result<Reached, String> {
        let attempt = async {
            match &self.url.topology {
                Topology::Standalone(node) => self.primary(node).await,
                Topology::Sentinel { nodes, master } => self.watched_primary(nodes, master).await,
                Topology::Cluster { nodes } => self.cluster(nodes).await,
            }
        };
        timeout(self.limit, attempt).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    pub(super) async fn primary(&self, node: &Node) -> Result<Reached, String> {
        let describe = |error: RedisError| fault::describe(&error);
        let connection = self.open(node, Some(&self.data_login())).await.map_err(describe)?;
        let mut wire = Wire::Single(connection);
        let primaries = Primaries::of(&wire).await.map_err(describe)?;
        // A user who may not ask is told by the first write.
        if primaries.is_replica() {
            return Err("the server is a replica".to_owned());
        }
        cmd("PING").query_async::<()>(&mut wire).await.map_err(describe)?;
        Ok(Reached { wire, primaries, nodes: vec![node.clone()] })
    }

    async fn cluster(&self, nodes: &[Node]) -> Result<Reached, String> {
        let addresses = nodes.iter().map(|node| self.address_of(node));
        let mut builder = ClusterClient::builder(addresses)
            .tcp_settings(tcp_settings())
            .connection_timeout(self.limit)
            .response_timeout(self.response_timeout)
            .retries(5)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .retry_wait_formula(10, 2);
        if let Some(username) = &self.url.username {
            builder = builder.username(username);
        }
        if let Some(password) = &self.url.password {
            builder = builder.password(password.expose());
        }
        if let Some(certificates) = self.certificates()? {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        let connecting = async { builder.build()?.get_async_connection().await };
        let mut wire = Wire::Cluster(connecting.await.map_err(|error| fault::describe(&error))?);
        let info: String = cmd("CLUSTER")
            .arg("INFO")
            .query_async(&mut wire)
            .await
            .map_err(|error| fault::describe(&error))?;
        if !info.contains("cluster_state:ok") {
            return Err("the cluster is down".to_owned());
        }
        // One primary of several may be away: then nothing is known yet.
        let primaries = timeout(self.response_timeout, Primaries::of(&wire)).await;
        let primaries = primaries.ok().and_then(Result::ok).unwrap_or_default();
        Ok(Reached { wire, primaries, nodes: nodes.to_vec() })
    }

    /// A connection to one server that hears a channel. The error is a reason for the log.
    pub(super) async fn subscribe(&self, node: &Node, channel: &str) -> Result<PubSub, String> {
        let subscribing = async {
            let login = self.data_login();
            let mut pubsub = self.pubsub(node, Some(&login)).await?;
            pubsub.subscribe(channel).await?;
            Ok(pubsub)
        };
        match timeout(self.limit, subscribing).await {
            Ok(subscribed) => subscribed.map_err(|error: RedisError| fault::describe(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// A connection to one server on which it tells of changes to keys of a prefix; `None` where it
    /// does not know how, or does not allow it. The error is a reason for the log.
    pub(super) async fn track(
        &self,
        node: &Node,
        prefix: &str,
        told: UnboundedSender<PushInfo>,
    ) -> Result<Option<MultiplexedConnection>, String> {
        let describe = |error: RedisError| fault::describe(&error);
        let tracking = async {
            let login = self.data_login().set_protocol(ProtocolVersion::RESP3);
            let client = self.client_or_fault(node, Some(&login)).map_err(describe)?;
            let config = self.untimed().set_push_sender(told);
            let opened = client.get_multiplexed_async_connection_with_config(&config).await;
            let mut connection = opened.map_err(describe)?;
            let mut command = cmd("CLIENT");
            command.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(prefix);
            match command.query_async::<()>(&mut connection).await {
                Ok(()) => Ok(Some(connection)),
                // It answered, and it said no.
                Err(error) if !error.is_io_error() && !error.is_timeout() => Ok(None),
                Err(error) => Err(describe(error)),
            }
        };
        timeout(self.limit, tracking).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    pub(super) async fn pubsub(
        &self,
        node: &Node,
        login: Option<&RedisConnectionInfo>,
    ) -> RedisResult<PubSub> {
        self.client_or_fault(node, login)?.get_async_pubsub().await
    }

    fn client_or_fault(&self, node: &Node, login: Option<&RedisConnectionInfo>) -> RedisResult<Client> {
        self.client(node, login).map_err(|reason| {
            RedisError::from((redis::ErrorKind::InvalidClientConfig, "certificates", reason))
        })
    }

    pub(super) async fn open(
        &self,
        node: &Node,
        login: Option<&RedisConnectionInfo>,
    ) -> RedisResult<MultiplexedConnection> {
        let client = self.client_or_fault(node, login)?;
        client.get_multiplexed_async_connection_with_config(&self.untimed()).await
    }

    /// The one timeout is the caller's: a second one here could only disagree with it.
    fn untimed(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
    }

    fn client(&self, node: &Node, login: Option<&RedisConnectionInfo>) -> Result<Client, String> {
        let describe = |error: RedisError| fault::describe(&error);
        let login = login.cloned().unwrap_or_default().set_skip_set_lib_name();
        let info = self.address_of(node).into_connection_info().map_err(describe)?;
        let info = info.set_tcp_settings(tcp_settings()).set_redis_settings(login);
        match self.certificates()? {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
        .map_err(|_| "the certificate or key files of `store.url` hold no usable PEM".to_owned())
    }

    fn address_of(&self, node: &Node) -> ConnectionAddr {
        let (host, port) = (node.host.clone(), node.port);
        if self.url.tls.is_some() {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    pub(super) fn data_login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.url.db);
        if let Some(username) = &self.url.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.url.password {
            login = login.set_password(password.expose());
        }
        login
    }

    fn certificates(&self) -> Result<Option<TlsCertificates>, String> {
        let Some(tls) = &self.url.tls else { return Ok(None) };
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path)
                .map_err(|error| format!("{} cannot be read: {}", path.display(), error.kind()))
        };
        let root_cert = tls.ca.as_ref().map(read).transpose()?;
        let client_tls = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? })
            }
            _ => None,
        };
        Ok(Some(TlsCertificates { client_tls, root_cert }))
    }
}

/// Without `TCP_NODELAY` a small answer may wait 40 ms for an acknowledgement; the other two let
/// the kernel find a peer that vanished without a word.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(Duration::from_secs(3))
}

/// One attempt gets at least this long. With the longest pause between attempts it stays below
/// the two seconds within which Redis is found again.
const SHORTEST_LIMIT: Duration = Duration::from_millis(750);

/// And no longer than this, however much time a call is given: another attempt may fare better.
const LONGEST_LIMIT: Duration = Duration::from_secs(5);

/// Commands on their way to one connection's task before a caller waits.
const QUEUE: usize = 1024;
