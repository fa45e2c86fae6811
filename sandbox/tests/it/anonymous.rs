//! Anonymous users, in all four shapes.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use whisk_sandbox::{AnonymousShape, TokenFault};

use crate::client::{World, granted, text};

fn create(world: &World) -> RequestBuilder {
    world.http.post(world.at("/auth/anonymous/create")).json(&json!({ "clientId": "sandbox-client" }))
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_shape_has_a_user_and_no_refresh_token() {
    let world = World::new().await;
    let created = granted(create(&world)).await;
    assert_eq!(created["user"]["anonymous"], true);
    let token = &created["token"];
    assert_eq!((&token["expires_in"], &token["scope"]), (&json!(2_592_000), &json!("")));
    assert_eq!((token.get("refresh_token"), &token["new_user"]), (None, &json!(true)));
    let me = world.api("/v2/me", &text(token, "access_token")).send().await.unwrap();
    assert_eq!(me.json::<Value>().await.unwrap()["id"], created["user"]["id"]);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    assert_eq!(world.sandbox.journal().anonymous().len(), 1);
    assert_eq!(world.sandbox.journal().grants("anonymous"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_shape_refreshes_without_a_secret() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.anonymous = AnonymousShape::Legacy);
    let created = granted(create(&world)).await;
    let token = &created["token"];
    assert_eq!((created.get("user"), token.get("scope")), (None, None));
    assert_eq!(token["expires_in"], 86_400);
    let refresh = text(token, "refresh_token");
    let form =
        [("client_id", "sandbox-client"), ("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
    let refreshed = granted(world.http.post(world.at("/oauth/v2/token")).form(&form)).await;
    assert_eq!(world.verdict(&text(token, "access_token")).await, "auth.tokenNotFound");
    assert_eq!(world.verdict(&text(&refreshed, "access_token")).await, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_shapes_answer_where_they_are_selected() {
    let world = World::new().await;
    let authenticated = || {
        let request = world.http.post(world.at("/x/v1/auth/anonymous/create"));
        request.header("x-whisk-client-id", "sandbox-client").json(&json!({ "user_params": {} }))
    };
    let flat = || {
        let body = json!({ "grant_type": "anonymous", "client_id": "sandbox-client" });
        world.http.post(world.at("/oauth/v2/token")).json(&body)
    };
    assert_eq!(answer(authenticated()).await.0, 404);
    assert_eq!(answer(flat()).await.0, 400);

    world.sandbox.behaviour(|b| b.anonymous = AnonymousShape::Authenticated);
    let created = granted(authenticated()).await;
    let token = text(&created["authenticated"]["token"], "access_token");
    assert_eq!(world.verdict(&token).await, "ok");
    assert_eq!(answer(create(&world)).await.0, 404);

    world.sandbox.behaviour(|b| b.anonymous = AnonymousShape::Flat);
    let token = text(&granted(flat()).await, "access_token");
    assert_eq!(world.verdict(&token).await, "ok");
    assert_eq!(world.sandbox.anonymous_users_created(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn origin_and_client_are_checked() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.anonymous_origins = vec!["https://app.example.com".to_owned()]);
    assert_eq!(answer(create(&world)).await.0, 403);
    let other = create(&world).header("origin", "https://app.example.com.evil.example");
    assert_eq!(answer(other).await.1["code"], "auth.originNotAllowed");
    granted(create(&world).header("origin", "https://app.example.com")).await;
    world.sandbox.behaviour(|b| b.anonymous_origins.clear());
    let url = world.at("/auth/anonymous/create");
    let stranger = world.http.post(&url).json(&json!({ "clientId": "stranger" }));
    assert_eq!(answer(stranger).await.0, 401);
    assert_eq!(answer(world.http.post(&url).json(&json!({}))).await.0, 400);
    assert_eq!(answer(world.http.post(&url).body("{}")).await.0, 400);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_anonymous_user_dies_and_a_busy_one_lives() {
    let world = World::new().await;
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let day = Duration::from_secs(24 * 60 * 60);
    world.sandbox.behaviour(|b| b.anonymous_token_lifetime = Some(year));
    let busy = text(&granted(create(&world)).await["token"], "access_token");
    let idle = text(&granted(create(&world)).await["token"], "access_token");
    world.sandbox.advance(day * 29);
    assert_eq!(world.verdict(&busy).await, "ok");
    world.sandbox.advance(day * 29);
    assert_eq!(world.verdict(&busy).await, "ok");
    assert_eq!(world.verdict(&idle).await, "auth.tokenNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_extends_a_token_of_thirty_days_unless_told_otherwise() {
    let world = World::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    for (extends, verdict) in [(true, "ok"), (false, "auth.tokenExpired")] {
        world.sandbox.behaviour(|b| b.anonymous_call_extends_token = extends);
        let token = text(&granted(create(&world)).await["token"], "access_token");
        world.sandbox.advance(day * 29);
        assert_eq!(world.verdict(&token).await, "ok");
        world.sandbox.advance(day * 29);
        assert_eq!(world.verdict(&token).await, verdict);
    }
    world.sandbox.behaviour(|b| b.anonymous = AnonymousShape::Legacy);
    let token = text(&granted(create(&world)).await["token"], "access_token");
    for verdict in ["ok", "ok", "auth.tokenExpired"] {
        assert_eq!(world.verdict(&token).await, verdict, "that of a day is refreshed instead");
        world.sandbox.advance(day / 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_fails_on_demand() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| {
        b.anonymous_faults.push_back(TokenFault::Status(500, "oops".to_owned(), "text/plain".to_owned()));
        b.anonymous_faults.push_back(TokenFault::DropAfterCommit);
    });
    assert_eq!(create(&world).send().await.unwrap().status(), 500);
    create(&world).send().await.unwrap_err();
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
    granted(create(&world)).await;
}
