//! One refresh, however many calls on however many instances ask for it.

use std::time::Duration;

use whisk_sandbox::{ApiFault, Gate, TokenFault};

use super::{HOUR, SECOND, at_once, hourly, refreshes, statuses};
use crate::support::eventually;
use crate::support::records::{Records, record_name};

/// R31, R33: rotation and reuse detection are on, so that a second request would end the grant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_on_two_instances_refresh_an_expired_token_once() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.behaviour(|whisk| whisk.token_latency = Duration::from_millis(100));
    world.advance(HOUR + SECOND);

    let answers = at_once(&browser, 200, 2).await;

    assert_eq!(statuses(&answers), "200×200");
    assert_eq!(refreshes(&world), 1);
    let dead = world.sandbox.journal().count(|entry| entry.target == "/v2/me" && entry.status != Some(200));
    assert_eq!(dead, 0, "no call went out with the expired token");
    let refreshed = "whisk_bff_refreshes_total{outcome=\"refreshed\"}";
    assert_eq!(world.metric(0, refreshed) + world.metric(1, refreshed), 1.0);
}

/// R33: an instance that waited for another's refresh takes what that one stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_waited_uses_the_tokens_that_another_obtained() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);

    let first = async { browser.go_to(0).get("/v2/me").await };
    let second = async {
        gate.reached().await;
        let call = async { browser.go_to(1).get("/v2/me").await };
        let open = async {
            // The call has read the old record and stands before the lease.
            let waits = "whisk_bff_store_operations_total{operation=\"lease\",outcome=\"conflict\"}";
            eventually("the other instance waits", async || {
                world.metrics(1).contains(waits) && world.metric(1, waits) >= 1.0
            })
            .await;
            gate.open();
        };
        tokio::join!(call, open).0
    };
    let (first, second) = tokio::join!(first, second);

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(refreshes(&world), 1);
    assert_eq!(world.metric(1, "whisk_bff_refreshes_total{outcome=\"refreshed\"}"), 0.0);
}

/// R32: the lease is renewed while the token endpoint is slower than a lease lasts (6 s).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_slower_than_its_lease_stays_the_only_one() {
    let world = hourly().redis().instances(2).set("whisk.timeout", "20s").spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Delay(8 * SECOND)));
    world.advance(HOUR + SECOND);

    let answers = at_once(&browser, 20, 2).await;

    assert_eq!(statuses(&answers), "20×200");
    assert_eq!(refreshes(&world), 1);
}

/// R32: a lease whose holder died runs out, and the next one refreshes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_of_a_dead_instance_holds_nobody_up_for_good() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let mut records = Records::of(&world).await;
    let lease = record_name(&browser).replacen(":s:", ":l:", 1);
    let taken: String = records.ask(&["SET", &lease, "a-dead-instance", "PX", "1500"]).await;
    assert_eq!(taken, "OK");
    world.advance(HOUR + SECOND);

    let answer = browser.get("/v2/me").await;

    assert_eq!(answer.status, 200);
    assert_eq!(refreshes(&world), 1);
}

/// W15, R42: Whisk ends the old access token when it issues the new one. Fifty calls have gone
/// out with it when a refresh ahead of time happens behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_survive_a_refresh_that_kills_their_token() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let (token, api) = (Gate::new(), Gate::new());
    world.sandbox.behaviour(|whisk| {
        whisk.token_faults.push_back(TokenFault::Gate(token.clone()));
        whisk.api_faults.extend((0..50).map(|_| ApiFault::Gate(api.clone())));
    });
    world.advance(HOUR - 30 * SECOND);

    let record = record_name(&browser);
    let calls = at_once(&browser, 50, 2);
    let open = async {
        eventually("fifty calls are out", async || api.arrivals() == 50).await;
        token.open();
        let mut records = Records::of(&world).await;
        eventually("the token is refreshed", async || records.generation(&record).await == 2).await;
        api.open();
    };
    let (answers, ()) = tokio::join!(calls, open);

    assert_eq!(statuses(&answers), "50×200");
    assert_eq!(refreshes(&world), 1);
    let refused =
        world.sandbox.journal().count(|entry| entry.target == "/v2/me" && entry.status == Some(401));
    assert_eq!(refused, 50, "each of them met the dead token");
}

/// R41: a token that ages is refreshed behind the call, which does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_an_aging_token_does_not_wait_for_the_refresh() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| {
        whisk.token_faults.push_back(TokenFault::Gate(gate.clone()));
        whisk.refresh_kills_old_access_token = false;
    });
    world.advance(HOUR - 30 * SECOND);

    assert_eq!(browser.get("/v2/me").await.status, 200);
    gate.reached().await;
    assert_eq!(browser.get("/v2/me").await.status, 200, "the answer of the token endpoint is still held");
    gate.open();

    eventually("the new token is in use", async || {
        browser.get("/v2/me").await;
        let calls = world.sandbox.journal().select(|entry| entry.target == "/v2/me");
        calls.last().unwrap().bearer() != calls[0].bearer()
    })
    .await;
    assert_eq!(refreshes(&world), 1);
}
