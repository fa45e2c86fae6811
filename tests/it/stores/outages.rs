//! Redis goes and comes back: calls end in their time, and the way back is found within two
//! seconds (requirement R115).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use whisk_bff::clock::{SharedClock, SystemClock};
use whisk_bff::store::{Created, Replaced, Store, StoreError};

use super::{TIMEOUT, open, record, some_key};
use crate::support::redis::{RedisServer, free_port};

const HOUR: Duration = Duration::from_secs(3600);
/// What a loaded machine may add to a call's time.
const SLACK: Duration = Duration::from_millis(250);
const RECOVERY: Duration = Duration::from_secs(2);

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Asks until there is an answer; how long it took. Every call on the way ends in its time.
async fn recovered(store: &Arc<dyn Store>) -> Duration {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = store.load(&some_key()).await;
        assert!(asked.elapsed() < TIMEOUT + SLACK, "{:?}", asked.elapsed());
        if answer.is_ok() {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never came back: {answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn fails_in_time(store: &Arc<dyn Store>) -> StoreError {
    let asked = Instant::now();
    let error = store.create(&some_key(), &record(&clock(), 1, HOUR)).await.unwrap_err();
    assert!(asked.elapsed() < TIMEOUT + SLACK, "{:?}", asked.elapsed());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_redis_is_survived_with_every_record() {
    let mut server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let (key, kept) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &kept).await.unwrap();
    for kill in [false, true] {
        if kill {
            server.kill()
        } else {
            server.stop()
        }
        for _ in 0..4 {
            assert!(matches!(fails_in_time(&store).await, StoreError::Unavailable(_) | StoreError::Timeout));
        }
        server.restart().await;
        let took = recovered(&store).await;
        assert!(took <= RECOVERY, "{took:?}");
        assert_eq!(store.load(&key).await.unwrap(), Some(kept.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_costs_each_call_its_time_and_is_found_again() {
    let server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    store.check().await.unwrap();
    server.freeze();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        fails_in_time(&store).await;
    }
    server.thaw();
    let took = recovered(&store).await;
    assert!(took <= RECOVERY, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_that_is_replaced_is_left_behind() {
    // Many calls at once on a connection whose peer hangs: none waits longer than its time.
    let server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    store.check().await.unwrap();
    server.freeze();
    let calls = (0..50).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { fails_in_time(&store).await })
    });
    for call in futures_util::future::join_all(calls).await {
        assert!(matches!(call.unwrap(), StoreError::Timeout | StoreError::Unavailable(_)));
    }
    server.thaw();
    assert!(recovered(&store).await <= RECOVERY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_starts_before_redis_finds_it() {
    let port = free_port();
    let store = open(&format!("redis://127.0.0.1:{port}/0"), clock()).await;
    assert!(matches!(fails_in_time(&store).await, StoreError::Unavailable(_)));

    let mut server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    store.check().await.unwrap();
    server.stop();
    let late = open(&server.url(), clock()).await;
    assert!(matches!(fails_in_time(&late).await, StoreError::Unavailable(_)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.restart().await;
    let (one, two) = tokio::join!(recovered(&store), recovered(&late));
    assert!(one <= RECOVERY && two <= RECOVERY, "{one:?} {two:?}");
}

/// A connection that is accepted and never answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_costs_each_call_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = open(&format!("redis://{}/0", listener.local_addr().unwrap()), clock()).await;
    for _ in 0..3 {
        assert!(matches!(fails_in_time(&store).await, StoreError::Unavailable(_)));
    }
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_becomes_a_replica_is_left_until_it_is_one_again() {
    let server = RedisServer::plain().await;
    let other = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let (key, first) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &first).await.unwrap();
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await;
    for _ in 0..3 {
        assert!(matches!(fails_in_time(&store).await, StoreError::Unavailable(_)));
    }
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let took = recovered(&store).await;
    assert!(took <= RECOVERY, "{took:?}");
    assert_eq!(store.create(&some_key(), &first).await.unwrap(), Created::Done);
}

/// The connection is cut while nobody looks: the first call afterwards does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_again_within_the_call() {
    let server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let (key, mut current) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &current).await.unwrap();
    for generation in 2..12 {
        server.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        let next = record(&clock(), generation, HOUR);
        assert_eq!(store.replace(&key, current.generation, &next).await.unwrap(), Replaced::Done);
        current = next;
    }
    assert_eq!(store.load(&key).await.unwrap(), Some(current));
}

/// The runtime of a caller may end; the connection does not live on it.
#[test]
fn the_connection_outlives_the_runtime_of_its_callers() {
    let home = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = home.block_on(RedisServer::plain());
    let settings = super::settings(&server.url());
    let store = home.block_on(whisk_bff::store::open(&settings, clock(), home.handle())).unwrap();
    for _ in 0..3 {
        let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        worker.block_on(async {
            server.ask::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            store.check().await.unwrap();
        });
    }
}
