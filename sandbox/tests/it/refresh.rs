//! The refresh token grant: rotation, reuse, lifetimes.

use std::time::Duration;

use serde_json::Value;

use crate::client::{World, granted, refused, text};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

fn pair(tokens: &Value) -> (String, String) {
    (text(tokens, "access_token"), text(tokens, "refresh_token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_rotates_and_kills_the_old_access_token() {
    let world = World::new().await;
    let (access, refresh) = pair(&world.log_in("offline_access").await);
    let (new_access, new_refresh) = pair(&granted(world.refresh(&refresh)).await);
    assert_ne!(refresh, new_refresh);
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
    assert_eq!(world.verdict(&new_access).await, "ok");
    granted(world.refresh(&new_refresh)).await;
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 2);

    world.sandbox.behaviour(|b| b.refresh_kills_old_access_token = false);
    let (access, refresh) = pair(&world.log_in("offline_access").await);
    granted(world.refresh(&refresh)).await;
    assert_eq!(world.verdict(&access).await, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_refresh_token_ends_the_family() {
    let world = World::new().await;
    let (_, refresh) = pair(&world.log_in("offline_access").await);
    let (access, successor) = pair(&granted(world.refresh(&refresh)).await);
    let (other, _) = pair(&world.log_in("offline_access").await);
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
    assert_eq!(refused(world.refresh(&successor)).await, invalid_grant());
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
    assert_eq!(world.verdict(&other).await, "ok");
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 3);
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reuse_detection_the_family_lives() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.reuse_detection = false);
    let (_, refresh) = pair(&world.log_in("offline_access").await);
    let (access, successor) = pair(&granted(world.refresh(&refresh)).await);
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
    assert_eq!(world.verdict(&access).await, "ok");
    granted(world.refresh(&successor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_period_forgives_a_lost_answer() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.reuse_grace = Duration::from_secs(30));
    let (_, refresh) = pair(&world.log_in("offline_access").await);
    granted(world.refresh(&refresh)).await;
    let (access, _) = pair(&granted(world.refresh(&refresh)).await);
    assert_eq!(world.verdict(&access).await, "ok");
    world.sandbox.advance(Duration::from_secs(31));
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rotation_the_token_stays() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.rotate_refresh_tokens = false);
    let (_, refresh) = pair(&world.log_in("offline_access").await);
    for _ in 0..2 {
        assert_eq!(granted(world.refresh(&refresh)).await.get("refresh_token"), None);
    }
    world.sandbox.behaviour(|b| b.repeat_unrotated_refresh_token = true);
    let (_, repeated) = pair(&granted(world.refresh(&refresh)).await);
    assert_eq!(refresh, repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn lifetimes_obey_the_sandbox_s_clock() {
    let world = World::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    let (access, refresh) = pair(&world.log_in("offline_access").await);
    world.sandbox.advance(day * 30 - Duration::from_secs(60));
    assert_eq!(world.verdict(&access).await, "ok");
    world.sandbox.advance(Duration::from_secs(61));
    assert_eq!(world.verdict(&access).await, "auth.tokenExpired");
    world.sandbox.advance(day * 300);
    let (_, refresh) = pair(&granted(world.refresh(&refresh)).await);
    world.sandbox.advance(day * 365);
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_can_end_tokens_from_outside() {
    let world = World::new().await;
    let (access, refresh) = pair(&world.log_in("offline_access").await);
    world.sandbox.expire_access_tokens();
    assert_eq!(world.verdict(&access).await, "auth.tokenExpired");
    let (access, refresh) = pair(&granted(world.refresh(&refresh)).await);
    assert!(world.sandbox.revoke_access_token(&access));
    assert!(!world.sandbox.revoke_access_token("unknown"));
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
    let (access, refresh) = pair(&granted(world.refresh(&refresh)).await);
    world.sandbox.kill_refresh_families();
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
    assert_eq!(world.verdict(&access).await, "ok");
    world.sandbox.revoke_access_tokens();
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");

    let (access, refresh) = pair(&world.log_in("offline_access").await);
    world.sandbox.revoke_user("demo-baker");
    assert_eq!(world.verdict(&access).await, "ok");
    world.sandbox.revoke_user("demo-cook");
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
    assert_eq!(refused(world.refresh(&refresh)).await, invalid_grant());
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_can_shrink_and_not_grow() {
    let world = World::new().await;
    let (_, refresh) = pair(&world.log_in("a offline_access").await);
    let with_scope = |scope: &'static str| {
        world.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", scope)])
    };
    assert_eq!(refused(with_scope("a b")).await, (400, "invalid_scope".to_owned()));
    granted(with_scope("a offline_access")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_token_is_not_refreshed_without_the_secret() {
    let world = World::new().await;
    let (_, refresh) = pair(&world.log_in("offline_access").await);
    let form =
        [("client_id", "sandbox-client"), ("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
    let bare = world.http.post(world.at("/oauth/v2/token")).form(&form);
    assert_eq!(refused(bare).await, (401, "invalid_client".to_owned()));
    granted(world.refresh(&refresh)).await;
}
