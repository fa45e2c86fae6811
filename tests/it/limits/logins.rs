//! Logins begun.

use super::{FEW, assert_limited, from, login, use_up, world};
use crate::login::keys_of;
use crate::support::Call;

/// R121: what is refused has stored nothing and sent nobody anywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_stores_nothing() {
    let world = world("logins", FEW).redis().spawn().await;
    let browser = world.browser();
    let refused = use_up(&browser, || from("192.0.2.1", login()), 4, 302).await;
    assert_eq!(refused.header("location"), "");
    for _ in 0..20 {
        assert_limited(&browser.send(from("192.0.2.1", login())).await);
    }
    assert_eq!(keys_of(&world, "t").await.len(), 4);
}

/// What is refused for another reason is not charged: a page with a wrong link costs nobody his
/// login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_begin_is_not_charged() {
    let world = world("logins", FEW).spawn().await;
    let browser = world.browser();
    for _ in 0..9 {
        let wrong = Call::get("/auth/login?return_to=//evil.test").no_cookies();
        browser
            .send(wrong.metadata("same-origin", "navigate", "document"))
            .await
            .assert_problem(400, "invalid_return_to");
        let forged = Call::get("/auth/login").metadata("cross-site", "no-cors", "image").no_cookies();
        browser.send(forged).await.assert_problem(403, "csrf_rejected");
    }
    use_up(&browser, login, 4, 302).await;
}

/// R121, R47: a session at an address whose logins are used up goes on, and so does a login that
/// had begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_logged_in_or_about_to_be_notices_nothing() {
    let world = world("logins", FEW).spawn().await;
    let (session, waiting) = (world.logged_in().await, world.browser());
    let callback = waiting.authorize("/auth/login").await;
    use_up(&world.browser(), login, 2, 302).await;

    assert_eq!(session.get("/v2/me").await.status, 200);
    assert_eq!(session.get("/auth/session").await.json()["authenticated"], true);
    assert_eq!(waiting.come_back(&callback).await.status, 303);
    assert_eq!(waiting.get("/v2/me").await.status, 200);
}
