//! A failover forgets writes that were acknowledged; those who made them make them again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use whisk_bff::clock::{SharedClock, SystemClock};
use whisk_bff::store::{Created, Key, Record, Replaced, Store};

use super::feed::Ear;
use super::{open, record, some_key};
use crate::support::eventually;
use crate::support::redis::RedisServer;
use crate::support::redis::cluster::ClusterSetup;
use crate::support::redis::sentinel::SentinelSetup;

const HOUR: Duration = Duration::from_secs(3600);

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn name(key: &Key) -> String {
    format!("whisk-bff:s:{{{}}}", key.hash_text())
}

/// How often a scenario that takes seconds is run.
fn times() -> usize {
    if std::env::var_os("WHISK_BFF_LONG_TESTS").is_some() { 50 } else { 1 }
}

/// Sessions of which some end, some get a new generation, and some stay as they are.
struct Sessions {
    ended: Vec<Key>,
    replaced: Vec<(Key, Record)>,
    left: Vec<Key>,
}

impl Sessions {
    async fn begin(store: &Arc<dyn Store>, count: usize) -> Self {
        let mut sessions = Self { ended: vec![], replaced: vec![], left: vec![] };
        for _ in 0..count {
            let key = || async {
                let key = some_key();
                assert_eq!(store.create(&key, &record(&clock(), 1, HOUR)).await.unwrap(), Created::Done);
                key
            };
            sessions.ended.push(key().await);
            sessions.replaced.push((key().await, record(&clock(), 2, HOUR)));
            sessions.left.push(key().await);
        }
        sessions
    }

    /// Logouts and refreshes, all acknowledged.
    async fn change(&self, store: &Arc<dyn Store>) {
        for key in &self.ended {
            assert!(store.take(key).await.unwrap().is_some());
        }
        for (key, second) in &self.replaced {
            let first = store.load(key).await.unwrap().unwrap().generation;
            assert_eq!(store.replace(key, first, second).await.unwrap(), Replaced::Done);
        }
    }

    /// What was acknowledged holds from the first answer on.
    async fn hold(&self, store: &Arc<dyn Store>) {
        for key in &self.ended {
            assert_eq!(answer(store, key).await, None, "a session came back to life");
        }
        for (key, second) in &self.replaced {
            assert_eq!(answer(store, key).await.as_ref(), Some(second), "a refresh token is lost");
        }
        for key in &self.left {
            assert_eq!(answer(store, key).await.unwrap().generation.0, 1);
        }
    }
}

/// The first answer there is.
async fn answer(store: &Arc<dyn Store>, key: &Key) -> Option<Record> {
    let began = Instant::now();
    loop {
        match store.load(key).await {
            Ok(found) => return found,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "no primary is found: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The replica has heard of nothing since it was frozen, and becomes the primary.
async fn a_failover_to_a_replica_that_knows_nothing() {
    let mut setup = SentinelSetup::start().await;
    let store = open(&setup.url(), clock()).await;
    let ear = Ear::of(&store).await;
    let sessions = Sessions::begin(&store, 10).await;
    eventually("a replica that follows", async || setup.replica.keys().await.len() == 30).await;
    setup.replica.freeze();
    setup.primary.ask::<i64>(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    sessions.change(&store).await;
    setup.primary.kill();
    setup.replica.thaw();
    let forgotten: i64 = setup.replica.ask(&["EXISTS", &name(&sessions.ended[0])]).await;
    assert_eq!(forgotten, 1, "the replica knows nothing of the end");
    let before = ear.interruptions();
    sessions.hold(&store).await;
    assert_eq!(setup.replica.keys().await.len(), 20);
    assert_eq!(setup.replica.ttl_violations().await, [""; 0]);
    eventually("a feed that is alive", async || store.feed_is_alive()).await;
    assert!(ear.interruptions() > before);
}

/// Issue of every asynchronous replication; contract §6, promises 1, 2 and 6.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_a_failover_forgot_are_made_again() {
    for _ in 0..times() {
        a_failover_to_a_replica_that_knows_nothing().await;
    }
}

/// The old primary lives on and is never told that it is none: nothing but the announcement leads
/// away from it. What it acknowledged after the promotion is made again on the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_sentinels_have_left_is_left_when_they_announce_it() {
    let setup = SentinelSetup::start().await;
    let store = open(&setup.url(), clock()).await;
    let sessions = Sessions::begin(&store, 3).await;
    eventually("a replica that follows", async || setup.replica.keys().await.len() == 9).await;
    setup.primary.ask::<()>(&["ACL", "SETUSER", "default", "-replicaof", "-slaveof"]).await;
    setup.fail_over().await;
    // Before or after the promotion, as it happens.
    sessions.change(&store).await;
    let later = some_key();
    eventually("a write at the new primary", async || {
        let _ = store.create(&later, &record(&clock(), 1, HOUR)).await;
        let _ = store.take(&later).await;
        let probe = some_key();
        let _ = store.create(&probe, &record(&clock(), 1, HOUR)).await;
        setup.replica.keys().await.contains(&name(&probe))
    })
    .await;
    let role: Vec<redis::Value> = setup.primary.ask(&["ROLE"]).await;
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()), "nobody told the old primary");
    sessions.hold(&store).await;
}

/// A server that starts anew may have forgotten as well: the last second, or all.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_a_restart_forgot_are_made_again() {
    let mut server = RedisServer::plain().await;
    let store = open(&server.url(), clock()).await;
    let (ended, replaced, newer, gone) = (some_key(), some_key(), some_key(), some_key());
    let (first, second, third) =
        (record(&clock(), 1, HOUR), record(&clock(), 2, HOUR), record(&clock(), 3, HOUR));
    for key in [&ended, &replaced, &newer, &gone] {
        store.create(key, &first).await.unwrap();
    }
    store.take(&ended).await.unwrap();
    for key in [&replaced, &newer, &gone] {
        store.replace(key, first.generation, &second).await.unwrap();
    }
    // As another process, and a server that forgets, would leave it.
    let mut later = first.clone();
    later.expires_at = first.expires_at.plus(HOUR);
    later.cookie_until = first.cookie_until.plus(2 * HOUR);
    for (key, record) in [(&ended, &first), (&replaced, &later), (&newer, &third)] {
        let mut command = redis::cmd("SET");
        command.arg(name(key)).arg(record.encode()).arg("PX").arg(3_600_000);
        command.query_async::<()>(&mut server.connection().await).await.unwrap();
    }
    server.ask::<i64>(&["DEL", &name(&gone)]).await;
    assert_eq!(store.load(&ended).await.unwrap(), Some(first), "nobody has noticed yet");

    server.restart().await;
    assert_eq!(answer(&store, &ended).await, None);
    let expected = Record { expires_at: later.expires_at, cookie_until: later.cookie_until, ..second };
    assert_eq!(answer(&store, &replaced).await, Some(expected), "the later deadlines stay");
    assert_eq!(answer(&store, &newer).await, Some(third), "what is newer stays");
    assert_eq!(answer(&store, &gone).await, None, "what is gone stays gone");
    let ttl: i64 = server.ask(&["PTTL", &name(&replaced)]).await;
    assert!((7_100_000..=7_200_000).contains(&ttl), "{ttl}");
}

/// A primary that was demoted and promoted while nobody looked has the history of another one.
#[tokio::test(flavor = "multi_thread")]
async fn another_history_behind_a_standing_connection_is_noticed() {
    let (server, other) = (RedisServer::plain().await, RedisServer::plain().await);
    let store = open(&server.url(), clock()).await;
    let (key, first) = (some_key(), record(&clock(), 1, HOUR));
    store.create(&key, &first).await.unwrap();
    store.take(&key).await.unwrap();
    let mut command = redis::cmd("SET");
    command.arg(name(&key)).arg(first.encode()).arg("PX").arg(3_600_000);
    command.query_async::<()>(&mut other.connection().await).await.unwrap();
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await;
    eventually("a replica that follows", async || server.keys().await.len() == 1).await;
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("the end made again", async || server.keys().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_told_again_what_a_node_forgot() {
    let mut setup = ClusterSetup::start().await;
    let store = open(&setup.url(), clock()).await;
    let first = record(&clock(), 1, HOUR);
    let client =
        redis::cluster::ClusterClient::new(setup.nodes.iter().map(|node| node.url()).collect::<Vec<_>>());
    let mut connection = client.unwrap().get_async_connection().await.unwrap();
    for _ in 0..12 {
        let key = some_key();
        store.create(&key, &first).await.unwrap();
        store.take(&key).await.unwrap();
        let mut command = redis::cmd("SET");
        command.arg(name(&key)).arg(first.encode()).arg("PX").arg(3_600_000);
        command.query_async::<()>(&mut connection).await.unwrap();
    }
    assert!(!setup.nodes[1].keys().await.is_empty());
    setup.nodes[1].restart().await;
    let nodes = &setup.nodes;
    eventually("the ends made again", async || nodes[1].keys().await.is_empty()).await;
    eventually("a whole cluster", async || store.check().await.is_ok()).await;
}
