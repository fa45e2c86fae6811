//! What an API's 401 leads to: at most one refresh and one retry.

use whisk_sandbox::ApiFault;

use super::{at_once, hourly, refreshes, statuses};
use crate::support::{Call, World};

fn served(world: &World, target: &str) -> usize {
    world.sandbox.journal().count(|entry| entry.target == target)
}

/// R42: an API that never takes any token is called twice, and its own 401 is the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_always_says_401_is_called_twice_and_believed() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    let body = "{\"code\":\"auth.tokenInvalid\",\"message\":\"never\"}";
    world.sandbox.behaviour(|whisk| whisk.always_api_401 = Some((401, body.to_owned())));

    let answer = browser.get("/v2/me").await;

    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, body));
    assert_eq!(answer.header("x-whisk-bff-error"), "");
    assert!(answer.set_cookies().is_empty());
    assert_eq!((served(&world, "/v2/me"), refreshes(&world)), (2, 1));
    let calls = world.sandbox.journal().api();
    assert_ne!(calls[0].bearer(), calls[1].bearer(), "the second with the new token");
    world.sandbox.behaviour(|whisk| whisk.always_api_401 = None);
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// R42: a hundred calls meet a dead token at once, on two instances: one refresh serves them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_calls_with_a_dead_token_refresh_once() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.expire_access_tokens();
    let answers = at_once(&browser, 100, 2).await;
    assert_eq!(statuses(&answers), "100×200");
    assert_eq!(refreshes(&world), 1);
}

/// R42, W16: with a refresh token the status alone decides; what the body says does not matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_refresh_token_every_401_is_answered_by_a_refresh_and_a_retry() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    let bodies = [
        "{\"code\":\"auth.tokenExpired\"}",
        "{\"code\":\"auth.tokenNotFound\"}",
        "{\"code\":\"auth.tokenInvalid\"}",
        "{\"code\":\"auth.tokenRequired\"}",
        "{\"code\":\"oauth.unauthorized\"}",
        "{\"error_code\":\"user.tokenExpired\"}",
        "{\"code\":\"something.else\"}",
        "no JSON",
        "",
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        let fault = ApiFault::Status(401, body.to_owned(), "application/json".to_owned());
        world.sandbox.behaviour(|whisk| whisk.api_faults.push_back(fault));
        assert_eq!(browser.get("/v2/me").await.status, 200, "{body}");
        assert_eq!(refreshes(&world), n + 1, "{body}");
    }
    assert_eq!(served(&world, "/v2/me"), 2 * bodies.len());
}

/// W16: 403 is no matter of the token's age.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_403_passes_through_without_a_refresh() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.behaviour(|whisk| whisk.required_scope = Some("recipes:write".to_owned()));
    let answer = browser.get("/v2/me").await;
    world.sandbox.behaviour(|whisk| whisk.required_scope = None);
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (403, &"authorization.scopeRequired".into())
    );
    assert_eq!(answer.header("x-whisk-bff-error"), "");
    assert_eq!((served(&world, "/v2/me"), refreshes(&world)), (1, 0));
}

/// R42, R43: a body up to `forward.replay_limit` is sent again with the new token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_body_is_sent_again_with_the_new_token() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.expire_access_tokens();
    let body = vec![b'x'; 64 * 1024];
    let answer = browser.send(Call::post("/v2/upload").body(body)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["bytes"]), (200, &65536.into()));
    assert_eq!((served(&world, "/v2/upload"), refreshes(&world)), (2, 1));
}

/// R43: a body that is gone cannot be sent again: 503 with `Retry-After`, the session kept, and
/// the browser's own second try goes through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_sent_again_is_for_the_browser_to_repeat() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.sandbox.expire_access_tokens();
    let upload = || Call::post("/v2/upload").body(vec![b'x'; 1024 * 1024]).reaches_the_api();

    let answer = browser.send(upload()).await;

    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(served(&world, "/v2/upload"), 1, "one POST");
    assert_eq!(browser.send(upload()).await.status, 200);
    assert_eq!((served(&world, "/v2/upload"), refreshes(&world)), (2, 1));
}

/// R42, W15: an endpoint that says 401 to every token costs a refresh now and then, and not one a
/// call: each would take the token away from the calls beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_every_token_does_not_cost_a_refresh_a_call() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..20 {
        assert_eq!(browser.get("/v2/status/401").await.status, 401);
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    // The pause counts real seconds: one more where the machine is slow.
    assert!((1..=3).contains(&refreshes(&world)), "{}", refreshes(&world));
}
