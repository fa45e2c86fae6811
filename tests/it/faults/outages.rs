//! Redis goes away under steady traffic, in four ways, and comes back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use whisk_sandbox::User;

use super::{Plant, short_or_long, world};
use crate::support::hole::Hole;
use crate::support::{Browser, Call};

const INSTANCES: usize = 2;
/// `store.timeout`, by default.
const STORE_TIMEOUT: Duration = Duration::from_millis(500);
/// `store.outage_grace`, by default.
const GRACE: Duration = Duration::from_secs(30);
/// From the moment in which Redis is back until every session works.
const RECOVERY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, PartialEq)]
enum Outage {
    /// SIGTERM, and a new start.
    Stop,
    /// SIGKILL, and a new start with the data that was kept.
    Kill,
    /// SIGSTOP: connections stay, nobody answers.
    Freeze,
    /// Nothing comes through, and nobody is told.
    BlackHole,
}

/// R115, R61, contract §6.5: Redis ends in good order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_stopped_logs_nobody_out() {
    survive(Outage::Stop).await;
}

/// R115, R61, contract §6.5 and §6.6: Redis is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_logs_nobody_out() {
    survive(Outage::Kill).await;
}

/// R115, R61, contract §6.5: Redis hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_logs_nobody_out() {
    survive(Outage::Freeze).await;
}

/// R115, R61, contract §6.5: the network swallows everything. Connections of that time stay dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_behind_a_black_hole_logs_nobody_out() {
    survive(Outage::BlackHole).await;
}

async fn survive(outage: Outage) {
    let (sessions, a_second, lasts) = short_or_long((10, 20, 5), (50, 100, 30));
    let users = (0..=sessions).map(|n| User::new(format!("user-{n}"), format!("User {n}"))).collect();
    let world = world().sandbox(|config| config.users = users).spawn().await;
    let hole = Hole::before(SocketAddr::from(([127, 0, 0, 1], world.redis().port()))).await;
    let url = format!("redis://{}/0", hole.address());
    let plant = Plant::of(world, INSTANCES, &[("store.url", &url)]).await;
    let mut browsers = Vec::new();
    for user in 0..sessions {
        let browser = plant.browser();
        browser.log_in_as(&format!("user-{user}")).await;
        browsers.push(Arc::new(browser));
    }
    for process in 0..INSTANCES {
        for browser in &browsers {
            plant.warm(browser, process).await;
        }
    }
    // Nobody has asked for this session yet.
    let cold = plant.browser();
    cold.log_in_as(&format!("user-{sessions}")).await;

    let began = Instant::now();
    let lasts = Duration::from_secs(lasts);
    let calls = steady_calls(&browsers, a_second, lasts + RECOVERY + Duration::from_secs(2));
    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let away = began.elapsed();
        match outage {
            Outage::Stop => plant.world.redis().stop(),
            Outage::Kill => plant.world.redis().kill(),
            Outage::Freeze => plant.world.redis().freeze(),
            Outage::BlackHole => hole.swallow(),
        }
        tokio::time::sleep(lasts / 2).await;
        let answer = cold.get("/v2/me").await;
        answer.assert_problem(503, "store_unavailable");
        assert_eq!(answer.set_cookies(), [""; 0]);
        tokio::time::sleep(lasts / 2).await;
        match outage {
            Outage::Stop | Outage::Kill => plant.world.redis().restart().await,
            Outage::Freeze => plant.world.redis().thaw(),
            Outage::BlackHole => hole.fill(),
        }
        let back = began.elapsed();
        for process in 0..INSTANCES {
            while cold.go_to(process).get("/v2/me").await.status != 200 {
                assert!(began.elapsed() < back + RECOVERY, "the session nobody knew at {process}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        (away, back)
    };
    let (calls, (away, back)) = tokio::join!(calls, change);

    let mut counted = BTreeMap::<(&str, u16), usize>::new();
    for call in &calls {
        assert!(call.began > away || call.status == 200, "before the outage: {}", call.status);
        assert!(call.began < back + RECOVERY || call.status == 200, "{} after the return", call.status);
        let when = if call.began < away {
            "before"
        } else if call.began < back.min(away + GRACE) {
            "during"
        } else if call.began < back {
            "after the grace"
        } else {
            "after"
        };
        *counted.entry((when, call.status)).or_default() += 1;
    }
    let refused = || calls.iter().filter(|call| call.status == 503).map(|call| call.began);
    println!("away at {away:?}, back at {back:?}: {counted:?}");
    println!("503 from {:?} to {:?}", refused().min(), refused().max());
    let mut waits: Vec<Duration> =
        calls.iter().filter(|call| call.began > away && call.began < back).map(|call| call.took).collect();
    waits.sort();
    println!(
        "a call takes {:?} (p50), {:?} (p90) in the outage",
        waits[waits.len() / 2],
        waits[waits.len() * 9 / 10]
    );
    // A few ask the store, in vain; nearly all need not wait for that.
    assert!(waits[waits.len() * 7 / 10] < STORE_TIMEOUT, "{waits:?}");
    let during = |status| counted.get(&("during", status)).copied().unwrap_or_default();
    assert!(during(200) > 0 && during(503) * 100 <= during(200), "warm sessions are served: {counted:?}");
    plant.recovered().await;
    // Every instance is sure of itself again.
    for process in 0..INSTANCES {
        for browser in browsers.iter().take(3) {
            plant.warm(browser, process).await;
        }
    }
    assert!(hole.taken() > 0);
}

struct Seen {
    /// After the traffic began.
    began: Duration,
    took: Duration,
    status: u16,
}

/// So many calls a second for so long, by all browsers in turn, at the instances in turn. Each
/// answer is the right user's, or a 503 that says when to come again; none touches a cookie.
async fn steady_calls(browsers: &[Arc<Browser>], a_second: u32, lasts: Duration) -> Vec<Seen> {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / a_second);
    let mut calls = JoinSet::new();
    let mut number = 0;
    while began.elapsed() < lasts {
        ticks.tick().await;
        let user = number % browsers.len();
        let browser = Arc::clone(&browsers[user]);
        let process = number / browsers.len() % INSTANCES;
        number += 1;
        calls.spawn(async move { call(&browser, user, process, began).await });
    }
    calls.join_all().await
}

async fn call(browser: &Browser, user: usize, process: usize, traffic: Instant) -> Seen {
    let began = traffic.elapsed();
    let answer = browser.go_to(process).send(Call::get("/v2/me")).await;
    match answer.status.as_u16() {
        200 => assert_eq!(answer.json()["id"], format!("user-{user}")),
        503 => {
            answer.assert_problem(503, "store_unavailable");
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        }
        _ => panic!("{answer:?}"),
    }
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.header("location"), "");
    Seen { began, took: traffic.elapsed() - began, status: answer.status.as_u16() }
}
