//! One refresh token, three instances, hundreds of calls.

use std::time::Duration;

use super::{PATIENT, Plant, short_or_long, world};
use crate::refresh::{at_once, statuses};

const HOUR: Duration = Duration::from_secs(3600);
/// What a token lives that is to expire in this test.
const BRIEFLY: Duration = Duration::from_secs(1);
const INSTANCES: usize = 3;
/// At each instance.
const CALLS: usize = 200;

/// R31, R33, contract §6.1: however the token endpoint hurries, three instances redeem an expired
/// session's refresh token once, and every call succeeds. A second redemption would end the grant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_redeem_a_refresh_token_once_at_a_quick_token_endpoint() {
    redeem_once(Duration::ZERO, short_or_long(2, 50)).await;
}

/// R31, R33, contract §6.1: the same where each answer takes 50 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_redeem_a_refresh_token_once_at_an_ordinary_token_endpoint() {
    redeem_once(Duration::from_millis(50), short_or_long(2, 50)).await;
}

/// R32, contract §6.1: the same where an answer takes three times as long as a lease lasts (6 s).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_redeem_a_refresh_token_once_at_a_token_endpoint_slower_than_the_lease() {
    redeem_once(Duration::from_secs(18), short_or_long(1, 50)).await;
}

async fn redeem_once(token_latency: Duration, times: usize) {
    let plant = Plant::of(world().spawn().await, INSTANCES, &[PATIENT, ("whisk.timeout", "60s")]).await;
    let whisk = &plant.world.sandbox;
    let refreshed = "whisk_bff_refreshes_total{outcome=\"refreshed\"}";
    for time in 1..=times {
        whisk.behaviour(|whisk| {
            whisk.token_latency = Duration::ZERO;
            whisk.access_token_lifetime = BRIEFLY;
        });
        let browser = plant.logged_in().await;
        whisk.behaviour(|whisk| {
            whisk.token_latency = token_latency;
            whisk.access_token_lifetime = HOUR;
        });
        whisk.journal().clear();
        tokio::time::sleep(BRIEFLY + Duration::from_millis(100)).await;

        let answers = at_once(&browser, INSTANCES * CALLS, INSTANCES).await;

        assert_eq!(statuses(&answers), "600×200", "time {time}");
        assert_eq!(whisk.journal().grants("refresh_token"), 1, "time {time}");
        let dead = whisk.journal().count(|entry| entry.target == "/v2/me" && entry.status != Some(200));
        assert_eq!(dead, 0, "no call went out with the expired token");
        let performed: f64 = (0..INSTANCES).map(|process| plant.metric(process, refreshed)).sum();
        assert_eq!(performed, time as f64);
        whisk.behaviour(|whisk| whisk.token_latency = Duration::ZERO);
    }
}
