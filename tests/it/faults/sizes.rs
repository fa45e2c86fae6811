//! What a session costs in Redis.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use whisk_bff::clock::{Clock, SharedClock, SystemClock};
use whisk_bff::crypto::{KeyId, KeyRing, SealingKey, random_bytes};
use whisk_bff::model::{AccessToken, Principal, RefreshToken, Scopes, TokenSet};
use whisk_bff::store::Key;
use whisk_bff::telemetry::Metrics;
use whisk_bff::tokens::{CacheLimits, Lifetimes, SessionContent, TokenVault};

use super::{PATIENT, Plant, world};
use crate::support::records::{Records, record_name};
use crate::support::redis::RedisServer;

/// With Redis' own header of six bytes it just fits into a block of 512; one byte more takes 640.
const MOST: usize = 506;
/// As long as Whisk's example tokens (docs/adr/0001).
const TOKEN: usize = 64;
const USER: &str = "9b2fb4a6-55d5-4a6b-9a1c-2f3d4c5e6a7";

/// Ten scopes, two hundred characters in all.
fn scopes() -> Vec<String> {
    let fixed = ["offline_access".to_owned(), "meal-plans:editing".to_owned()];
    fixed.into_iter().chain((1..=8).map(|n| format!("shopping-list-{n}:write"))).collect()
}

/// R112: the record of a session with tokens and names as long as Whisk's has at most 506 bytes,
/// after a login, after a refresh, and with a name of the user beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_ordinary_length_is_a_record_of_506_bytes_at_most() {
    let world = world().set("whisk.scopes", scopes().join(",")).spawn().await;
    let plant = Plant::of(world, 1, &[PATIENT]).await;
    let whisk = &plant.world.sandbox;
    let browser = plant.logged_in().await;
    let name = record_name(&browser);
    let mut records = Records::of(&plant.world).await;
    let issued = whisk.issued_secrets();
    assert!(issued.iter().all(|secret| secret.len() == TOKEN), "a code and two tokens, as long as Whisk's");
    assert_eq!((USER.len(), scopes().concat().len()), (35, 200));
    let session = browser.get("/auth/session").await.json();
    assert_eq!(session["scopes"].as_array().unwrap().len(), 10);

    let after_login = records.bytes(&name).await.unwrap().len();
    whisk.expire_access_tokens();
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(records.generation(&name).await, 2);
    let after_refresh = records.bytes(&name).await.unwrap().len();
    let url = plant.world.redis().url();
    let named = begin(&vault(&url).await, 1).await;
    let with_a_name = records.bytes(&named).await.unwrap().len();
    for (what, length, name) in [
        ("a login", after_login, &name),
        ("a refresh", after_refresh, &name),
        ("a name", with_a_name, &named),
    ] {
        let usage: usize = records.ask(&["MEMORY", "USAGE", name]).await;
        println!("{length} bytes after {what}; MEMORY USAGE {usage}");
        assert!(length <= MOST, "{length} after {what}");
    }
    assert!(with_a_name >= after_login + USER.len(), "the name is in it");
}

/// `benches/redis-memory` runs this: ten thousand such sessions in a Redis of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, started by benches/redis-memory"]
async fn ten_thousand_sessions_in_redis() {
    const SESSIONS: usize = 10_000;
    let server = RedisServer::plain().await;
    let vault = vault(&server.url()).await;
    let used = async || -> usize {
        let info: String = server.ask(&["INFO", "memory"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse().unwrap()
    };

    let before = used().await;
    let (mut usages, mut lengths) = (BTreeMap::<usize, usize>::new(), BTreeMap::<usize, usize>::new());
    let mut connection = server.connection().await;
    for number in 0..SESSIONS {
        let name = begin(&vault, number).await;
        let mut usage = redis::cmd("MEMORY");
        let usage: usize = usage.arg("USAGE").arg(&name).query_async(&mut connection).await.unwrap();
        let length: usize = redis::cmd("STRLEN").arg(&name).query_async(&mut connection).await.unwrap();
        *usages.entry(usage).or_default() += 1;
        *lengths.entry(length).or_default() += 1;
    }
    let each = (used().await - before) as f64 / SESSIONS as f64;
    println!(
        "{SESSIONS} sessions: length of the record {lengths:?}, MEMORY USAGE {usages:?} (bytes: sessions)"
    );
    println!("{each:.0} bytes a session in all, tables of names and ends included");
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIFETIMES: Lifetimes = Lifetimes { idle: DAY.saturating_mul(30), absolute: DAY.saturating_mul(365) };

/// The product's own vault over that Redis.
async fn vault(url: &str) -> TokenVault {
    let clock: SharedClock = Arc::new(SystemClock);
    let store = crate::stores::open(url, clock.clone()).await;
    store.check().await.unwrap();
    let key = SealingKey::new(KeyId::parse("k1").unwrap(), random_bytes().into());
    let ring = Arc::new(ArcSwap::from_pointee(KeyRing::new(vec![key]).unwrap()));
    TokenVault::new(store, ring, clock, LIFETIMES, CacheLimits::NONE, Metrics::new(["k1"]))
}

/// Begins a session of ordinary length; what it is called in Redis.
async fn begin(vault: &TokenVault, number: usize) -> String {
    let token = |kind: &str| format!("{kind}{number:0>width$}", width = TOKEN - kind.len());
    let now = SystemClock.now();
    let tokens = TokenSet {
        access: AccessToken::parse(token("A")).unwrap(),
        refresh: Some(RefreshToken::parse(token("R")).unwrap()),
        expires_at: Some(now.plus(30 * DAY)),
    };
    let content = SessionContent {
        principal: Principal::User,
        user_id: Some(USER.to_owned()),
        scopes: Scopes::collect(scopes().iter().map(String::as_str)),
        created_at: now,
        ends_at: now.plus(LIFETIMES.absolute),
        tokens,
        tokens_since: now,
        afterlife: Duration::from_secs(259_200),
    };
    let (id, _) = vault.create(&content).await.unwrap();
    format!("whisk-bff:s:{{{}}}", Key::session(&id).hash_text())
}
