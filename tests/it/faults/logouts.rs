//! Logout wins.

use std::time::{Duration, Instant};

use whisk_sandbox::{Gate, TokenFault};

use super::{PATIENT, Plant, short_or_long, world};
use crate::support::{Browser, Call, eventually};

/// Contract §6.2.
const LIMIT: Duration = Duration::from_secs(1);

/// R37, R60, contract §6.2: a logout before, during and after the moment in which the token endpoint
/// answers: the cookie is dead on every instance within a second, nothing is left in Redis, and
/// nothing comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_in_the_middle_of_a_refresh_wins_on_every_instance() {
    let mut plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    for time in 0..short_or_long(20, 1000) {
        log_out_in_a_refresh(&mut plant, time).await;
    }
    // Whatever a late write could have brought back is there by now.
    tokio::time::sleep(LIMIT).await;
    assert_eq!(plant.world.redis().keys().await, ["whisk-bff:schema"]);
    assert_eq!(plant.world.redis().ttl_violations().await, [""; 0]);
}

async fn log_out_in_a_refresh(plant: &mut Plant, time: u64) {
    let whisk = &plant.world.sandbox;
    let browser = plant.logged_in().await;
    browser.expect_ended();
    let cookie = browser.cookie_line();
    // Both instances have it in their caches.
    for process in [0, 1] {
        assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
    }
    let gate = Gate::new();
    let fault = match time % 4 {
        // The logout comes while the answer is held; afterwards; or about when it arrives.
        0 | 1 => TokenFault::Gate(gate.clone()),
        2 => TokenFault::Delay(Duration::from_millis(time % 30)),
        _ => TokenFault::DelayAfterCommit(Duration::from_millis(time % 30)),
    };
    let begun = whisk.journal().grants("refresh_token");
    whisk.behaviour(|whisk| whisk.token_faults.push_back(fault));
    whisk.expire_access_tokens();

    let call = browser.send_as(&cookie, 0);
    let log_out = async {
        eventually("the refresh has begun", async || whisk.journal().grants("refresh_token") > begun).await;
        if time % 4 > 1 {
            tokio::time::sleep(Duration::from_millis(time % 37)).await;
        }
        assert_eq!(browser.go_to(1).post("/auth/logout").await.status, 204);
        let ended = Instant::now();
        if time.is_multiple_of(4) {
            gate.open();
        }
        for process in [0, 1] {
            if time % 4 == 1 && process == 0 {
                // There the call joins the refresh, which is still held.
                continue;
            }
            dead(&browser, &cookie, process, ended).await;
        }
        gate.open();
        ended
    };
    let (answer, ended) = tokio::join!(call, log_out);
    assert!(matches!(answer.status.as_u16(), 200 | 401), "{answer:?}");
    dead(&browser, &cookie, 0, ended).await;
    eventually("no key is left", async || plant.world.redis().keys().await == ["whisk-bff:schema"]).await;
    for process in [0, 1] {
        assert_eq!(browser.send_as(&cookie, process).await.status, 401, "it came back, time {time}");
    }
}

/// Asks until the answer is 401, which must be within the limit.
async fn dead(browser: &Browser, cookie: &str, process: usize, ended: Instant) {
    loop {
        let asked = ended.elapsed();
        let answer = browser.send_as(cookie, process).await;
        if answer.status == 401 {
            return;
        }
        assert!(asked < LIMIT, "still {} at {process} after {asked:?}", answer.status);
    }
}

impl Browser {
    /// A call with this cookie instead of the jar's. The API may refuse its token first.
    async fn send_as(&self, cookie: &str, process: usize) -> crate::support::Answer {
        let call = Call::get("/v2/me").no_cookies().header("cookie", cookie).reaches_the_api();
        self.go_to(process).send(call).await
    }
}
