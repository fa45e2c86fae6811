//! `invalid_grant` for the current refresh token is what ends a session, everywhere and at once.

use super::{HOUR, SECOND, at_once, hourly, refreshes};
use crate::support::Call;
use crate::support::records::{Records, record_name};

/// R39, W5, contract §5 `session_ended`: 401, the cookie and the record gone, and the other
/// instance knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_ended_is_the_answer_to_a_refused_refresh_token() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    let (record, cookie) = (record_name(&browser), browser.cookie_line());
    world.sandbox.kill_refresh_families();
    world.advance(HOUR + SECOND);

    let answer = browser.get("/v2/me").await;

    answer.assert_problem(401, "session_ended");
    let cleared = answer.set_cookies();
    assert_eq!(cleared.len(), 1, "{cleared:?}");
    assert!(cleared[0].starts_with("__Host-Http-whisk=;") && cleared[0].contains("Max-Age=0"), "{cleared:?}");
    assert_eq!(Records::of(&world).await.bytes(&record).await, None);
    for instance in [0, 1] {
        let with_cookie = |target| Call::get(target).no_cookies().header("cookie", &cookie);
        let session = browser.go_to(instance).send(with_cookie("/auth/session")).await;
        assert_eq!(session.json()["authenticated"], false);
        browser.send(with_cookie("/v2/me")).await.assert_problem(401, "login_required");
    }
    assert_eq!(refreshes(&world), 1, "nobody asked again");
}

/// W5: at any age, here after eleven idle months, and then not at all: 365 days are the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_died_of_age_ends_the_session() {
    let day = 24 * HOUR;
    let world = hourly()
        .set("session.idle_timeout", "365d")
        .sandbox(|config| config.behaviour.refresh_token_lifetime = 300 * day)
        .spawn()
        .await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    world.advance(330 * day);
    browser.get("/v2/me").await.assert_problem(401, "session_ended");
    assert_eq!(refreshes(&world), 1);
}

/// R39: many calls meet the dead grant at once: one is told that the session ended or all are,
/// none gets anything else, and Whisk is asked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_meets_a_dead_grant_asks_once() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    world.sandbox.kill_refresh_families();
    world.advance(HOUR + SECOND);
    let answers = at_once(&browser, 40, 2).await;
    for answer in &answers {
        let code = answer.header("x-whisk-bff-error");
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(["session_ended", "login_required"].contains(&code), "{answer:?}");
    }
    assert!(answers.iter().any(|answer| answer.header("x-whisk-bff-error") == "session_ended"));
    assert_eq!(refreshes(&world), 1);
}

/// W17: Whisk ends all of a user's tokens. Each of the user's sessions ends with one 401, and
/// there is no loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whose_tokens_all_died_is_logged_out_once_in_each_browser() {
    let world = hourly().spawn().await;
    let browsers = [world.logged_in().await, world.logged_in().await];
    world.sandbox.revoke_user(&world.sandbox.config().users[0].id);
    for (n, browser) in browsers.iter().enumerate() {
        browser.expect_ended();
        let seen = world.sandbox.journal().next();
        browser.get("/v2/me").await.assert_problem(401, "session_ended");
        assert_eq!(browser.session_cookie(), None);
        assert_eq!(world.sandbox.journal().since(seen).len(), 2, "one call and one refresh");
        assert_eq!(refreshes(&world), n + 1);
        browser.get("/v2/me").await.assert_problem(401, "login_required");
        assert_eq!(world.sandbox.journal().since(seen).len(), 2, "and nothing after it");
    }
    browsers[0].log_in().await;
    assert_eq!(browsers[0].get("/v2/me").await.status, 200);
}
