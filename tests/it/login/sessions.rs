//! The session that a login begins, and the one that it takes the place of.

use super::*;

/// R18, R51: a new login gives a new id; the old cookie is dead on every instance and the old
/// record is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_the_place_of_the_session_before_it() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let old = browser.session_cookie().unwrap();
    browser.log_in().await;
    let new = browser.session_cookie().unwrap();
    assert_ne!(old, new);
    assert_eq!(keys_of(&world, "s").await.len(), 1);

    let thief = world.browser();
    for instance in [0, 1] {
        thief.set_cookie("__Host-Http-whisk", &old);
        thief.go_to(instance).get("/v2/me").await.assert_problem(401, "login_required");
        assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
    }
}

/// R18: with `session.same_site = lax` the cookie comes along to the callback, and that session
/// ends even where the login was begun without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_presented_at_the_callback_ends_too() {
    let world = World::builder().redis().set("session.same_site", "lax").spawn().await;
    let browser = world.logged_in().await;
    let old = browser.session_cookie().unwrap();
    let begun = browser.send(first_visit("/auth/login")).await;
    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    let done = browser.send(Call::get(&callback).metadata("cross-site", "navigate", "document")).await;
    assert_eq!(done.status, 303);
    assert!(attributes(&session_cookies(&done)[0]).contains(&"SameSite=Lax".to_owned()));
    assert_ne!(browser.session_cookie().unwrap(), old);
    assert_eq!(keys_of(&world, "s").await.len(), 1);
    browser.expect_alive();
}

/// R51: the id is never the client's: a planted cookie is neither taken over nor in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_session_cookie_is_not_adopted() {
    let world = World::spawn().await;
    let victim = world.logged_in().await;
    let planted = victim.session_cookie().unwrap();
    for value in [planted.as_str(), "planted", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let browser = world.browser();
        let callback = browser.authorize("/auth/login").await;
        browser.set_cookie("__Host-Http-whisk", value);
        assert_eq!(browser.come_back(&callback).await.status, 303);
        assert_ne!(browser.session_cookie().unwrap(), value);
        browser.expect_alive();
    }
}

/// R48: the callback needs no `Strict` cookie, and neither does the page after it; then the
/// application finds itself logged in, after one visit to the authorization page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strict_cookies_do_not_break_the_way_back_from_another_site() {
    let world = World::spawn().await;
    let browser = world.browser();
    let done = browser.log_in_to("/auth/login?return_to=/home").await;
    assert_eq!(done.header("location"), "/home");
    // The redirect is still part of a navigation that another site began: no cookie goes along.
    let landing =
        browser.send(Call::get("/home").metadata("cross-site", "navigate", "document").no_cookies()).await;
    landing.assert_problem(404, "not_found");
    assert_eq!((landing.header("location"), landing.set_cookies()), ("", vec![]));

    let session = session(&browser).await;
    assert_eq!((&session["authenticated"], &session["kind"]), (&true.into(), &"user".into()));
    let visits = world.sandbox.journal().authorize();
    assert_eq!(visits.iter().filter(|visit| visit.method == "GET").count(), 1);
}

/// R18, R8: a login that fails leaves the session that this browser has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_leaves_the_session_before_it() {
    let world = World::builder().redis().spawn().await;
    let browser = world.logged_in().await;
    let before = browser.session_cookie();
    let denied = browser.decide("/auth/login", "deny", None).await;
    let refused = browser.come_back(&denied).await;
    refused.assert_problem(400, "login_failed");
    assert_eq!(session_cookies(&refused), Vec::<String>::new());
    assert_eq!(browser.session_cookie(), before);
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(keys_of(&world, "s").await.len(), 1);
}
