//! A primary, a replica, and three sentinels that watch them.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::cmd;
use tempfile::TempDir;

use super::{RedisConfig, RedisServer, free_port};

/// The whole setup. Killed when dropped.
pub(crate) struct SentinelSetup {
    pub(crate) primary: RedisServer,
    pub(crate) replica: RedisServer,
    sentinels: Vec<(u16, Child)>,
    _directory: TempDir,
}

impl SentinelSetup {
    /// Starts everything and waits until every sentinel knows of the replica and the others.
    pub(crate) async fn start() -> Self {
        let primary = RedisServer::plain().await;
        let replica_of = ["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary.port().to_string()];
        let replica =
            RedisServer::start(RedisConfig { arguments: replica_of.to_vec(), ..Default::default() }).await;
        let directory = tempfile::tempdir().unwrap();
        let sentinels = (0..3)
            .map(|number| {
                let port = free_port();
                let file = directory.path().join(format!("{number}.conf"));
                let text = format!(
                    "port {port}\nbind 127.0.0.1\nsentinel monitor whisk 127.0.0.1 {} 2\n\
                     sentinel down-after-milliseconds whisk 600\nsentinel failover-timeout whisk 3000\n",
                    primary.port()
                );
                fs::write(&file, text).unwrap();
                let mut command = Command::new("redis-server");
                command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
                (port, command.spawn().unwrap())
            })
            .collect();
        let setup = Self { primary, replica, sentinels, _directory: directory };
        setup.wait_until_complete().await;
        setup
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.sentinels.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/whisk/0", nodes.join(","))
    }

    /// Has a sentinel promote the replica, though the primary is well.
    pub(crate) async fn fail_over(&self) {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.sentinels[0].0)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        cmd("SENTINEL").arg("failover").arg("whisk").query_async::<()>(&mut connection).await.unwrap();
    }

    /// The port of the primary that a sentinel names.
    pub(crate) async fn named(&self) -> u16 {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.sentinels[0].0)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg("whisk");
        let (_, port): (String, u16) = question.query_async(&mut connection).await.unwrap();
        port
    }

    async fn wait_until_complete(&self) {
        let began = Instant::now();
        for (port, _) in &self.sentinels {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
            loop {
                assert!(began.elapsed() < Duration::from_secs(30), "the sentinels do not find each other");
                if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                    let mut question = cmd("SENTINEL");
                    question.arg("master").arg("whisk");
                    let state: Vec<String> = question.query_async(&mut connection).await.unwrap_or_default();
                    let value = |name: &str| {
                        state.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str())
                    };
                    if value("num-slaves") == Some("1") && value("num-other-sentinels") == Some("2") {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Drop for SentinelSetup {
    fn drop(&mut self) {
        for (_, child) in &mut self.sentinels {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
