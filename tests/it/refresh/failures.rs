//! A refresh that fails ends no session: it is tried again later, and by few.

use std::time::Duration;

use whisk_sandbox::TokenFault;

use super::{HOUR, SECOND, at_once, hourly, refreshes, statuses};
use crate::support::records::{Records, record_name};
use crate::support::{Answer, Browser, Call, eventually};

fn json(status: u16, body: &str) -> TokenFault {
    TokenFault::Status(status, body.to_owned(), "application/json".to_owned())
}

fn refusal(status: u16, code: &str) -> TokenFault {
    json(status, &format!("{{\"error\":\"{code}\"}}"))
}

/// 503 with `Retry-After`, and the cookie left alone.
#[track_caller]
fn assert_later(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    answer.assert_problem(503, "login_server_unavailable");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{what}");
    assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
}

async fn heals(browser: &Browser) {
    eventually("the session heals by itself", async || browser.get("/v2/me").await.status == 200).await;
}

/// R38, contract §5 `login_server_unavailable`: whatever the token endpoint does instead of
/// answering. Each session is the same as before once the endpoint is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_server_unavailable_ends_no_session_whatever_the_failure() {
    let faults = [
        ("500", json(500, "{}")),
        (
            "502 from a gateway",
            TokenFault::Status(502, "<html>bad gateway</html>".into(), "text/html".into()),
        ),
        ("503", json(503, "{}")),
        ("503 that says invalid_grant", refusal(503, "invalid_grant")),
        ("429", refusal(429, "slow_down")),
        ("a timeout", TokenFault::Delay(Duration::from_millis(1500))),
        ("a cut connection", TokenFault::DropBeforeAnswer),
        ("garbage", TokenFault::Garbage("<html>".into())),
        ("half an object", TokenFault::Garbage("{\"access_token\":\"x".into())),
        ("an object without a token", TokenFault::Garbage("{\"token_type\":\"Bearer\"}".into())),
        (
            "another token type",
            TokenFault::Garbage("{\"access_token\":\"x\",\"token_type\":\"DPoP\"}".into()),
        ),
        ("an endless answer", TokenFault::Endless),
        ("a redirect", TokenFault::Redirect307("http://127.0.0.1:9/oauth/v2/token".into())),
        ("401 invalid_client", refusal(401, "invalid_client")),
        ("400 invalid_client", refusal(400, "invalid_client")),
        ("401 without a code", json(401, "{}")),
        ("400 unauthorized_client", refusal(400, "unauthorized_client")),
        ("400 unsupported_grant_type", refusal(400, "unsupported_grant_type")),
        ("400 invalid_scope", refusal(400, "invalid_scope")),
        ("400 invalid_request", refusal(400, "invalid_request")),
        ("400 with an unknown code", refusal(400, "come_back_tomorrow")),
        ("400 that is no JSON", TokenFault::Status(400, "invalid_grant".into(), "text/plain".into())),
        ("403 without a code", json(403, "{}")),
        ("404", refusal(404, "invalid_grant")),
    ];
    // The endpoint carries out what the broker has given up waiting for; a server that would end
    // the grant then is another test's subject.
    let world = hourly()
        .set("whisk.timeout", "1s")
        .sandbox(|config| config.behaviour.reuse_grace = 24 * HOUR)
        .spawn()
        .await;
    let mut browsers = Vec::new();
    for _ in &faults {
        browsers.push(world.logged_in().await);
    }
    world.advance(HOUR + SECOND);

    for ((what, fault), browser) in faults.iter().zip(&browsers) {
        // Whatever pause the failures before have brought about is over.
        world.advance(60 * SECOND);
        // An answer that was lost is asked for once more.
        let lost = matches!(fault, TokenFault::Delay(_) | TokenFault::DropBeforeAnswer);
        let asked = if lost { 2 } else { 1 };
        world.sandbox.behaviour(|whisk| whisk.token_faults.extend((0..asked).map(|_| fault.clone())));
        let before = refreshes(&world);
        assert_later(what, &browser.get("/v2/me").await);
        assert_eq!(refreshes(&world), before + asked, "{what}");
        let session = browser.get("/auth/session").await;
        assert_eq!(session.json()["authenticated"], true, "{what}");
    }
    world.advance(60 * SECOND);
    for browser in &browsers {
        heals(browser).await;
    }
    assert_eq!(world.metric(0, "whisk_bff_sessions_ended_total{reason=\"refused\"}"), 0.0);
}

/// R38, R115: the store is away when the token is to be refreshed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_when_a_token_expires_ends_no_session() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    world.advance(HOUR + SECOND);
    world.redis().freeze();
    let answer = browser.get("/v2/me").await;
    world.redis().thaw();
    answer.assert_problem(503, "store_unavailable");
    assert!(answer.set_cookies().is_empty());
    assert_eq!(refreshes(&world), 0);
    heals(&browser).await;
}

/// R44: the endpoint is down, and two hundred calls on two instances ask it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refresh_has_a_cool_down_that_all_instances_share() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    world.advance(HOUR + SECOND);
    world.sandbox.behaviour(|whisk| {
        whisk.token_latency = Duration::from_millis(100);
        whisk.token_faults.extend((0..100).map(|_| json(503, "{}")));
    });

    let answers = at_once(&browser, 200, 2).await;

    assert_eq!(statuses(&answers), "200×503");
    answers.iter().for_each(|answer| assert_later("in the cool-down", answer));
    // One, unless the machine is so slow that the pause of two seconds is over meanwhile.
    assert!((1..=3).contains(&refreshes(&world)), "{}", refreshes(&world));
    let lease = record_name(&browser).replacen(":s:", ":l:", 1);
    let mut records = Records::of(&world).await;
    let left: i64 = records.ask(&["PTTL", &lease]).await;
    assert!(left <= 2000, "{left}: the pause ends by itself");
    world.sandbox.behaviour(|whisk| whisk.token_faults.clear());
    heals(&browser).await;
}

/// R41: the access token has twenty seconds left and the endpoint is down: it goes on being used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_used_to_its_end_while_the_login_server_is_down() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.behaviour(|whisk| whisk.token_faults.extend((0..50).map(|_| TokenFault::DropBeforeAnswer)));
    world.advance(HOUR - 20 * SECOND);
    for _ in 0..3 {
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    eventually("it was tried behind the calls", async || refreshes(&world) >= 1).await;
    world.advance(21 * SECOND);
    assert_later("expired", &browser.get("/v2/me").await);
    world.sandbox.behaviour(|whisk| whisk.token_faults.clear());
    heals(&browser).await;
}

/// R38, R42: the API says 401 and the token endpoint nothing of use: 503, and the session stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_of_the_api_while_the_login_server_is_down_is_for_later() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.expire_access_tokens();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(json(503, "{}")));
    let answer = browser.send(Call::get("/v2/me").reaches_the_api()).await;
    assert_later("a dead token", &answer);
    eventually("the session heals by itself", async || {
        browser.send(Call::get("/v2/me").reaches_the_api()).await.status == 200
    })
    .await;
}
