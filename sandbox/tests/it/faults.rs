//! Faults of the token endpoint and of the API.

use std::time::{Duration, Instant};

use serde_json::Value;
use whisk_sandbox::{ApiFault, Gate, TokenFault, TokenOutcome};

use crate::client::{World, granted, location, refused, text};

fn fault(world: &World, fault: TokenFault) {
    world.sandbox.behaviour(|b| b.token_faults.push_back(fault));
}

async fn refresh_token(world: &World) -> String {
    text(&world.log_in("offline_access").await, "refresh_token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_dropped_before_processing_loses_nothing() {
    let world = World::new().await;
    let refresh = refresh_token(&world).await;
    fault(&world, TokenFault::DropBeforeAnswer);
    let error = world.refresh(&refresh).send().await.unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
    let entry = world.sandbox.journal().token().pop().unwrap();
    assert_eq!(entry.token.unwrap().outcome, TokenOutcome::Faulted);
    assert!(entry.answer_cut);
    granted(world.refresh(&refresh)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_dropped_after_processing_has_rotated() {
    let world = World::new().await;
    let refresh = refresh_token(&world).await;
    fault(&world, TokenFault::DropAfterCommit);
    world.refresh(&refresh).send().await.unwrap_err();
    let entry = world.sandbox.journal().token().pop().unwrap();
    assert_eq!(entry.token.unwrap().outcome, TokenOutcome::Granted);
    assert_eq!(refused(world.refresh(&refresh)).await.1, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_has_rotated() {
    let world = World::new().await;
    let refresh = refresh_token(&world).await;
    fault(&world, TokenFault::Delay(Duration::from_millis(200)));
    let hasty = world.refresh(&refresh).timeout(Duration::from_millis(50));
    assert!(hasty.send().await.unwrap_err().is_timeout());
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.sandbox.journal().granted("refresh_token") == 0 {
        assert!(Instant::now() < deadline, "the refresh was not processed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(refused(world.refresh(&refresh)).await.1, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn canned_answers_come_in_order_and_process_nothing() {
    let world = World::new().await;
    let refresh = refresh_token(&world).await;
    fault(&world, TokenFault::Status(503, "busy".to_owned(), "text/plain".to_owned()));
    fault(&world, TokenFault::Garbage("{\"access_token\":".to_owned()));
    fault(&world, TokenFault::Redirect307("http://127.0.0.1:9/elsewhere".to_owned()));
    fault(&world, TokenFault::None);

    let busy = world.refresh(&refresh).send().await.unwrap();
    assert_eq!(busy.status(), 503);
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(busy.text().await.unwrap(), "busy");
    let garbage = world.refresh(&refresh).send().await.unwrap();
    assert_eq!(garbage.status(), 200);
    assert_eq!(garbage.text().await.unwrap(), "{\"access_token\":");
    let redirect = world.refresh(&refresh).send().await.unwrap();
    assert_eq!(redirect.status(), 307);
    assert_eq!(location(&redirect), "http://127.0.0.1:9/elsewhere");
    granted(world.refresh(&refresh)).await;
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 4);
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_goes_far_past_any_sane_limit() {
    let world = World::new().await;
    fault(&world, TokenFault::Endless);
    let mut answer = world.refresh("whatever").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut length = 0;
    while length < 1024 * 1024 {
        length += answer.chunk().await.unwrap().expect("it ended early").len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_holds_the_answer_until_it_is_opened() {
    let world = World::new().await;
    let tokens = world.log_in("offline_access").await;
    let gate = Gate::new();
    fault(&world, TokenFault::Gate(gate.clone()));
    let pending = tokio::spawn(granted(world.refresh(&text(&tokens, "refresh_token"))));
    gate.reached().await;
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 1);
    assert_eq!(world.sandbox.journal().token().pop().unwrap().status, None);
    let old = text(&tokens, "access_token");
    assert_eq!(world.verdict(&old).await, "auth.tokenNotFound");
    assert!(!pending.is_finished());
    gate.open();
    let access = text(&pending.await.unwrap(), "access_token");
    assert_eq!(world.verdict(&access).await, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_and_delays_are_waited_out() {
    let world = World::new().await;
    let refresh = refresh_token(&world).await;
    let pause = Duration::from_millis(120);
    world.sandbox.behaviour(|b| {
        b.token_latency = pause;
        b.api_latency = pause;
        b.token_faults.push_back(TokenFault::DelayAfterCommit(pause));
    });
    let begun = Instant::now();
    let tokens = granted(world.refresh(&refresh)).await;
    assert!(begun.elapsed() >= 2 * pause);
    let begun = Instant::now();
    assert_eq!(world.verdict(&text(&tokens, "access_token")).await, "ok");
    assert!(begun.elapsed() >= pause);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_fails_on_demand() {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    let gate = Gate::new();
    world.sandbox.behaviour(|b| {
        b.api_faults.extend([
            ApiFault::Status(500, "Internal Server Error".to_owned(), "text/plain".to_owned()),
            ApiFault::DropBeforeAnswer,
            ApiFault::Truncate,
            ApiFault::Delay(Duration::from_millis(1)),
            ApiFault::Gate(gate.clone()),
            ApiFault::None,
        ]);
    });
    let plain = world.api("/v2/me", &token).send().await.unwrap();
    assert_eq!(
        (plain.status().as_u16(), &plain.headers()["content-type"]),
        (500, &"text/plain".parse().unwrap())
    );
    assert_eq!(plain.text().await.unwrap(), "Internal Server Error");
    world.api("/v2/me", &token).send().await.unwrap_err();
    let truncated = world.api("/v2/me", &token).send().await.unwrap();
    assert_eq!(truncated.status(), 200);
    assert_eq!(truncated.content_length(), Some(1000));
    truncated.bytes().await.unwrap_err();
    assert_eq!(world.verdict(&token).await, "ok");
    let held = tokio::spawn(world.api("/v2/me", &token).send());
    gate.reached().await;
    assert!(!held.is_finished());
    gate.open();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    assert_eq!(world.verdict(&token).await, "ok");
    world.sandbox.behaviour(|b| {
        b.always_api_401 = Some((401, "{\"code\":\"user.tokenExpired\"}".to_owned()));
    });
    assert_eq!(world.verdict(&token).await, "user.tokenExpired");
    world.sandbox.behaviour(|b| {
        b.always_api_401 = None;
        b.required_scope = Some("b".to_owned());
    });
    let lacking = world.api("/v2/me", &token).send().await.unwrap();
    assert_eq!(lacking.status(), 403);
    let body: Value = lacking.json().await.unwrap();
    assert_eq!(body["code"], "authorization.scopeRequired");
}
