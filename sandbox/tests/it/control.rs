//! The sandbox's own routes.

use serde_json::{Value, json};

use crate::client::{World, granted, refused, text};

async fn set(world: &World, patch: Value) -> u16 {
    let request = world.http.post(world.at("/sandbox/behaviour")).json(&patch);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_can_set_lifetimes_faults_and_time() {
    let world = World::new().await;
    let patch = json!({
        "access_token_lifetime": 60,
        "scope_shape": "space_string",
        "expires_in": { "raw": "soon" },
        "token_faults": ["none", { "status": { "status": 503, "body": "busy" } }, "drop_before_answer"],
    });
    assert_eq!(set(&world, patch).await, 204);
    let tokens = world.log_in("a offline_access").await;
    assert_eq!((&tokens["scope"], &tokens["expires_in"]), (&json!("a offline_access"), &json!("soon")));
    let refresh = text(&tokens, "refresh_token");
    assert_eq!(world.refresh(&refresh).send().await.unwrap().status(), 503);
    world.refresh(&refresh).send().await.unwrap_err();
    let access = text(&tokens, "access_token");
    assert_eq!(set(&world, json!({ "advance": 59.0 })).await, 204);
    assert_eq!(world.verdict(&access).await, "ok");
    assert_eq!(set(&world, json!({ "advance": 1.5 })).await, 204);
    assert_eq!(world.verdict(&access).await, "auth.tokenExpired");
    let tokens = granted(world.refresh(&refresh)).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert_eq!(set(&world, json!({ "expire_access_tokens": true, "kill_refresh_tokens": true })).await, 204);
    assert_eq!(world.verdict(&access).await, "auth.tokenExpired");
    assert_eq!(refused(world.refresh(&refresh)).await.1, "invalid_grant");
    let again = text(&world.log_in("a").await, "access_token");
    assert_eq!(set(&world, json!({ "revoke_user": "demo-cook" })).await, 204);
    assert_eq!(world.verdict(&again).await, "auth.tokenNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_is_not_understood_changes_nothing() {
    let world = World::new().await;
    for patch in [
        json!({ "acces_token_lifetime": 1 }),
        json!({ "access_token_lifetime": -1 }),
        json!({ "access_token_lifetime": 1e300 }),
        json!({ "access_token_lifetime": 1, "token_faults": ["truncate"] }),
        json!({ "access_token_lifetime": 1, "api_faults": ["endless"] }),
    ] {
        assert_eq!(set(&world, patch.clone()).await, 400, "{patch}");
    }
    let form = world.http.post(world.at("/sandbox/behaviour")).body("{\"pkce\":\"ignore\"}");
    assert_eq!(form.send().await.unwrap().status(), 400);
    assert_eq!(world.log_in("a").await["expires_in"], 2_592_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_shows_no_token() {
    let world = World::new().await;
    let tokens = world.log_in("offline_access").await;
    assert_eq!(world.verdict(&text(&tokens, "access_token")).await, "ok");
    granted(world.refresh(&text(&tokens, "refresh_token"))).await;
    let in_query = format!("/oauth/v2/token?refresh_token={}", text(&tokens, "refresh_token"));
    world.http.post(world.at(&in_query)).send().await.unwrap();

    let url = world.at("/sandbox/journal");
    let shown = world.http.get(&url).send().await.unwrap().text().await.unwrap();
    for secret in world.sandbox.issued_secrets() {
        assert!(!shown.contains(&secret), "{secret} in {shown}");
    }
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let entries = shown["entries"].as_array().unwrap();
    let surfaces: Vec<_> = entries.iter().map(|entry| entry["surface"].as_str().unwrap()).collect();
    assert_eq!(surfaces, ["authorize", "authorize", "token", "api", "token", "token", "other"]);
    assert_eq!(entries[2]["token"]["outcome"], "granted");
    assert_eq!(entries[3]["owner"], "demo-cook");
    world.http.delete(&url).send().await.unwrap();
    assert_eq!(world.sandbox.journal().entries().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_page_says_what_this_is() {
    let world = World::new().await;
    let page = world.http.get(world.at("/")).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Whisk sandbox"));
}
