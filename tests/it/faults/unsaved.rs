//! Tokens that one instance was given while the store was away.

use std::time::Duration;

use whisk_sandbox::{Gate, TokenFault};

use super::{Plant, world};
use crate::support::records::record_name;
use crate::support::{Browser, Call, eventually};

/// R36, R38, contract §6.5: the store hangs in the moment in which one instance is given new tokens,
/// for longer than its lease lasts. When it is back, the other instance is asked at once, again and
/// again: it waits for those tokens, and does not redeem the old one, which would end the grant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_could_not_be_stored_reach_the_other_instance_when_the_store_is_back() {
    let plant = Plant::of(world().spawn().await, 2, &[]).await;
    let whisk = &plant.world.sandbox;
    whisk.behaviour(|whisk| whisk.access_token_lifetime = Duration::from_secs(1));
    let browser = plant.logged_in().await;
    let record = record_name(&browser);
    let gate = Gate::new();
    whisk.behaviour(|whisk| {
        whisk.access_token_lifetime = Duration::from_secs(3600);
        whisk.token_faults.push_back(TokenFault::Gate(gate.clone()));
    });
    tokio::time::sleep(Duration::from_millis(1100)).await;

    let freeze = async {
        gate.reached().await;
        plant.world.redis().freeze();
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.go_to(0).get("/v2/me"), freeze);
    assert_eq!(answer.status, 200, "{answer:?}");
    // Longer than a lease.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let pressing = press(&browser);
    let thaw = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        plant.world.redis().thaw();
        eventually("the new tokens are stored", async || {
            let stored: Vec<u8> = plant.world.redis().ask(&["GET", &record]).await;
            stored[2 + usize::from(stored[1]) + 7] == 2
        })
        .await;
    };
    tokio::join!(pressing, thaw);

    for process in [0, 1] {
        assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
    }
    assert_eq!(whisk.journal().grants("refresh_token"), 1, "nobody redeemed the old token");
    plant.recovered().await;
}

/// Calls at the second instance, several at a time, until one is answered with 200.
async fn press(browser: &Browser) {
    let caller = || async {
        loop {
            let answer = browser.go_to(1).send(Call::get("/v2/me")).await;
            match answer.status.as_u16() {
                200 => return,
                503 => assert_eq!(answer.set_cookies(), [""; 0]),
                _ => panic!("{answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::join!(caller(), caller(), caller(), caller());
}
