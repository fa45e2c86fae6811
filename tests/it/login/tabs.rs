//! Several tabs at once.

use super::*;

/// R12: tabs that finish in reverse order each land where they were going.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_that_finish_in_reverse_order_each_get_their_own_page() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.browser();
    let mut callbacks = Vec::new();
    for tab in ["/one", "/two", "/three"] {
        callbacks.push((tab, browser.authorize(&format!("/auth/login?return_to={tab}")).await));
    }
    assert_eq!(browser.pending_logins(), 3);
    let mut sessions = Vec::new();
    for (number, (tab, callback)) in callbacks.iter().rev().enumerate() {
        let done = browser.go_to(number % 2).come_back(callback).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, *tab));
        assert_eq!(browser.pending_logins(), 2 - number);
        assert_eq!(browser.get("/v2/me").await.status, 200);
        sessions.push(browser.session_cookie().unwrap());
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 3);
    assert_eq!(world.sandbox.journal().granted("authorization_code"), 3);
    assert_eq!(keys_of(&world, "t").await, Vec::<String>::new());
    browser.expect_alive();
}

/// R12: a code of one tab with the state of another is refused by the authorization server's
/// check of the verifier, and no tab gets the other's page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tabs_code_does_not_complete_another_tabs_login() {
    let world = World::spawn().await;
    let browser = world.browser();
    let one = browser.authorize("/auth/login?return_to=/one").await;
    let two = browser.authorize("/auth/login?return_to=/two").await;
    let crossed =
        format!("/auth/callback?code={}&state={}", of_callback(&one, "code"), of_callback(&two, "state"));
    let refused = browser.come_back(&crossed).await;
    refused.assert_problem(400, "login_failed");
    assert_eq!((refused.header("location"), session_cookies(&refused)), ("", vec![]));
}
