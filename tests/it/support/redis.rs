//! Real Redis servers on free loopback ports: one, a group under Sentinel, a Cluster.
//!
//! A server is known to be ours by its process id: on a port that was taken meanwhile the new
//! process ends without a word and a stranger answers.

pub(crate) mod cluster;
pub(crate) mod sentinel;
pub(crate) mod tls;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, TlsCertificates, cmd};
use tempfile::TempDir;

use self::tls::TlsFiles;

/// How a server is to be set up.
#[derive(Default)]
pub(crate) struct RedisConfig {
    /// Speak TLS alone, and ask clients for a certificate of the same authority.
    pub(crate) tls: bool,
    /// The one ACL user who may do anything; the default user is off.
    pub(crate) acl: Option<(&'static str, &'static str)>,
    /// The database that [`RedisServer::url`] names.
    pub(crate) db: i64,
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
}

/// A running (or stopped) server. Killed when dropped.
pub(crate) struct RedisServer {
    config: RedisConfig,
    directory: TempDir,
    tls: Option<TlsFiles>,
    port: u16,
    child: Option<Child>,
}

impl RedisServer {
    /// A plain server.
    pub(crate) async fn plain() -> Self {
        Self::start(RedisConfig::default()).await
    }

    /// Starts a server and waits until it answers.
    pub(crate) async fn start(config: RedisConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = config.tls.then(|| TlsFiles::write(directory.path()));
        let mut server = Self { config, directory, tls, port: 0, child: None };
        for _ in 0..10 {
            server.port = free_port();
            if server.launch().await {
                return server;
            }
        }
        panic!("no redis-server could be started");
    }

    async fn launch(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--daemonize", "no"]);
        command.args(["--dir", self.directory.path().to_str().unwrap()]);
        match &self.tls {
            None => command.args(["--port", &port]),
            Some(files) => command.args(["--port", "0", "--tls-port", &port]).args(files.server_arguments()),
        };
        if let Some((user, password)) = self.config.acl {
            command.args(["--user", user, "on", &format!(">{password}"), "~*", "&*", "+@all"]);
            command.args(["--user", "default", "off"]);
        }
        command.args(&self.config.arguments);
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        self.child =
            Some(command.stdout(log).stderr(Stdio::null()).spawn().expect("redis-server is installed"));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut connection) = self.try_connect().await
                && let Ok(info) = cmd("INFO").query_async::<String>(&mut connection).await
            {
                let ours = format!("process_id:{}\r", self.pid());
                // One that still reads its data answers little else.
                if !info.contains(&ours) || info.contains("loading:0\r") {
                    return info.contains(&ours);
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }

    /// What `store.url` is to be.
    pub(crate) fn url(&self) -> String {
        let login = self.config.acl.map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        let (port, db) = (self.port, self.config.db);
        match &self.tls {
            None => format!("redis://{login}127.0.0.1:{port}/{db}"),
            Some(files) => format!("rediss://{login}127.0.0.1:{port}/{db}?{}", files.query()),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Ends the server in good order.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        self.child.take().unwrap().wait().unwrap();
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Lets the server hang: its sockets stay open and nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends a [`RedisServer::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Starts the server again, on the same port with the same data.
    pub(crate) async fn restart(&mut self) {
        if self.child.is_some() {
            self.stop();
        }
        assert!(self.launch().await, "the port was taken meanwhile");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// A connection of the test's own, to the database of the URL.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.try_connect().await.unwrap()
    }

    async fn try_connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let url = self.url();
        let client = match &self.tls {
            None => Client::open(url)?,
            Some(files) => {
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let certificates =
                    TlsCertificates { client_tls: Some(files.client()), root_cert: Some(files.authority()) };
                Client::build_with_tls(url.split('?').next().unwrap(), certificates)?
            }
        };
        client.get_multiplexed_async_connection().await
    }

    /// Asks one command.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection().await).await.unwrap()
    }

    /// Every key.
    pub(crate) async fn keys(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"]).await
    }

    /// The keys that would live for ever.
    pub(crate) async fn ttl_violations(&self) -> Vec<String> {
        let mut connection = self.connection().await;
        let mut violations = Vec::new();
        for key in self.keys().await {
            let ttl: i64 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            if ttl == -1 {
                violations.push(key);
            }
        }
        violations
    }

    /// Every name and value, for a search for what must not be there.
    pub(crate) async fn dump_all_bytes(&self) -> Vec<u8> {
        let mut connection = self.connection().await;
        let mut bytes = Vec::new();
        for key in self.keys().await {
            bytes.extend_from_slice(key.as_bytes());
            bytes.push(b'\n');
            let value: Vec<u8> = cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
            bytes.extend_from_slice(&value);
            bytes.push(b'\n');
        }
        bytes
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
