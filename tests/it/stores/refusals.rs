//! Redis is there and refuses: each call says so in its time, and what another connection would not
//! change costs none (requirement R115).

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;
use whisk_bff::clock::{SharedClock, SystemClock};
use whisk_bff::store::{Created, Store, StoreError};

use super::{TIMEOUT, open, record, some_key};
use crate::support::eventually;
use crate::support::redis::{RedisConfig, RedisServer};

const HOUR: Duration = Duration::from_secs(3600);
const SLACK: Duration = Duration::from_millis(250);
const RECOVERY: Duration = Duration::from_secs(2);

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

async fn created(store: &Arc<dyn Store>) -> Result<Created, StoreError> {
    let asked = Instant::now();
    let answer = store.create(&some_key(), &record(&clock(), 1, HOUR)).await;
    assert!(asked.elapsed() < TIMEOUT + SLACK, "{:?}", asked.elapsed());
    answer
}

async fn refusal(store: &Arc<dyn Store>) -> String {
    match created(store).await.unwrap_err() {
        StoreError::Unavailable(reason) => reason,
        error => panic!("{error}"),
    }
}

async fn connections(server: &RedisServer) -> usize {
    let info: String = server.ask(&["INFO", "stats"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.unwrap().trim().parse().unwrap()
}

/// `OOM`, `NOREPLICAS`, `MISCONF`: the connection is as good as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_not_connected_to_again_and_again() {
    let server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let (key, first) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &first).await.unwrap();
    for (setting, refusing, code) in [("maxmemory", "1", "OOM"), ("min-replicas-to-write", "1", "NOREPLICAS")]
    {
        server.ask::<()>(&["CONFIG", "SET", setting, refusing]).await;
        let before = connections(&server).await;
        for _ in 0..50 {
            assert_eq!(refusal(&store).await, format!("Redis answered {code}"));
            assert_eq!(store.load(&key).await.unwrap().as_ref(), Some(&first), "reading goes on");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(connections(&server).await, before + 1, "{code}: the test's own");
        server.ask::<()>(&["CONFIG", "SET", setting, "0"]).await;
        assert_eq!(created(&store).await.unwrap(), Created::Done);
    }
}

/// A logout frees memory: it is possible when there is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_end_where_memory_has_run_out() {
    let server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let key = some_key();
    store.create(&key, &record(&clock(), 1, HOUR)).await.unwrap();
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(store.take(&key).await.unwrap().is_some());
}

/// `LOADING`: a server that has just begun reads its data first.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_is_waited_for() {
    let slow = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    let arguments = slow.map(str::to_owned).to_vec();
    let mut server = RedisServer::start(RedisConfig { arguments, ..Default::default() }).await;
    let store = open(&server.url(), clock()).await;
    let (key, first) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &first).await.unwrap();
    let fill = "for i = 1, 2000 do redis.call('SET', 'fill' .. i, string.rep('x', 100)) end";
    server.ask::<Value>(&["EVAL", fill, "0"]).await;
    // As a snapshot, of which a server that loads looks up now and then.
    server.ask::<Value>(&["BGREWRITEAOF"]).await;
    eventually("a snapshot", async || {
        let info: String = server.ask(&["INFO", "persistence"]).await;
        info.contains("aof_rewrite_in_progress:0") && !info.contains("aof_base_size:0")
    })
    .await;
    server.restart().await;
    let loading = async |server: &RedisServer| {
        let info: String = server.ask(&["INFO", "persistence"]).await;
        info.contains("\r\nloading:1")
    };
    assert!(loading(&server).await, "it takes its time");
    assert!(created(&store).await.is_err());
    while loading(&server).await {
        let _ = created(&store).await;
    }
    let began = Instant::now();
    eventually("an answer", async || created(&store).await.is_ok()).await;
    assert!(began.elapsed() <= RECOVERY, "{:?}", began.elapsed());
    assert_eq!(store.load(&key).await.unwrap(), Some(first));
}

/// `MASTERDOWN`: a primary was made the replica of one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_its_primary_is_left_until_it_is_a_primary() {
    let arguments = ["--replica-serve-stale-data", "no"].map(str::to_owned).to_vec();
    let server = RedisServer::start(RedisConfig { arguments, ..Default::default() }).await;
    let store = open(&server.url(), clock()).await;
    store.check().await.unwrap();
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    for _ in 0..3 {
        let asked = Instant::now();
        let error = store.load(&some_key()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(asked.elapsed() < TIMEOUT + SLACK, "{:?}", asked.elapsed());
    }
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let began = Instant::now();
    eventually("an answer", async || created(&store).await.is_ok()).await;
    assert!(began.elapsed() <= RECOVERY, "{:?}", began.elapsed());
}
