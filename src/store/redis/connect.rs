//! Reaching Redis: one connection to whichever server may be written to.
//!
//! * Standalone: the server named, if it is a primary.
//! * Sentinel: all sentinels are asked at once; the first primary named that says so itself
//!   (`ROLE`) is taken, so that a sentinel that is behind cannot lead us astray.
//! * Cluster: any node named; the map of slots comes from there.
//!
//! TLS always verifies the server's certificate and name, against the given CA alone if there is
//! one. Certificates are read anew for each attempt: they can be renewed without a restart.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, TlsCertificates, TlsMode, Value, cmd,
};
use tokio::time::timeout;

use super::fault;
use super::wire::Wire;
use crate::settings::{Node, RedisUrl, Topology};
use crate::store::StoreError;

/// Makes connections to what one URL names.
pub(super) struct Connector {
    url: RedisUrl,
    /// For one attempt, in all.
    limit: Duration,
    response_timeout: Duration,
}

impl Connector {
    /// # Errors
    /// [`StoreError::Unavailable`] where a certificate file cannot be used. Whether Redis is there
    /// is not asked.
    pub(super) fn new(url: RedisUrl, store_timeout: Duration) -> Result<Self, StoreError> {
        // Exactly one provider is compiled in; if the process has installed it, all is well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let connector =
            Self { url, limit: store_timeout.max(SHORTEST_LIMIT), response_timeout: store_timeout };
        let node = Node { host: "localhost".to_owned(), port: 0 };
        connector.client(&node, None).map_err(StoreError::Unavailable)?;
        Ok(connector)
    }

    /// Where to, for the log. Without credentials.
    pub(super) fn address(&self) -> String {
        self.url.redacted()
    }

    /// One attempt. The error is a reason for the log, without credentials.
    pub(super) async fn connect(&self) -> Result<Wire, String> {
        let attempt = async {
            match &self.url.topology {
                Topology::Standalone(node) => self.primary(node).await,
                Topology::Sentinel { nodes, master } => self.watched_primary(nodes, master).await,
                Topology::Cluster { nodes } => self.cluster(nodes).await,
            }
        };
        timeout(self.limit, attempt).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn primary(&self, node: &Node) -> Result<Wire, String> {
        let mut connection =
            self.open(node, Some(&self.data_login())).await.map_err(|error| fault::describe(&error))?;
        match cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await {
            Ok(role) if !matches!(role.first(), Some(Value::BulkString(role)) if role == b"master") => {
                Err("the server is a replica".to_owned())
            }
            // A user who may not ask is told by the first write.
            Err(error) if error.code() != Some("NOPERM") => Err(fault::describe(&error)),
            _ => {
                cmd("PING")
                    .query_async::<()>(&mut connection)
                    .await
                    .map_err(|error| fault::describe(&error))?;
                Ok(Wire::Single(connection))
            }
        }
    }

    async fn watched_primary(&self, sentinels: &[Node], master: &str) -> Result<Wire, String> {
        let mut answers: FuturesUnordered<_> =
            sentinels.iter().map(|sentinel| self.ask_sentinel(sentinel, master)).collect();
        let mut reason = "no sentinel answered".to_owned();
        let mut tried: Vec<Node> = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(node) if tried.contains(&node) => {}
                Ok(node) => match timeout(self.limit / 2, self.primary(&node)).await {
                    Ok(Ok(wire)) => return Ok(wire),
                    Ok(Err(fault)) => {
                        reason = fault;
                        tried.push(node);
                    }
                    Err(_) => {
                        reason = "the primary named by Sentinel does not answer".to_owned();
                        tried.push(node);
                    }
                },
                Err(fault) if tried.is_empty() => reason = fault,
                Err(_) => {}
            }
        }
        Err(reason)
    }

    async fn ask_sentinel(&self, sentinel: &Node, master: &str) -> Result<Node, String> {
        let describe = |error: RedisError| format!("Sentinel: {}", fault::describe(&error));
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(master);
        let mut connection = self.open(sentinel, None).await.map_err(describe)?;
        let answer = match question.query_async::<Option<(String, u16)>>(&mut connection).await {
            // The credentials are those of the data; sentinels may share them.
            Err(error) if error.code() == Some("NOAUTH") => {
                let login = self.data_login().set_db(0);
                let mut connection = self.open(sentinel, Some(&login)).await.map_err(describe)?;
                question.query_async(&mut connection).await
            }
            answer => answer,
        };
        let (host, port) = answer.map_err(describe)?.ok_or("Sentinel does not know the group")?;
        Ok(Node { host, port })
    }

    async fn cluster(&self, nodes: &[Node]) -> Result<Wire, String> {
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
        if info.contains("cluster_state:ok") { Ok(wire) } else { Err("the cluster is down".to_owned()) }
    }

    async fn open(
        &self,
        node: &Node,
        login: Option<&RedisConnectionInfo>,
    ) -> RedisResult<MultiplexedConnection> {
        let client = self.client(node, login).map_err(|reason| {
            RedisError::from((redis::ErrorKind::InvalidClientConfig, "certificates", reason))
        })?;
        // The one timeout is the caller's: a second one here could only disagree with it.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        client.get_multiplexed_async_connection_with_config(&config).await
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

    fn data_login(&self) -> RedisConnectionInfo {
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

/// Commands on their way to one connection's task before a caller waits.
const QUEUE: usize = 1024;
