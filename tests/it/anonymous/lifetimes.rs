//! How long an anonymous user's session lasts, and how it ends.

use std::time::Duration;

use serde_json::json;
use whisk_sandbox::{AnonymousShape, ApiFault, ClientAuthUsed, RefreshTokenPolicy, TokenFault};

use super::{DAY, anonymous, assert_expired, offering};
use crate::refresh::{HOUR, SECOND, refreshes};
use crate::sessions::with_cookie;
use crate::support::world::WorldBuilder;
use crate::support::{Browser, Call, World, eventually};

fn legacy() -> WorldBuilder {
    offering().sandbox(|config| config.behaviour.anonymous = AnonymousShape::Legacy)
}

async fn alive(browser: &Browser) {
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// The session's deadline, in days from now and rounded down.
async fn days_left(world: &World, browser: &Browser) -> u64 {
    use whisk_bff::clock::Clock;
    let body = browser.get("/auth/session").await.json();
    let end = humantime::parse_rfc3339(body["idle_expires_at"].as_str().unwrap()).unwrap();
    let now = std::time::UNIX_EPOCH + Duration::from_millis(world.clock.now().as_millis());
    end.duration_since(now).unwrap().as_secs() / DAY.as_secs()
}

/// W24, contract §5 `anonymous_expired`: told, cookie removed, and no other user in its place; Whisk
/// is not even asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_thirty_one_idle_days_the_user_is_no_more_and_is_not_replaced() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = anonymous(&world).await;
    alive(&browser).await;
    browser.expect_ended();
    let cookie = browser.cookie_line();
    let seen = world.sandbox.journal().next();
    world.advance(31 * DAY);

    let answer = browser.go_to(1).get("/v2/me").await;

    assert_expired(&browser, &answer);
    assert!(world.sandbox.journal().since(seen).is_empty());
    browser.send(with_cookie("/v2/me", &cookie)).await.assert_problem(401, "login_required");
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    let ended: f64 =
        (0..2).map(|n| world.metric(n, "whisk_bff_sessions_ended_total{reason=\"idle_timeout\"}")).sum();
    assert_eq!(ended, 1.0);
}

/// W24: each call begins the thirty days anew, at Whisk and here: the token's own life too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_on_day_29_keeps_the_user_alive_on_day_58() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = anonymous(&world).await;
    let old = browser.session_cookie();
    for day in [29, 58, 87] {
        world.advance(29 * DAY);
        assert_eq!(days_left(&world, &browser).await, 1);
        let answer = browser.go_to(day % 2).get("/v2/me").await;
        assert_eq!(answer.status, 200, "day {day}: {answer:?}");
        let cookies = answer.set_cookies();
        assert!(cookies.len() == 1 && cookies[0].contains("Max-Age=2592000"), "{cookies:?}");
        eventually("the deadline is moved", async || days_left(&world, &browser).await == 30).await;
    }
    assert_eq!(browser.session_cookie(), old, "the same session");
    assert_eq!((world.sandbox.anonymous_users_created(), refreshes(&world)), (1, 0));
}

/// W24: what the API did not carry out extends nothing, and neither does asking `/auth/session`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_call_that_succeeds_extends_the_session() {
    let world = offering().spawn().await;
    let browser = anonymous(&world).await;
    world.advance(29 * DAY);
    for status in [400, 403, 404, 429, 500, 503] {
        let fault = ApiFault::Status(status, "no".to_owned(), "text/plain".to_owned());
        world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(fault));
        let answer = browser.get("/v2/me").await;
        assert_eq!(answer.status, status);
        assert!(answer.set_cookies().is_empty(), "{status}");
    }
    world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(ApiFault::DropBeforeAnswer));
    let upload = Call::post("/v2/upload").body("x").reaches_the_api();
    assert_eq!(browser.send(upload).await.status, 502);
    assert_eq!(browser.post("/auth/anonymous").await.status, 200);
    assert_eq!(days_left(&world, &browser).await, 1);
    alive(&browser).await;
    eventually("the deadline is moved", async || days_left(&world, &browser).await == 30).await;
    let moved = "whisk_bff_store_operations_total{operation=\"touch\",outcome=\"done\"}";
    assert_eq!(world.metric(0, moved), 1.0, "once, behind the call that succeeded");
}

/// W24, R45: the session never promises more than Whisk keeps a user, nor more than the settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shortest_of_the_three_lives_decides() {
    for (idle, token, days) in [("365d", 365, 30), ("10d", 30, 10), ("30d", 7, 7), ("90d", 7, 7)] {
        let life = Some(token * DAY);
        let world = offering()
            .set("session.idle_timeout", idle)
            .sandbox(|config| config.behaviour.anonymous_token_lifetime = life)
            .spawn()
            .await;
        let browser = anonymous(&world).await;
        assert_eq!(days_left(&world, &browser).await, days, "{idle}, {token} d");
        browser.expect_ended();
        world.advance(u32::try_from(days).unwrap() * DAY + 61 * SECOND);
        assert_expired(&browser, &browser.get("/v2/me").await);
    }
}

/// R45: `session.absolute_timeout` ends it however busy, and its code is the anonymous one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_absolute_timeout_holds_for_anonymous_users_too() {
    let world = offering().set("session.absolute_timeout", "40d").spawn().await;
    let browser = anonymous(&world).await;
    world.advance(29 * DAY);
    alive(&browser).await;
    eventually("the deadline is moved to the end", async || days_left(&world, &browser).await == 10).await;
    browser.expect_ended();
    world.advance(11 * DAY + SECOND);
    assert_expired(&browser, &browser.get("/v2/me").await);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// W24, W16: where Whisk does not extend a token after all, its 401 is what tells: the session ends
/// with the code of an anonymous user, and nobody takes its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_whisk_does_not_extend_ends_at_the_apis_401() {
    let world = offering().redis().instances(2).spawn().await;
    world.sandbox.behaviour(|whisk| whisk.anonymous_call_extends_token = false);
    let browser = anonymous(&world).await;
    world.advance(29 * DAY);
    alive(&browser).await;
    eventually("the deadline is moved", async || days_left(&world, &browser).await == 30).await;
    browser.expect_ended();
    let cookie = browser.cookie_line();
    world.advance(2 * DAY);

    assert_expired(&browser, &browser.get("/v2/me").await);

    browser.go_to(1).send(with_cookie("/v2/me", &cookie)).await.assert_problem(401, "login_required");
    assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
    assert_eq!((world.sandbox.anonymous_users_created(), refreshes(&world)), (1, 0));
}

/// W24, contract §5: the API's 401 is the last word on a token that cannot be refreshed, whether or
/// not it names a cause; no other status is. No call is made twice for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_of_the_api_ends_the_session_whatever_it_says() {
    let world = offering().spawn().await;
    let named = ["auth.tokenExpired", "auth.tokenNotFound", "auth.userRequired", "unauthorized"];
    let named = named.map(|code| format!("{{\"code\":\"{code}\"}}"));
    let bare = ["[]", "unauthorized", ""].map(str::to_owned);
    for (number, body) in named.into_iter().chain(bare).enumerate() {
        let browser = anonymous(&world).await;
        let fault = |status| ApiFault::Status(status, body.clone(), "application/json".to_owned());
        world.sandbox.behaviour(|whisk| whisk.api_faults.extend([fault(403), fault(401)]));
        assert_eq!(browser.get("/v2/me").await.status, 403);
        browser.expect_ended();
        let (cookie, seen) = (browser.cookie_line(), world.sandbox.journal().next());
        assert_expired(&browser, &browser.get("/v2/me").await);
        assert_eq!(world.sandbox.journal().since(seen).len(), 1);
        browser.send(with_cookie("/v2/me", &cookie)).await.assert_problem(401, "login_required");
        assert_eq!(world.sandbox.anonymous_users_created(), number + 1);
    }
}

/// W16, W24: a bare 401 to a person without a refresh token is relayed, and the session stays: what
/// holds for anonymous users holds for them alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_401_ends_no_persons_session() {
    let world = offering()
        .sandbox(|config| config.behaviour.issue_refresh_token = RefreshTokenPolicy::Never)
        .spawn()
        .await;
    let browser = world.logged_in().await;
    let fault = ApiFault::Status(401, String::new(), String::new());
    world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(fault));
    let answer = browser.get("/v2/me").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-whisk-bff-error")), (401, ""));
    alive(&browser).await;
}

/// W21: a legacy token is refreshed as a user's is, once for all, and without a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legacy_token_is_refreshed_once_and_without_a_secret() {
    let world = legacy().redis().instances(2).spawn().await;
    let browser = anonymous(&world).await;
    let id = browser.get("/v2/me").await.json()["id"].clone();
    world.advance(DAY + HOUR);

    let answers = crate::refresh::at_once(&browser, 40, 2).await;

    assert_eq!(crate::refresh::statuses(&answers), "40×200");
    assert!(answers.iter().all(|answer| answer.json()["id"] == id));
    assert_eq!(refreshes(&world), 1);
    let call = &world.sandbox.journal().token()[0];
    assert_eq!(call.token.as_ref().unwrap().client_auth, ClientAuthUsed::None);
    assert!(String::from_utf8_lossy(&call.body).contains("client_id="));
    // Day by day it goes on, as long as it is called.
    for _ in 0..40 {
        world.advance(DAY + HOUR);
        alive(&browser).await;
    }
    assert_eq!((refreshes(&world), world.sandbox.anonymous_users_created()), (41, 1));
    assert_eq!(browser.get("/auth/session").await.json()["kind"], json!("anonymous"));
}

/// W21: a server that does want the secret for it says `invalid_client`, and is given it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_the_secret_is_given_it() {
    let world = legacy().spawn().await;
    let browser = anonymous(&world).await;
    let refusal = TokenFault::Status(401, "{\"error\":\"invalid_client\"}".into(), "application/json".into());
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(refusal));
    world.advance(DAY + HOUR);
    alive(&browser).await;
    let used: Vec<_> =
        world.sandbox.journal().token().into_iter().map(|entry| entry.token.unwrap().client_auth).collect();
    assert_eq!(used, [ClientAuthUsed::None, ClientAuthUsed::Body]);
}

/// W24, contract §6.3: a refused refresh ends in `anonymous_expired`; an outage ends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refresh_is_the_end_of_the_user_and_an_outage_is_not() {
    let world = legacy().spawn().await;
    let browser = anonymous(&world).await;
    world.advance(DAY + HOUR);
    let down = TokenFault::Status(503, String::new(), String::new());
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(down));
    let answer = browser.get("/v2/me").await;
    answer.assert_problem(503, "login_server_unavailable");
    assert!(answer.set_cookies().is_empty());
    eventually("it heals", async || browser.get("/v2/me").await.status == 200).await;

    browser.expect_ended();
    world.sandbox.kill_refresh_families();
    world.advance(DAY + HOUR);
    assert_expired(&browser, &browser.get("/v2/me").await);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    assert_eq!(world.metric(0, "whisk_bff_sessions_ended_total{reason=\"refused\"}"), 1.0);
}

/// W24: a 401 to a token that was refreshed for it is the last one; one that a refresh mends is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_dead_although_it_is_new_is_the_end_of_the_user() {
    let world = legacy().spawn().await;
    for (number, body) in ["{\"code\":\"auth.tokenNotFound\"}", ""].into_iter().enumerate() {
        let browser = anonymous(&world).await;
        let once = ApiFault::Status(401, body.to_owned(), String::new());
        world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(once));
        alive(&browser).await;

        browser.expect_ended();
        world.sandbox.behaviour(|whisk| whisk.always_api_401 = Some((401, body.to_owned())));
        assert_expired(&browser, &browser.get("/v2/me").await);
        world.sandbox.behaviour(|whisk| whisk.always_api_401 = None);
        assert_eq!(
            (refreshes(&world), world.sandbox.anonymous_users_created()),
            (2 * number + 2, number + 1)
        );
    }
    assert_eq!(world.metric(0, "whisk_bff_sessions_ended_total{reason=\"token_dead\"}"), 2.0);
}
