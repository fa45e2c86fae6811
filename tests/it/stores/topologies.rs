//! Redis as a group under Sentinel and as a Cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use whisk_bff::clock::{ManualClock, SharedClock, SystemClock};
use whisk_bff::store::Created;

use super::{contract, open, record, some_key};
use crate::support::redis::cluster::ClusterSetup;
use crate::support::redis::sentinel::SentinelSetup;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_sentinel_is_followed() {
    let mut setup = SentinelSetup::start().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let store = open(&setup.url(), clock.clone()).await;
    let (key, kept) = (some_key(), record(&clock, 1, HOUR));
    assert_eq!(store.create(&key, &kept).await.unwrap(), Created::Done);
    let began = Instant::now();
    while setup.replica.keys().await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    setup.primary.kill();
    let began = Instant::now();
    while store.create(&some_key(), &kept).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "the new primary is not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.load(&key).await.unwrap(), Some(kept));
    assert_eq!(setup.replica.keys().await.len(), 2);
    assert_eq!(setup.replica.ttl_violations().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract() {
    let setup = ClusterSetup::start().await;
    let (clock, planted) = (ManualClock::new(), contract::Planted::new());
    let client =
        redis::cluster::ClusterClient::new(setup.nodes.iter().map(|node| node.url()).collect::<Vec<_>>());
    let mut connection = client.unwrap().get_async_connection().await.unwrap();
    for (key, bytes) in planted.bytes() {
        let mut command = redis::cmd("SET");
        command.arg(format!("whisk-bff:s:{{{}}}", key.hash_text())).arg(bytes).arg("PX").arg(3_600_000);
        command.query_async::<()>(&mut connection).await.unwrap();
    }
    contract::run(open(&setup.url(), clock.clone()).await, clock, &planted).await;
    for node in &setup.nodes {
        assert!(!node.keys().await.is_empty(), "the records are spread");
        assert_eq!(node.ttl_violations().await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_of_a_cluster_is_found_again() {
    let mut setup = ClusterSetup::start().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let store = open(&setup.url(), clock.clone()).await;
    let mut keys = Vec::new();
    for _ in 0..30 {
        let key = some_key();
        store.create(&key, &record(&clock, 1, HOUR)).await.unwrap();
        keys.push(key);
    }
    setup.nodes[0].restart().await;
    let began = Instant::now();
    for key in keys {
        loop {
            match store.load(&key).await {
                Ok(found) => break assert!(found.is_some()),
                Err(error) => assert!(began.elapsed() < Duration::from_secs(15), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
