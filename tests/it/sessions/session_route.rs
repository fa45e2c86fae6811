//! `GET /auth/session`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::refresh::{HOUR, SECOND, hourly};
use crate::support::records::session_id;
use crate::support::world::ORIGIN;
use crate::support::{Call, World};

/// R59, contract §4 `GET /auth/session`: without a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_auth_session_without_a_session_says_so() {
    let world = World::spawn().await;
    let browser = world.browser();
    for call in
        [Call::get("/auth/session"), Call::get("/auth/session").header("cookie", "__Host-Http-whisk=x")]
    {
        let answer = browser.send(call).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({ "authenticated": false, "login_url": "/auth/login" }));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-type").starts_with("application/json"));
        assert!(answer.set_cookies().is_empty());
    }
}

/// R28, R59, contract §4 `GET /auth/session`: every field, and neither a token nor the id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_auth_session_describes_the_session_and_gives_nothing_away() {
    let world = hourly()
        .set("whisk.scopes", "offline_access,recipes:read")
        .set("session.idle_timeout", "10d")
        .set("session.absolute_timeout", "100d")
        .spawn()
        .await;
    let browser = world.logged_in().await;

    let answer = browser.get("/auth/session").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.set_cookies().is_empty());
    let body = answer.json();
    let mut names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "authenticated",
        "created_at",
        "expires_at",
        "idle_expires_at",
        "kind",
        "login_url",
        "logout_url",
        "scopes",
        "user_id",
    ];
    assert_eq!(names, expected);
    assert_eq!((&body["authenticated"], &body["kind"]), (&json!(true), &json!("user")));
    assert!(body["user_id"].is_null() || body["user_id"].is_string());
    assert_eq!(body["scopes"], json!(["offline_access", "recipes:read"]));
    assert_eq!((&body["login_url"], &body["logout_url"]), (&json!("/auth/login"), &json!("/auth/logout")));
    let day = 24 * HOUR;
    assert!(apart(&body, "created_at", "expires_at").abs_diff(100 * day) <= SECOND);
    let idle = apart(&body, "created_at", "idle_expires_at");
    assert!((10 * day..=10 * day + 61 * SECOND).contains(&idle), "{idle:?}");
    let text = format!("{:?} {}", answer.headers, answer.text());
    let mut secrets = world.sandbox.issued_secrets();
    secrets.extend([session_id(&browser), browser.session_cookie().unwrap()]);
    for secret in secrets {
        assert!(!text.contains(&secret));
    }
    assert!(!text.contains("_MARK"));
    assert!(world.sandbox.journal().api().is_empty(), "nobody is asked for it");
}

/// R59, contract §4: reading is not changing, so other methods are refused; and nobody but our
/// own origin gets to read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_auth_session_is_for_reading_alone() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    for method in ["POST", "PUT", "DELETE"] {
        let answer = browser.send(Call::new(method, "/auth/session")).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET");
    }
    let answer = browser.send(Call::get("/auth/session").header("origin", "https://evil.test")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let answer = browser.send(Call::get("/auth/session").header("origin", ORIGIN)).await;
    assert_eq!(answer.status, 200);
}

/// R59: an expired access token is no matter of this route: it refreshes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_auth_session_refreshes_nothing() {
    let world = hourly().spawn().await;
    let browser = world.logged_in().await;
    world.advance(HOUR + SECOND);
    let answer = browser.get("/auth/session").await;
    assert_eq!(answer.json()["authenticated"], true);
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 0);
}

fn apart(body: &Value, from: &str, to: &str) -> Duration {
    let at = |name: &str| {
        let text = body[name].as_str().unwrap();
        assert!(text.ends_with('Z'), "UTC: {text}");
        humantime::parse_rfc3339(text).unwrap()
    };
    at(to).duration_since(at(from)).unwrap()
}
