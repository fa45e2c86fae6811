//! What one instance does to a session, the others obey; and a warm call asks nobody.

use std::time::{Duration, Instant};

use whisk_sandbox::ApiFault;

use super::{CACHE_HITS, LOADS, PATIENT, Plant, short_or_long, world};
use crate::support::records::Records;
use crate::support::{Browser, Call, eventually};

/// Contract §6.2.
const LIMIT: Duration = Duration::from_secs(1);
/// Where the feed is cut and nobody has noticed yet: a marker's two seconds, and what a machine adds.
const LIMIT_WITHOUT_FEED: Duration = Duration::from_secs(3);

/// R60, R61, contract §6.2: sessions that two instances have in memory end at one of them: the other
/// obeys within a second, and nearly always within a tenth of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_at_one_instance_is_obeyed_by_the_other_within_a_second() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    let mut took = Vec::new();
    for time in 0..short_or_long(200, 2000) {
        let (here, there) = (time % 2, (time + 1) % 2);
        let browser = plant.logged_in().await;
        if time == 0 {
            plant.warm(&browser, here).await;
            plant.warm(&browser, there).await;
        }
        for process in [here, there] {
            assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
        }
        took.push(log_out(&browser, here, there, LIMIT).await);
    }
    report("a logout", &mut took);
    for process in [0, 1] {
        assert!(plant.metric(process, CACHE_HITS) > 0.0, "nothing was in memory");
    }
}

/// R61: a new generation, made at one instance, is used by the other within a second, although what
/// that one has in memory is not refused by anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tokens_of_one_instance_are_used_by_the_other_within_a_second() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    let whisk = &plant.world.sandbox;
    whisk.behaviour(|whisk| whisk.refresh_kills_old_access_token = false);
    let browser = plant.logged_in().await;
    for process in [0, 1] {
        plant.warm(&browser, process).await;
    }
    let mut took = Vec::new();
    for time in 0..short_or_long(50, 500) {
        let (here, there) = (time % 2, (time + 1) % 2);
        let before = serial(&browser, there).await;
        let refused = ApiFault::Status(401, "{}".to_owned(), "application/json".to_owned());
        whisk.behaviour(|whisk| whisk.api_faults.push_back(refused));
        let renewed = serial(&browser, here).await;
        assert!(renewed > before);
        let stored = Instant::now();
        while serial(&browser, there).await != renewed {
            assert!(stored.elapsed() < LIMIT, "{:?}", stored.elapsed());
        }
        took.push(stored.elapsed());
    }
    report("a refresh", &mut took);
    let dead = whisk.journal().count(|entry| entry.target == "/v2/me" && entry.status == Some(401));
    assert_eq!(dead, took.len(), "nobody but the test refused a token");
}

/// R61, contract §6.2 as far as it goes: the feed of every instance is cut in the very moment of a
/// logout: it is obeyed all the same, no later than the markers' silence is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_obeyed_although_the_feed_is_cut_in_that_moment() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    let mut redis = Records::of(&plant.world).await;
    let mut took = Vec::new();
    for time in 0..short_or_long(10, 200) {
        let (here, there) = (time % 2, (time + 1) % 2);
        let browser = plant.logged_in().await;
        plant.warm(&browser, there).await;
        let cut: u64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        // The other one's at least: it was alive a moment ago.
        assert!(cut >= 1, "{cut}");
        took.push(log_out(&browser, here, there, LIMIT_WITHOUT_FEED).await);
    }
    report("a logout without a feed", &mut took);
}

/// R61, contract §3 `store.cache_max_age`: by default a warm call makes no round trip to the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_warm_calls_ask_the_store_nothing() {
    let plant = Plant::of(world().spawn().await, 1, &[PATIENT]).await;
    let browser = plant.logged_in().await;
    plant.warm(&browser, 0).await;
    let mut redis = Records::of(&plant.world).await;
    let reads = ["get", "getrange", "getex", "getdel", "mget"];
    let (asked, loaded) = (redis.calls(&reads).await, plant.metric(0, LOADS));
    for _ in 0..100 {
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    assert_eq!(redis.calls(&reads).await, asked);
    assert_eq!(plant.metric(0, LOADS), loaded);
    // What is counted does happen: another session is asked for.
    assert_eq!(plant.logged_in().await.get("/v2/me").await.status, 200);
    assert!(redis.calls(&reads).await > asked);
}

/// Contract §3 `store.cache_max_age` = 0: every call asks the store, and a logout is obeyed at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cache_every_call_asks_the_store() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT, ("store.cache_max_age", "0s")]).await;
    let browser = plant.logged_in().await;
    for process in [0, 1] {
        let loaded = plant.metric(process, LOADS);
        for _ in 0..20 {
            assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
        }
        assert_eq!(plant.metric(process, LOADS), loaded + 20.0);
        assert_eq!(plant.metric(process, CACHE_HITS), 0.0);
    }
    let cookie = browser.cookie_line();
    browser.expect_ended();
    assert_eq!(browser.go_to(0).post("/auth/logout").await.status, 204);
    let call = Call::get("/v2/me").no_cookies().header("cookie", cookie);
    browser.go_to(1).send(call).await.assert_problem(401, "login_required");
}

/// Contract §3 `store.cache_max_age`: however well the feed is, nothing is older than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_memory_is_older_than_it_may_be() {
    let plant = Plant::of(world().spawn().await, 1, &[PATIENT, ("store.cache_max_age", "1s")]).await;
    let browser = plant.logged_in().await;
    plant.warm(&browser, 0).await;
    let record = crate::support::records::record_name(&browser);
    browser.expect_ended();
    // Nobody is told of this.
    let _: u64 = Records::of(&plant.world).await.ask(&["DEL", &record]).await;
    let gone = Instant::now();
    eventually("the end", async || browser.get("/v2/me").await.status == 401).await;
    assert!(gone.elapsed() < Duration::from_secs(2), "{:?}", gone.elapsed());
}

/// Logs out at one process; how long until the other refuses the cookie.
async fn log_out(browser: &Browser, here: usize, there: usize, limit: Duration) -> Duration {
    let cookie = browser.cookie_line();
    browser.expect_ended();
    assert_eq!(browser.go_to(here).post("/auth/logout").await.status, 204);
    let ended = Instant::now();
    browser.go_to(there);
    loop {
        let asked = ended.elapsed();
        let answer = browser.send(Call::get("/v2/me").no_cookies().header("cookie", &cookie)).await;
        match answer.status.as_u16() {
            401 => return asked,
            200 => assert!(asked < limit, "still served after {asked:?}"),
            _ => panic!("{answer:?}"),
        }
    }
}

/// Which access token of its grant a call went out with.
async fn serial(browser: &Browser, process: usize) -> u64 {
    let answer = browser.go_to(process).get("/v2/me").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token_serial"].as_u64().expect("a number")
}

fn report(what: &str, took: &mut [Duration]) {
    took.sort();
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("{what} is obeyed elsewhere: median {median:?}, p99 {p99:?}, worst {:?}", took[took.len() - 1]);
}
