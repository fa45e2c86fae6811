//! The store is away: calls wait for it or go on, and nobody is logged out.

use crate::support::{Call, World, eventually};

/// R38, R115, contract §5 `store_unavailable`: 503 with `Retry-After` from an instance that does
/// not know the session, nothing forwarded, the cookie left alone, no redirect; and it heals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_unavailable_is_the_answer_while_the_store_is_away() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let cookie = browser.session_cookie();
    browser.go_to(1);
    world.redis().freeze();
    let mut answers = Vec::new();
    for call in [
        Call::get("/v2/me"),
        Call::post("/v2/echo").body("x"),
        Call::get("/auth/session"),
        Call::post("/auth/logout"),
    ] {
        answers.push(browser.send(call).await);
    }
    let login = browser.navigate("/auth/login").await;
    world.redis().thaw();
    for answer in answers {
        answer.assert_problem(503, "store_unavailable");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(answer.set_cookies().is_empty());
        assert_eq!(answer.header("location"), "");
    }
    assert_eq!(login.status, 503, "{login:?}");
    assert!(login.set_cookies().is_empty());
    assert_eq!(browser.session_cookie(), cookie);
    assert!(world.sandbox.journal().api().is_empty());
    eventually("the store is back", async || browser.get("/v2/me").await.status == 200).await;
}
