//! What is sent to refresh, and what of the answer is kept.

use whisk_sandbox::ClientAuthUsed;

use super::{HOUR, SECOND, hourly, presented, refreshes};

/// R34: with rotation each refresh sends the newest refresh token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_refresh_token_takes_the_old_ones_place() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..3 {
        world.advance(HOUR + SECOND);
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    let mut sent = presented(&world);
    assert_eq!(sent.len(), 3);
    sent.dedup();
    assert_eq!(sent.len(), 3, "each was sent once");
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 3);
}

/// R34: an answer without a refresh token keeps the one there is, and one that repeats it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_is_not_rotated_is_kept() {
    for repeated in [false, true] {
        let world = hourly()
            .sandbox(|config| {
                config.behaviour.rotate_refresh_tokens = false;
                config.behaviour.repeat_unrotated_refresh_token = repeated;
            })
            .spawn()
            .await;
        let browser = world.logged_in().await;
        for _ in 0..3 {
            world.advance(HOUR + SECOND);
            assert_eq!(browser.get("/v2/me").await.status, 200);
        }
        let sent = presented(&world);
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|token| *token == sent[0]));
    }
}

/// R40: a refresh proves the client, and asks for no scope, so for none beyond the grant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_proves_the_client_and_widens_nothing() {
    for (setting, expected) in [("body", ClientAuthUsed::Body), ("basic", ClientAuthUsed::Basic)] {
        let world = hourly()
            .set("whisk.client_auth", setting)
            .set("whisk.scopes", "offline_access,a:b,c.d")
            .spawn()
            .await;
        let browser = world.browser();
        let callback = browser.decide("/auth/login", "allow", Some(&["offline_access", "a:b"])).await;
        assert_eq!(browser.come_back(&callback).await.status, 303);
        browser.expect_alive();
        let granted = browser.get("/auth/session").await.json()["scopes"].clone();
        world.advance(HOUR + SECOND);
        assert_eq!(browser.get("/v2/me").await.status, 200);

        let refresh = world.sandbox.journal().token().pop().unwrap();
        let call = refresh.token.as_ref().unwrap();
        assert_eq!(call.grant_type.as_deref(), Some("refresh_token"));
        assert_eq!(call.client_auth, expected);
        let body = String::from_utf8(refresh.body.clone()).unwrap();
        assert!(!body.contains("scope="), "the grant's own scope is meant where none is named");
        assert_eq!(granted, serde_json::json!(["offline_access", "a:b"]));
        assert_eq!(browser.get("/auth/session").await.json()["scopes"], granted);
        assert_eq!(refreshes(&world), 1);
    }
}
