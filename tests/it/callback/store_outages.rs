//! Logins while the store is away.

use super::*;

/// Contract §5 `store_unavailable`, R115: no login begins that could not be completed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_does_not_begin_without_the_store() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    world.redis().kill();
    let refused = browser.send(first_visit("/auth/login")).await;
    refused.assert_problem(503, "store_unavailable");
    assert_eq!((refused.header("location"), refused.set_cookies()), ("", vec![]));
    assert_eq!(world.metric(0, "whisk_bff_logins_total{outcome=\"begun\"}"), 0.0);
    come_up(&world, &browser).await;
    browser.log_in().await;
}

/// Contract §5 `store_unavailable`, §6.5, R7: a callback during an outage sends no code and takes
/// no cookie; when the store is back, the same callback completes the login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_during_an_outage_can_be_repeated_after_it() {
    let world = World::builder().redis().spawn().await;
    let known = world.logged_in().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login?return_to=/home").await;
    let before = asked(&world);
    world.redis().kill();
    for _ in 0..2 {
        let refused = browser.come_back(&callback).await;
        assert_fault_page(&refused, 503, "store_unavailable");
        assert_eq!((refused.set_cookies(), asked(&world)), (vec![], before));
    }
    come_up(&world, &known).await;
    let done = browser.come_back(&callback).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/home"), "{done:?}");
    assert_eq!(asked(&world), before + 1);
    browser.expect_alive();
}

/// Contract §5 `store_unavailable`, §6.5: a store that hangs and comes back has not used the login
/// up behind our back by commands that it got and did not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_during_a_hang_can_be_repeated_after_it() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    world.redis().freeze();
    let refused = browser.come_back(&callback).await;
    let begun = browser.send(first_visit("/auth/login")).await;
    world.redis().thaw();
    assert_fault_page(&refused, 503, "store_unavailable");
    assert_eq!((refused.set_cookies(), asked(&world)), (vec![], 0));
    begun.assert_problem(503, "store_unavailable");
    assert_eq!((begun.header("location"), begun.set_cookies()), ("", vec![]));

    found_again(&browser).await;
    assert_eq!(browser.come_back(&callback).await.status, 303);
    assert_eq!(asked(&world), 1);
    browser.expect_alive();
}

/// Starts the store again and waits until the broker has found it.
#[expect(clippy::await_holding_lock, reason = "a test has its world's Redis for itself")]
async fn come_up(world: &World, browser: &Browser) {
    world.redis().restart().await;
    found_again(browser).await;
}

/// Waits until logins begin again.
async fn found_again(browser: &Browser) {
    for _ in 0..500 {
        if browser.send(first_visit("/auth/login")).await.status == 302 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the broker does not find the store again");
}
