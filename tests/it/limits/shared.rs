//! Several instances, one Redis; and no Redis.
#![allow(clippy::await_holding_lock, reason = "nobody else in a test asks for its Redis meanwhile")]

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{FEW, KINDS, Kind, assert_limited, from, login, made_up, use_up, world};
use crate::support::records::Records;
use crate::support::{Call, World, eventually};

/// Whether this run has time.
pub(super) fn long() -> bool {
    std::env::var_os("WHISK_BFF_LONG_TESTS").is_some()
}

/// The buckets in Redis, and how long each lives, in milliseconds.
async fn buckets(world: &World) -> Vec<(String, i64)> {
    let mut records = Records::of(world).await;
    let mut buckets = Vec::new();
    for key in records.ask::<Vec<String>>(&["KEYS", "whisk-bff:r:*"]).await {
        let left = records.ask(&["PTTL", &key]).await;
        buckets.push((key, left));
    }
    buckets
}

/// R121, R123: instances count together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_up_at_one_instance_is_used_up_at_the_others() {
    for Kind { limit, call, status } in KINDS {
        let world = world(limit, FEW).redis().instances(3).set("store.timeout", "10s").spawn().await;
        let browser = world.browser();
        for instance in [0, 1, 2, 0] {
            browser.go_to(instance);
            assert_eq!(browser.send(from("192.0.2.1", call())).await.status, status, "{limit} at {instance}");
        }
        for instance in 0..3 {
            browser.go_to(instance);
            let wait = assert_limited(&browser.send(from("192.0.2.1", call())).await);
            assert!(wait <= Duration::from_secs(600), "{wait:?}");
            assert_eq!(browser.send(from(&format!("192.0.2.{}", 7 + instance), call())).await.status, status);
        }
        world.advance(Duration::from_secs(600));
        let answers: Vec<u16> = stream::iter(0..3)
            .then(|instance| {
                browser.go_to(instance);
                browser.send(from("192.0.2.1", call()))
            })
            .map(|answer| answer.status.as_u16())
            .collect()
            .await;
        assert_eq!(answers, [status, 429, 429], "{limit}");
    }
}

/// R121, contract §6.5: without Redis each instance counts for itself, and nobody gets a 503 for a
/// limit's sake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_process_alone_decides() {
    let world = world("unknown_cookies", FEW).set("limits.logins", FEW).redis().instances(2).spawn().await;
    let browser = world.browser();
    assert_eq!(browser.send(made_up()).await.status, 401);
    world.redis().freeze();
    for instance in 0..2 {
        browser.go_to(instance);
        // What one instance has heard of stays counted there.
        use_up(&browser, made_up, 4 - usize::from(instance == 0), 401).await;
        for _ in 0..4 {
            browser.send(login()).await.assert_problem(503, "store_unavailable");
        }
        assert_limited(&browser.send(login()).await);
    }
    world.redis().thaw();
    let waiting = world.browser();
    eventually("a login elsewhere", async || waiting.send(from("192.0.2.44", login())).await.status == 302)
        .await;
}

/// R28, R121: neither an address nor what can be guessed from a hash of one is in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_learns_no_address() {
    let world = world("logins", FEW).redis().spawn().await;
    let browser = world.browser();
    for client in ["203.0.113.77", "2001:db8:77:77::77"] {
        browser.send(from(client, login())).await;
    }
    let buckets = buckets(&world).await;
    assert_eq!(buckets.len(), 2, "{buckets:?}");
    for (name, left) in &buckets {
        assert!((1..=600_000).contains(left), "{name} lives for {left} ms");
        assert_eq!(name.len(), "whisk-bff:r:{}".len() + 43, "{name}");
    }
    let dump = world.redis().dump_all_bytes().await;
    let text = String::from_utf8_lossy(&dump).into_owned();
    for piece in ["203.0.113", "2001:db8", "cb00714d", "logins"] {
        assert!(!text.contains(piece), "{piece} is in Redis");
    }
    assert!(!dump.windows(4).any(|bytes| bytes == [203, 0, 113, 77]));
}

/// R121: a flood from one address is one key; one from many leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_nothing_in_redis() {
    let world = world("unknown_cookies", "600/1m").redis().spawn().await;
    let browser = &world.browser();
    let forged =
        |n: usize| Call::get("/v2/me").no_cookies().header("cookie", format!("__Host-Http-whisk={n}"));
    let flood = async |count: usize, client: &(dyn Fn(usize) -> String + Sync)| {
        let calls = stream::iter(0..count).map(|n| browser.send(from(&client(n), forged(n))));
        calls.buffer_unordered(16).map(|answer| answer.status.as_u16()).collect::<Vec<_>>().await
    };
    let count = if long() { 10_000 } else { 1000 };
    let one = flood(count, &|_| "192.0.2.1".to_owned()).await;
    assert!(one.iter().filter(|status| **status == 429).count() > 200, "{}", one.len());
    assert_eq!(buckets(&world).await.len(), 1);

    let many = flood(count, &|n| format!("198.18.{}.{}", n / 250, n % 250)).await;
    assert!(many.iter().all(|status| *status == 401));
    assert!(buckets(&world).await.iter().all(|(_, left)| *left <= 60_000 && *left != -1));
    eventually("the buckets' ends", async || buckets(&world).await.len() <= 1).await;
}

/// R121: the process's own memory is bounded, and whoever is limited stays so in a flood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_many_addresses_fills_no_memory_and_frees_nobody() {
    let world = world("unknown_cookies", "20/1h").set("limits.addresses", "1024").spawn().await;
    let browser = &world.browser();
    use_up(browser, || from("192.0.2.1", made_up()), 20, 401).await;
    let count = if long() { 60_000 } else { 3000 };
    let calls = stream::iter(0..count).map(|n: usize| {
        browser.send(from(&format!("2001:db8:{:x}:{:x}::1", n / 65_536, n % 65_536), made_up()))
    });
    let mut passed = 0;
    let mut calls = calls.buffer_unordered(16);
    while let Some(answer) = calls.next().await {
        passed += usize::from(answer.status == 401);
    }
    // As many as the whole table takes, and no more.
    assert!(passed >= count.min(1024 * 8) && passed <= 1024 * 21, "{passed} of {count}");
    let known = world.metric(0, r#"whisk_bff_rate_limit_addresses{limit="unknown_cookies"}"#);
    assert!((900.0..=1024.0).contains(&known), "{known} addresses are remembered");
    assert_limited(&browser.send(from("192.0.2.1", made_up())).await);
}
