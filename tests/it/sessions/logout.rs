//! `POST /auth/logout`.

use super::{assert_over, with_cookie};
use crate::refresh::hourly;
use crate::support::records::{Records, record_name};
use crate::support::{Call, World};

fn log_out_with(cookie: &str) -> Call {
    Call::post("/auth/logout").no_cookies().header("cookie", cookie)
}

/// R53, R54, W27, contract §4 `POST /auth/logout`: 204 once and again, record and cookie gone, on
/// both instances, and Whisk hears nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_auth_logout_ends_the_session_everywhere() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    for instance in [0, 1] {
        assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
    }
    browser.expect_ended();
    let (record, cookie) = (record_name(&browser), browser.cookie_line());
    let seen = world.sandbox.journal().next();

    let answer = browser.go_to(0).post("/auth/logout").await;

    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert_eq!(answer.header("clear-site-data"), "", "contract §4: it would hold the answer back");
    assert_eq!(browser.session_cookie(), None);
    assert_eq!(Records::of(&world).await.bytes(&record).await, None);
    for instance in [1, 0] {
        assert_over(&browser.go_to(instance).send(with_cookie("/v2/me", &cookie)).await);
        let session = browser.send(with_cookie("/auth/session", &cookie)).await;
        assert_eq!(session.json()["authenticated"], false);
    }
    for cookie in ["", &cookie, "__Host-Http-whisk=forged", "__Host-Http-whisk=a; __Host-Http-whisk=b"] {
        let again = browser.send(log_out_with(cookie)).await;
        assert_eq!(again.status, 204, "{cookie}");
        assert_eq!(again.header("clear-site-data"), "");
    }
    assert!(world.sandbox.journal().since(seen).is_empty(), "Whisk has no such call");
}

/// R53: ten logouts at once of one session: each 204.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logouts_at_once_all_succeed() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    let cookie = browser.cookie_line();
    let calls = (0..10).map(|n| {
        let (browser, cookie) = (&browser, &cookie);
        async move { browser.go_to(n % 2).send(log_out_with(cookie)).await }
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 204);
    }
    let ended = "whisk_bff_sessions_ended_total{reason=\"logout\"}";
    assert_eq!(world.metric(0, ended) + world.metric(1, ended), 1.0, "and it ended once");
}

/// R53: other methods are no logout, and neither is what another site sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_post_of_our_own_pages_logs_out() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let answer = browser.send(Call::new(method, "/auth/logout")).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method}");
        assert!(answer.set_cookies().is_empty());
    }
    let forgeries = [
        Call::post("/auth/logout").metadata("cross-site", "no-cors", "image"),
        Call::post("/auth/logout").metadata("same-site", "cors", "empty"),
        Call::post("/auth/logout").metadata("same-origin", "navigate", "document"),
        Call::post("/auth/logout").bare(),
        Call::post("/auth/logout").bare().header("origin", "https://evil.test"),
    ];
    for call in forgeries {
        let answer = browser.send(call).await;
        answer.assert_problem(403, "csrf_rejected");
        assert!(answer.set_cookies().is_empty());
    }
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// R53, contract §5 `store_unavailable`: while the store is away a logout is no 204, and the
/// browser keeps the cookie of a session that may live on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_while_the_store_is_away_is_503_and_keeps_the_cookie() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let cookie = browser.session_cookie();
    world.redis().freeze();
    let answer = browser.post("/auth/logout").await;
    world.redis().thaw();
    answer.assert_problem(503, "store_unavailable");
    assert!(answer.set_cookies().is_empty());
    assert_eq!(browser.session_cookie(), cookie);
    browser.expect_ended();
    crate::support::eventually("the store is back", async || {
        browser.send(log_out_with(&format!("__Host-Http-whisk={}", cookie.as_ref().unwrap()))).await.status
            == 204
    })
    .await;
    assert_over(
        &browser.send(with_cookie("/v2/me", &format!("__Host-Http-whisk={}", cookie.unwrap()))).await,
    );
}
