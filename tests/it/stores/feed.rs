//! What one process does to a session is heard by the others, and whether that can be relied on is
//! known (requirement R61; a cache rests on it).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use whisk_bff::clock::{SharedClock, SystemClock};
use whisk_bff::crypto::random_bytes;
use whisk_bff::store::{Deadlines, Key, Listener, Store};

use super::{open, record, some_key};
use crate::support::eventually;
use crate::support::redis::RedisServer;
use crate::support::redis::cluster::ClusterSetup;

const HOUR: Duration = Duration::from_secs(3600);

/// Writes down what it is told.
pub(crate) struct Ear {
    changed: UnboundedSender<(Key, Instant)>,
    heard: tokio::sync::Mutex<UnboundedReceiver<(Key, Instant)>>,
    interruptions: AtomicUsize,
    /// Whether the feed called itself alive while it told of an interruption.
    store: Mutex<Option<Arc<dyn Store>>>,
    alive_when_interrupted: AtomicUsize,
}

impl Listener for Ear {
    fn changed(&self, key: &Key) {
        let _ = self.changed.send((*key, Instant::now()));
    }

    fn interrupted(&self) {
        self.interruptions.fetch_add(1, Ordering::SeqCst);
        if self.store.lock().unwrap().as_ref().is_some_and(|store| store.feed_is_alive()) {
            self.alive_when_interrupted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Ear {
    /// Listens to `store` and waits until its feed is alive.
    pub(crate) async fn of(store: &Arc<dyn Store>) -> Arc<Self> {
        let (changed, heard) = unbounded_channel();
        let ear = Arc::new(Self {
            changed,
            heard: tokio::sync::Mutex::new(heard),
            interruptions: AtomicUsize::new(0),
            store: Mutex::new(Some(Arc::clone(store))),
            alive_when_interrupted: AtomicUsize::new(0),
        });
        assert!(!store.feed_is_alive(), "nobody listens yet");
        store.listen(ear.clone());
        eventually("a feed that is alive", async || store.feed_is_alive()).await;
        ear
    }

    pub(crate) fn interruptions(&self) -> usize {
        self.interruptions.load(Ordering::SeqCst)
    }

    /// The next key that has changed, and when that was heard.
    pub(crate) async fn next(&self) -> (Key, Instant) {
        let mut heard = self.heard.lock().await;
        let next = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
        next.expect("a change is heard").unwrap()
    }

    /// What else is heard within a moment.
    pub(crate) async fn pending(&self) -> Option<Key> {
        let mut heard = self.heard.lock().await;
        tokio::time::timeout(Duration::from_millis(300), heard.recv()).await.ok()?.map(|(key, _)| key)
    }

    /// Waits until a change of `key` is heard. The server tells of every change, and the feed of
    /// ends and replacements once more.
    pub(crate) async fn hears(&self, key: &Key) -> Instant {
        loop {
            let (heard, at) = self.next().await;
            if heard == *key {
                return at;
            }
        }
    }

    /// The store holds the ear, and the ear the store: one lets go.
    pub(crate) fn part(&self) {
        *self.store.lock().unwrap() = None;
        assert_eq!(
            self.alive_when_interrupted.load(Ordering::SeqCst),
            0,
            "an interruption is told when the feed has ceased to call itself alive, and no later"
        );
    }
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Two processes' stores, and what the second hears.
async fn two(url: &str) -> (Arc<dyn Store>, Arc<dyn Store>, Arc<Ear>) {
    let (one, other) = (open(url, clock()).await, open(url, clock()).await);
    let ear = Ear::of(&other).await;
    (one, other, ear)
}

/// R61: every change of a session is told; of a login, none is.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_sessions_are_heard_and_nothing_else() {
    let server = RedisServer::plain().await;
    let (one, other, ear) = two(&server.url()).await;
    let (quiet, told) = (some_key(), some_key());
    let login = Key::login(&format!("{:?}", random_bytes::<8>()));
    let first = record(&clock(), 1, HOUR);
    one.create(&login, &first).await.unwrap();
    for key in [&quiet, &told] {
        one.create(key, &first).await.unwrap();
        ear.hears(key).await;
    }
    let deadlines = Deadlines { expires_at: first.expires_at.plus(HOUR), cookie_until: first.cookie_until };
    assert!(one.touch(&quiet, deadlines).await.unwrap());
    ear.hears(&quiet).await;
    assert!(one.take(&login).await.unwrap().is_some());
    let second = record(&clock(), 2, HOUR);
    // Refused ones change nothing.
    one.replace(&quiet, second.generation, &second).await.unwrap();
    one.replace(&some_key(), first.generation, &second).await.unwrap();
    assert_eq!(one.take(&some_key()).await.unwrap(), None);

    // A touch moves two fields and the time to live, and may be told thrice.
    while ear.pending().await.is_some_and(|key| key == quiet) {}
    one.replace(&told, first.generation, &second).await.unwrap();
    assert_eq!(ear.next().await.0, told);
    assert_eq!(ear.next().await.0, told, "by the feed and by the server");
    one.take(&told).await.unwrap();
    assert_eq!(ear.next().await.0, told);
    assert_eq!(ear.next().await.0, told);
    // One's own are told, too.
    other.take(&quiet).await.unwrap();
    assert_eq!(ear.next().await.0, quiet);
    assert!(server.keys().await.is_empty(), "markers leave no key behind");
    ear.part();
}

/// R61: the time it takes is printed; what must hold is that each is heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_within_a_moment() {
    let server = RedisServer::plain().await;
    let (one, _other, ear) = two(&server.url()).await;
    let mut delays = Vec::new();
    for _ in 0..300 {
        let key = some_key();
        one.create(&key, &record(&clock(), 1, HOUR)).await.unwrap();
        ear.hears(&key).await;
        let began = Instant::now();
        one.take(&key).await.unwrap();
        let at = ear.hears(&key).await;
        delays.push(at.saturating_duration_since(began));
    }
    delays.sort_unstable();
    println!("heard after {:?} (p50), {:?} (p99), {:?} (most)", delays[150], delays[297], delays[299]);
    assert!(delays[150] < Duration::from_secs(1), "{:?}", delays[150]);
    ear.part();
}

/// R29, R61: what an operator or a tool does to a key is heard, and a flush is an interruption.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_is_heard() {
    let server = RedisServer::plain().await;
    let (one, _other, ear) = two(&server.url()).await;
    let (key, name) = {
        let key = some_key();
        (key, format!("whisk-bff:s:{{{}}}", key.hash_text()))
    };
    one.create(&key, &record(&clock(), 1, HOUR)).await.unwrap();
    ear.hears(&key).await;
    server.ask::<()>(&["SET", &name, "something else", "PX", "60000"]).await;
    ear.hears(&key).await;
    server.ask::<()>(&["DEL", &name]).await;
    ear.hears(&key).await;
    let before = ear.interruptions();
    server.ask::<()>(&["FLUSHALL"]).await;
    eventually("an interruption", async || ear.interruptions() > before).await;
    *ear.store.lock().unwrap() = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_subscription_is_an_interruption_and_is_made_again() {
    let server = RedisServer::plain().await;
    let (one, other, ear) = two(&server.url()).await;
    for _ in 0..3 {
        let before = ear.interruptions();
        assert_eq!(server.ask::<i64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await, 1);
        eventually("an interruption", async || ear.interruptions() > before).await;
        eventually("a feed that is alive", async || other.feed_is_alive()).await;
        assert!(ear.interruptions() >= before + 3, "its end, its new beginning, and its new life");
        let key = some_key();
        one.create(&key, &record(&clock(), 1, HOUR)).await.unwrap();
        ear.hears(&key).await;
        one.take(&key).await.unwrap();
        ear.hears(&key).await;
    }
    ear.part();
}

/// R61: nobody relies on a feed whose server hangs, is gone, or takes no writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_whose_markers_do_not_come_back_is_not_alive() {
    let mut server = RedisServer::plain().await;
    let (one, other, ear) = two(&server.url()).await;
    let ceases = async |ear: &Ear, before: usize| {
        let began = Instant::now();
        eventually("a feed that is not alive", async || !other.feed_is_alive()).await;
        assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
        eventually("an interruption", async || ear.interruptions() > before).await;
    };
    let alive = async || {
        eventually("a feed that is alive", async || other.feed_is_alive()).await;
        let key = some_key();
        while one.create(&key, &record(&clock(), 1, HOUR)).await.is_err() {}
        one.take(&key).await.unwrap();
        ear.hears(&key).await;
    };

    let before = ear.interruptions();
    server.freeze();
    ceases(&ear, before).await;
    server.thaw();
    alive().await;

    // Messages still come through, and pings are answered.
    let before = ear.interruptions();
    server.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    ceases(&ear, before).await;
    server.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    alive().await;

    let before = ear.interruptions();
    server.kill();
    ceases(&ear, before).await;
    server.restart().await;
    alive().await;
    ear.part();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_an_interruption_and_others_markers_are_nothing() {
    let server = RedisServer::plain().await;
    let (_one, other, ear) = two(&server.url()).await;
    let before = ear.interruptions();
    for message in ["!00000000000000000000000000000000.1", "!", "news of a later version"] {
        assert_eq!(server.ask::<i64>(&["PUBLISH", "whisk-bff:feed", message]).await, 1);
    }
    eventually("an interruption", async || ear.interruptions() > before).await;
    assert_eq!(ear.interruptions(), before + 1);
    assert!(other.feed_is_alive());
    *ear.store.lock().unwrap() = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_tells_what_happens_at_each_of_its_nodes() {
    let mut setup = ClusterSetup::start().await;
    let (one, other, ear) = two(&setup.url()).await;
    for round in 0..3 {
        let mut keys = Vec::new();
        for _ in 0..20 {
            let (key, first) = (some_key(), record(&clock(), 1, HOUR));
            // A node that is back asks for patience.
            eventually("a record", async || one.create(&key, &first).await.is_ok()).await;
            keys.push(key);
        }
        for key in &keys {
            eventually("an end", async || one.take(key).await.is_ok()).await;
        }
        // Of different nodes in any order.
        while !keys.is_empty() {
            let (heard, _) = ear.next().await;
            keys.retain(|key| *key != heard);
        }

        let before = ear.interruptions();
        match round {
            0 => {
                for node in &setup.nodes {
                    node.ask::<i64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
                }
            }
            // A node that begins anew is another primary: the subscription is made again.
            1 => setup.nodes[0].restart().await,
            _ => break,
        }
        eventually("an interruption", async || ear.interruptions() > before).await;
        eventually("a feed that is alive", async || other.feed_is_alive()).await;
    }
    ear.part();
}
