//! Callbacks that fail.

use super::{FEW, assert_limited, foreign_callback, use_up, world};
use crate::support::Call;
use crate::support::records::Records;

/// R121, R8: the refusal is a page for a person, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_failed_callbacks_end_on_a_page() {
    let world = world("failed_callbacks", FEW).spawn().await;
    let refused = use_up(&world.browser(), foreign_callback, 4, 400).await;
    assert_eq!(refused.header("content-type"), "text/html; charset=utf-8");
    assert!(refused.text().contains("Please try again in a little while."), "{refused:?}");
}

/// R121: browsers share addresses. A login of ours is completed, and told the truth where it
/// fails, whatever others at its address do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_in_progress_goes_on_at_an_address_that_is_used_up() {
    let world = world("failed_callbacks", FEW).redis().instances(2).spawn().await;
    let (browser, denied) = (world.browser(), world.browser());
    use_up(&world.browser(), foreign_callback, 4, 400).await;

    let callback = browser.authorize("/auth/login").await;
    assert_eq!(browser.go_to(1).come_back(&callback).await.status, 303);
    browser.expect_alive();
    // Used, it is no login any more; this instance hears from the other that it is too much.
    assert_limited(&browser.come_back(&callback).await);
    let callback = denied.decide("/auth/login", "deny", None).await;
    denied.come_back(&callback).await.assert_problem(400, "login_failed");
    assert_limited(&world.browser().send(foreign_callback()).await);
}

/// R121: a cookie that somebody made up for a login is known as such without asking the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_login_cookie_costs_the_store_nothing() {
    let world = world("failed_callbacks", FEW).redis().spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let line = browser.cookie_line();
    let (name, value) = line.split_once('=').expect("the login's cookie");
    let (since, binding) = value.split_once('.').expect("its binding");
    assert_eq!(binding.len(), 22);
    let forged = || {
        let call = Call::get(&callback).metadata("cross-site", "navigate", "document").no_cookies();
        call.header("cookie", format!("{name}={since}.{}", "A".repeat(22)))
    };
    let attacker = world.browser();
    use_up(&attacker, forged, 4, 400).await;
    let mut records = Records::of(&world).await;
    let before = records.calls(&["get"]).await;
    for _ in 0..50 {
        assert_limited(&attacker.send(forged()).await);
    }
    assert_eq!(records.calls(&["get"]).await, before);
    // And the login whose state he knew is the other browser's still.
    assert_eq!(browser.come_back(&callback).await.status, 303);
}
