//! Logging in.

use crate::support::World;

/// R1, R48: the whole code grant, then a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_and_calls_the_api() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let answer = browser.get("/v2/me").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], "demo-baker");
}
