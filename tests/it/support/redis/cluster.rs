//! A Cluster of three primaries.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{RedisConfig, RedisServer, free_port};

/// The servers. Killed when dropped.
pub(crate) struct ClusterSetup {
    pub(crate) nodes: Vec<RedisServer>,
}

impl ClusterSetup {
    /// Starts the servers, gives each a third of the slots, and waits until all agree.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further arguments for each server.
    pub(crate) async fn start_with(further: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            let arguments =
                ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            let arguments = arguments.iter().chain(further).map(|word| (*word).to_owned()).collect();
            nodes.push(RedisServer::start(RedisConfig { arguments, ..Default::default() }).await);
        }
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let setup = Self { nodes };
        setup.wait_until_whole().await;
        setup
    }

    /// Waits until every node says that all slots are served.
    pub(crate) async fn wait_until_whole(&self) {
        let began = Instant::now();
        for node in &self.nodes {
            while !node.ask::<String>(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok") {
                assert!(began.elapsed() < Duration::from_secs(30), "the cluster does not come up");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}
