//! The embedded file: durable, private, for one process, and never thrown away.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use redb::TableDefinition;
use whisk_bff::clock::{ManualClock, SharedClock, SystemClock};
use whisk_bff::store::{Created, EmbeddedStore, Key, Place, Store, StoreError};

use super::{TIMEOUT, contract, record, some_key};

const HOUR: Duration = Duration::from_secs(3600);

fn open(path: &Path, clock: SharedClock) -> Result<EmbeddedStore, StoreError> {
    // A shared machine's disk may flush slowly; no promise about time is tested here.
    EmbeddedStore::open(path, TIMEOUT * 20, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let (clock, planted) = (ManualClock::new(), contract::Planted::new());
    drop(open(&path, clock.clone()).unwrap());
    plant(&path, &planted.bytes());
    let store = Arc::new(open(&path, clock.clone()).unwrap());
    contract::run(store, clock, &planted).await;
}

fn plant(path: &Path, records: &[(Key, Vec<u8>)]) {
    const RECORDS: TableDefinition<&[u8; 33], &[u8]> = TableDefinition::new("records");
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    for (key, bytes) in records {
        transaction.open_table(RECORDS).unwrap().insert(&key.to_bytes(), bytes.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn the_file_and_its_directory_are_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deeper/data/store.redb");
    let store = open(&path, Arc::new(SystemClock)).unwrap();
    store.create(&some_key(), &record(&system(), 1, HOUR)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path, Arc::new(SystemClock)).unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let first = open(&path, Arc::new(SystemClock)).unwrap();
    let key = some_key();
    first.create(&key, &record(&system(), 1, HOUR)).await.unwrap();
    let error = open(&path, Arc::new(SystemClock)).unwrap_err().to_string();
    assert!(error.contains("already in use"), "{error}");
    drop(first);
    let second = open(&path, Arc::new(SystemClock)).unwrap();
    assert!(second.load(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_or_foreign_file_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open(&path, Arc::new(SystemClock)).unwrap();
    for _ in 0..50 {
        store.create(&some_key(), &record(&system(), 1, HOUR)).await.unwrap();
    }
    drop(store);
    let good = fs::read(&path).unwrap();
    let mut damaged = good.clone();
    // Past the header, so that it still calls itself a redb file.
    for byte in damaged.iter_mut().skip(4096) {
        *byte ^= 0xa5;
    }
    let cases = [
        b"something else entirely, and longer than a header".repeat(200),
        damaged,
        good[..good.len() / 2].to_vec(),
    ];
    for bytes in cases {
        fs::write(&path, &bytes).unwrap();
        let error = open(&path, Arc::new(SystemClock)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("store.redb"), "{text}");
        assert!(fs::metadata(&path).unwrap().len() > 0, "the file is kept");
    }
    fs::write(&path, &good).unwrap();
    let store = open(&path, Arc::new(SystemClock)).unwrap();
    assert_eq!(store.keys(Place::Session).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_records_are_swept_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, clock) = (directory.path().join("store.redb"), ManualClock::new());
    let shared: SharedClock = clock.clone();
    let store = open(&path, shared.clone()).unwrap();
    let stays = some_key();
    store.create(&stays, &record(&shared, 1, HOUR * 3)).await.unwrap();
    for _ in 0..40 {
        store.create(&some_key(), &record(&shared, 1, HOUR)).await.unwrap();
    }
    clock.advance(HOUR * 2);
    let mut left = Vec::new();
    for _ in 0..100 {
        left = store.keys(Place::Session).await.unwrap();
        if left.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(left, [stays]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_store_keeps_what_was_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = Arc::new(open(&path, Arc::new(SystemClock)).unwrap());
    let tasks = (0..200).map(|_| {
        let (store, key) = (Arc::clone(&store), some_key());
        tokio::spawn(async move {
            store.create(&key, &record(&system(), 1, HOUR)).await.unwrap();
            key
        })
    });
    let keys: Vec<_> = futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    drop(store);
    let store = open(&path, Arc::new(SystemClock)).unwrap();
    for key in keys {
        assert!(store.load(&key).await.unwrap().is_some());
    }
}

const CHILD: &str = "WHISK_BFF_TEST_EMBEDDED_CHILD";

/// Killed at random points, the process leaves every record that it had been told is stored
/// (requirement R123).
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_it_was_told_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stores::embedded::writes_until_killed", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 20 + round * 17 {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some(hash) = line.strip_prefix("stored ") {
                acknowledged.push(Key::from_hash_text(Place::Session, hash).unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            // A last line may be cut.
            let hash =
                line.strip_prefix("stored ").and_then(|hash| Key::from_hash_text(Place::Session, hash));
            acknowledged.extend(hash);
        }
        child.wait().unwrap();
        let store = open(&path, Arc::new(SystemClock)).unwrap();
        for key in &acknowledged {
            assert!(store.load(key).await.unwrap().is_some(), "round {round}");
        }
    }
}

/// The child of the test above: does nothing unless that started it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
#[expect(clippy::disallowed_methods, reason = "the one word its parent has for it")]
async fn writes_until_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Arc::new(open(Path::new(&path), Arc::new(SystemClock)).unwrap());
    let writers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let key = some_key();
                assert_eq!(store.create(&key, &record(&system(), 1, HOUR)).await.unwrap(), Created::Done);
                let mut out = std::io::stdout().lock();
                writeln!(out, "stored {}", key.hash_text()).unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

fn system() -> SharedClock {
    Arc::new(SystemClock)
}
