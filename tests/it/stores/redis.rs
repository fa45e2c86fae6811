//! Redis, one server: every way to reach it, names, times, and what an error may say.

use std::sync::Arc;
use std::time::Duration;

use whisk_bff::clock::{ManualClock, SharedClock, SystemClock};
use whisk_bff::crypto::random_bytes;
use whisk_bff::model::SessionId;
use whisk_bff::store::{Created, Deadlines, Key, LeaseOwner, Leased, StoreError};

use super::feed::Ear;
use super::{contract, open, record, some_key};
use crate::support::redis::{RedisConfig, RedisServer};

const HOUR: Duration = Duration::from_secs(3600);

async fn keeps_the_contract(config: RedisConfig) -> RedisServer {
    let server = RedisServer::start(config).await;
    let (clock, planted) = (ManualClock::new(), contract::Planted::new());
    for (key, bytes) in planted.bytes() {
        let name = format!("whisk-bff:s:{{{}}}", key.hash_text());
        let mut command = redis::cmd("SET");
        command.arg(name).arg(bytes).arg("PX").arg(3_600_000);
        command.query_async::<()>(&mut server.connection().await).await.unwrap();
    }
    let store = open(&server.url(), clock.clone()).await;
    Ear::of(&store).await.part();
    contract::run(store, clock, &planted).await;
    assert_eq!(server.ttl_violations().await, [""; 0]);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract() {
    keeps_the_contract(RedisConfig::default()).await;
}

/// A private authority, a client's certificate, an ACL user and a database number at once.
#[tokio::test(flavor = "multi_thread")]
async fn redis_over_tls_with_a_user_and_a_database_keeps_the_contract() {
    let acl = Some(("bff", "s3cr%21et"));
    let server = keeps_the_contract(RedisConfig {
        tls: true,
        acl: acl.map(|(u, _)| (u, "s3cret")),
        db: 5,
        ..Default::default()
    })
    .await;
    let info: String = server.ask(&["INFO", "keyspace"]).await;
    assert!(info.contains("db5:") && !info.contains("db0:"), "{info}");
}

#[tokio::test]
async fn keys_are_named_by_hashes_within_one_hash_tag_and_all_end() {
    let server = RedisServer::plain().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let store = open(&server.url(), clock.clone()).await;
    let id = SessionId::from_random(random_bytes());
    let (key, owner) = (Key::session(&id), LeaseOwner::random());
    let record = record(&clock, 1, HOUR);
    assert_eq!(store.create(&key, &record).await.unwrap(), Created::Done);
    assert_eq!(store.lease(&key, &owner, HOUR).await.unwrap(), Leased::Granted);
    let mut names = server.keys().await;
    names.sort();
    let hash = key.hash_text();
    assert_eq!(names, [format!("whisk-bff:l:{{{hash}}}"), format!("whisk-bff:s:{{{hash}}}")]);
    let dump = server.dump_all_bytes().await;
    let cookie = id.expose();
    assert!(
        !dump.windows(cookie.len()).any(|part| part == cookie.as_bytes()),
        "the id itself is stored nowhere"
    );
    let ttl: i64 = server.ask(&["PTTL", &names[1]]).await;
    assert!((3_590_000..=3_600_000).contains(&ttl), "{ttl}");
    let deadlines = Deadlines { expires_at: record.expires_at.plus(HOUR), cookie_until: record.cookie_until };
    assert!(store.touch(&key, deadlines).await.unwrap());
    let ttl: i64 = server.ask(&["PTTL", &names[1]]).await;
    assert!((7_190_000..=7_200_000).contains(&ttl), "{ttl}");
    assert_eq!(server.ttl_violations().await, [""; 0]);
}

#[tokio::test]
async fn scripts_are_loaded_again_when_redis_has_forgotten_them() {
    let server = RedisServer::plain().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let store = open(&server.url(), clock.clone()).await;
    for _ in 0..2 {
        assert_eq!(store.create(&some_key(), &record(&clock, 1, HOUR)).await.unwrap(), Created::Done);
        server.ask::<()>(&["SCRIPT", "FLUSH"]).await;
    }
}

#[tokio::test]
async fn an_error_names_its_cause_and_no_secret() {
    let server =
        RedisServer::start(RedisConfig { acl: Some(("bff", "s3cret-password")), ..Default::default() }).await;
    let wrong = server.url().replace("s3cret-password", "other-password");
    let store = open(&wrong, Arc::new(SystemClock)).await;
    let error = store.load(&some_key()).await.unwrap_err();
    let text = format!("{error} {error:?} {store:?}");
    assert!(matches!(error, StoreError::Unavailable(_)), "{text}");
    assert!(!text.contains("other-password"), "{text}");

    // A key of another type, as an error of a command that did run.
    let store = open(&server.url(), Arc::new(SystemClock)).await;
    let key = some_key();
    server.ask::<()>(&["LPUSH", &format!("whisk-bff:s:{{{}}}", key.hash_text()), "value-of-the-list"]).await;
    let text = store.load(&key).await.unwrap_err().to_string();
    assert!(text.contains("WRONGTYPE") && !text.contains("value-of-the-list"), "{text}");
    assert!(store.check().await.is_ok(), "the connection is as good as before");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let server = RedisServer::start(RedisConfig { tls: true, ..Default::default() }).await;
    let other = RedisServer::start(RedisConfig { tls: true, ..Default::default() }).await;
    let (base, _) = server.url().split_once('?').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let other_url = other.url();
    let (_, files) = other_url.split_once('?').unwrap();
    let store = open(&format!("{base}?{files}"), Arc::new(SystemClock)).await;
    let error = store.check().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let settings = super::settings(&format!("{base}?ca=/nowhere/ca.pem"));
    let handle = tokio::runtime::Handle::current();
    let error = whisk_bff::store::open(&settings, Arc::new(SystemClock), &handle).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
