//! Changes of the Redis layout, beside running instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use whisk_bff::clock::{SharedClock, SystemClock};
use whisk_bff::migrate::{self, MIGRATIONS, MigrateError, Migration};
use whisk_bff::model::Generation;
use whisk_bff::settings;
use whisk_bff::store::{Created, Key, Place, RedisStore, Replaced, Store, open_redis};

use crate::stores::{TIMEOUT, record, settings, some_key};
use crate::support::redis::RedisServer;
use crate::support::redis::cluster::ClusterSetup;

const HOUR: Duration = Duration::from_secs(3600);

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn open(url: &str) -> Arc<RedisStore> {
    let settings = settings::Store { timeout: TIMEOUT * 4, ..settings(url) };
    open_redis(&settings, clock(), &Handle::current()).unwrap().unwrap()
}

/// Two changes that can be seen on a record: what a script appends to its sealed part. Each does
/// nothing to a record that has had it.
const CHAIN: &[Migration] = &[MIGRATIONS[0], append(2, "first", APPEND_ONE), append(3, "second", APPEND_TWO)];

const fn append(number: u32, name: &'static str, script: &'static str) -> Migration {
    Migration { number, name, script }
}

const APPEND_ONE: &str = "local v = redis.call('GET', KEYS[1])
    if not v or string.sub(v, -4) == '+one' or string.sub(v, -4) == '+two' then return 0 end
    redis.call('SET', KEYS[1], v .. '+one', 'KEEPTTL')
    return 1";
const APPEND_TWO: &str = "local v = redis.call('GET', KEYS[1])
    if not v or string.sub(v, -4) ~= '+one' then return 0 end
    redis.call('SET', KEYS[1], v .. '+two', 'KEEPTTL')
    return 1";

async fn fill(store: &RedisStore, number: usize) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..number {
        let key = some_key();
        assert_eq!(store.create(&key, &record(&clock(), 1, HOUR)).await.unwrap(), Created::Done);
        keys.push(key);
    }
    keys
}

async fn appended(store: &RedisStore, key: &Key) -> Vec<u8> {
    store.load(key).await.unwrap().unwrap().sealed.bytes.split_off(64)
}

/// The list in the binary is the directory: same numbers, names and bytes, without a gap.
#[test]
fn the_list_is_the_directory() {
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "lua"))
        .collect();
    files.sort();
    assert_eq!(files.len(), MIGRATIONS.len());
    for (index, (file, migration)) in files.iter().zip(MIGRATIONS).enumerate() {
        assert_eq!(migration.number as usize, index + 1);
        let name = format!("{:04}_{}.lua", migration.number, migration.name);
        assert_eq!(file.file_name().unwrap().to_str().unwrap(), name);
        assert_eq!(std::fs::read_to_string(file).unwrap(), migration.script);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_applied_in_order_once_and_recorded() {
    let server = RedisServer::plain().await;
    let store = open(&server.url());
    let keys = fill(&store, 600).await;
    store.create(&Key::login("state"), &record(&clock(), 1, HOUR)).await.unwrap();

    let plan = migrate::plan(&store, CHAIN).await.unwrap();
    assert_eq!(plan.iter().map(|step| step.migration.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(plan.iter().all(|step| step.records == 601 && step.changed == 0), "{plan:?}");
    assert_eq!(store.schema().await.unwrap(), None, "a plan changes nothing");
    assert_eq!(appended(&store, &keys[0]).await, b"");

    let mut told = Vec::new();
    migrate::apply(&store, CHAIN, |step| told.push((step.migration.number, step.changed))).await.unwrap();
    assert_eq!(told, [(1, 0), (2, 601), (3, 601)]);
    for key in &keys {
        assert_eq!(appended(&store, key).await, b"+one+two");
    }
    assert_eq!(store.schema().await.unwrap(), Some(3));
    assert_eq!(server.ttl_violations().await, [""; 0]);
    assert!(migrate::plan(&store, CHAIN).await.unwrap().is_empty());
    migrate::apply(&store, CHAIN, |step| panic!("{step:?}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_is_finished_by_the_next() {
    let server = RedisServer::plain().await;
    let store = open(&server.url());
    let keys = fill(&store, 1500).await;
    // Interrupted within a migration: some records have had it, some have not.
    let some_have_had_it = async {
        let mut connection = server.connection().await;
        for key in keys.iter().cycle() {
            let name = format!("whisk-bff:s:{{{}}}", key.hash_text());
            let mut command = redis::cmd("GETRANGE");
            command.arg(name).arg(-4).arg(-1);
            let end: Vec<u8> = command.query_async(&mut connection).await.unwrap();
            if end == b"+one" {
                break;
            }
        }
    };
    tokio::select! {
        _ = migrate::apply(&store, CHAIN, |_| {}) => panic!("the run was over before it was interrupted"),
        () = some_have_had_it => {}
    }
    let recorded = store.schema().await.unwrap();
    assert!(recorded < Some(3), "{recorded:?}");
    migrate::apply(&store, CHAIN, |_| {}).await.unwrap();
    for key in &keys {
        assert_eq!(appended(&store, key).await, b"+one+two");
    }
    assert_eq!(store.schema().await.unwrap(), Some(3));
}

/// Writers go on meanwhile; no record of theirs is lost, none that they took comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_beside_writers_loses_nothing() {
    let server = RedisServer::plain().await;
    let store = open(&server.url());
    fill(&store, 1000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = (0..4).map(|_| {
        let (store, stop) = (open(&server.url()), Arc::clone(&stop));
        tokio::spawn(async move {
            let (mut kept, mut taken) = (Vec::new(), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let key = some_key();
                assert_eq!(store.create(&key, &record(&clock(), 1, HOUR)).await.unwrap(), Created::Done);
                let replaced = store.replace(&key, Generation(1), &record(&clock(), 2, HOUR)).await.unwrap();
                assert_eq!(replaced, Replaced::Done);
                if kept.len() % 2 == 0 {
                    kept.push(key);
                } else {
                    assert!(store.take(&key).await.unwrap().is_some());
                    taken.push(key);
                    kept.push(some_key_kept(&store).await);
                }
            }
            (kept, taken)
        })
    });
    let writers: Vec<_> = writers.collect();
    migrate::apply(&store, CHAIN, |_| {}).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        let (kept, taken) = writer.await.unwrap();
        assert!(!kept.is_empty());
        for key in kept {
            assert!(store.load(&key).await.unwrap().is_some());
        }
        for key in taken {
            assert_eq!(store.load(&key).await.unwrap(), None);
        }
    }
    assert_eq!(server.ttl_violations().await, [""; 0]);
}

async fn some_key_kept(store: &RedisStore) -> Key {
    fill(store, 1).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_migration_gives_records_the_ttl_their_header_names() {
    let server = RedisServer::plain().await;
    let store = open(&server.url());
    let keys = fill(&store, 3).await;
    let names: Vec<_> = keys.iter().map(|key| format!("whisk-bff:s:{{{}}}", key.hash_text())).collect();
    server.ask::<i64>(&["PERSIST", &names[0]]).await;
    server.ask::<i64>(&["PEXPIRE", &names[1], "60000"]).await;
    let mut changed = 0;
    migrate::apply(&store, MIGRATIONS, |step| changed += step.changed).await.unwrap();
    assert_eq!(changed, 2);
    for name in &names {
        let ttl: i64 = server.ask(&["PTTL", name]).await;
        assert!((3_580_000..=3_601_000).contains(&ttl), "{ttl}");
    }
    assert_eq!(server.ttl_violations().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_an_empty_one_begun() {
    let server = RedisServer::plain().await;
    let store = open(&server.url());
    migrate::check_schema(&store, MIGRATIONS).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), MIGRATIONS.last().map(|last| last.number));
    assert_eq!(server.ttl_violations().await, [""; 0]);
    store.advance_schema(9).await.unwrap();
    assert_eq!(store.advance_schema(1).await.unwrap(), 9, "never back");
    let refused = migrate::check_schema(&store, MIGRATIONS).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Newer { found: 9, .. }), "{refused}");
    assert!(migrate::apply(&store, MIGRATIONS, |_| {}).await.is_err());

    // Records without a recorded schema are of the time before: nothing is assumed of them.
    server.ask::<()>(&["FLUSHALL"]).await;
    fill(&store, 1).await;
    migrate::check_schema(&store, MIGRATIONS).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), None);
}

#[tokio::test]
async fn the_other_kinds_of_store_have_nothing_to_migrate() {
    for url in ["memory:", "embedded:/nowhere/store.redb"] {
        assert!(open_redis(&settings(url), clock(), &Handle::current()).unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_migrated_on_every_node() {
    let setup = ClusterSetup::start().await;
    let store = open(&setup.url());
    let keys = fill(&store, 200).await;
    migrate::apply(&store, CHAIN, |_| {}).await.unwrap();
    for key in &keys {
        assert_eq!(appended(&store, key).await, b"+one+two");
    }
    assert_eq!(store.keys(Place::Session).await.unwrap().len(), keys.len());
    assert_eq!(store.schema().await.unwrap(), Some(3));
}
