//! Redis goes away and comes back; Redis is not there at the start.

use super::{browser_at, process, world};
use crate::support::eventually;
use crate::support::process::Process;

/// R115, contract §6.5 and §8: with nothing that the cache may serve, a call gets 503, nothing
/// reaches the API, the cookie stays; the process is alive and ready, and says `degraded`. It
/// heals by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_away_logs_nobody_out_and_comes_back_by_itself() {
    let world = world().set("store.timeout", "500ms").spawn().await;
    let uncached = [("store.cache_max_age", "0s"), ("store.outage_grace", "0s")];
    let process = process(&world, &uncached).await;
    let browser = browser_at(&world, &process);
    browser.log_in().await;
    eventually("a first answer", async || browser.get("/v2/me").await.status == 200).await;
    let (status, body) = process.ask_admin("/readyz");
    assert_eq!((status, readiness(&body)), (200, ("ok".to_owned(), "ok".to_owned())));

    world.redis().stop();
    let calls = world.sandbox.journal().api().len();
    let logins = world.sandbox.journal().token().len();
    for _ in 0..3 {
        let answer = browser.get("/v2/me").await;
        answer.assert_problem(503, "store_unavailable");
        assert_eq!(answer.set_cookies(), [""; 0]);
        assert_eq!(answer.header("location"), "");
        let logout = browser.post("/auth/logout").await;
        logout.assert_problem(503, "store_unavailable");
        assert_eq!(logout.set_cookies(), [""; 0]);
    }
    assert_eq!(world.sandbox.journal().api().len(), calls, "no call reached the API");
    assert_eq!(world.sandbox.journal().token().len(), logins);
    eventually("the outage told by /readyz", async || {
        let (status, body) = process.ask_admin("/readyz");
        status == 200 && readiness(&body) == ("degraded".to_owned(), "away".to_owned())
    })
    .await;
    let (status, body) = process.ask_admin("/livez");
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"ok\"}"));

    world.redis().restart().await;
    eventually("the same cookie's 200", async || browser.get("/v2/me").await.status == 200).await;
    eventually("the end of the outage told by /readyz", async || {
        let (status, body) = process.ask_admin("/readyz");
        status == 200 && readiness(&body) == ("ok".to_owned(), "ok".to_owned())
    })
    .await;
    // One record a change, not one a second.
    let told = |message: &str| process.records().iter().filter(|record| record["message"] == message).count();
    eventually("its end in the log", async || told("the store answers") == 2).await;
    assert_eq!((told("the store is away"), told("the store answers")), (1, 2), "{}", process.logs());
}

/// R115, contract §8: an instance that starts before its Redis lives, is not ready, and becomes so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_absent_at_the_start_is_waited_for() {
    let world = world().set("store.timeout", "500ms").spawn().await;
    world.redis().stop();
    let process = Process::serve(super::environment(&world, &[])).await;
    let (status, body) = process.ask_admin("/readyz");
    assert_eq!(status, 503, "{body}");
    assert_eq!(readiness(&body).0, "starting");
    assert_eq!(process.ask_admin("/livez").0, 200);
    let browser = browser_at(&world, &process);
    browser.navigate("/auth/login").await.assert_problem(503, "store_unavailable");
    let session = browser.get("/auth/session").await;
    assert_eq!((session.status.as_u16(), &session.json()["authenticated"]), (200, &false.into()));

    world.redis().restart().await;
    eventually("readiness", async || process.ask_admin("/readyz").0 == 200).await;
    browser.log_in().await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// The status as a whole, and the store's.
fn readiness(body: &str) -> (String, String) {
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let store = body["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "store");
    let text = |value: &serde_json::Value| value.as_str().expect("a status").to_owned();
    (text(&body["status"]), text(&store.expect("the store's check")["status"]))
}
