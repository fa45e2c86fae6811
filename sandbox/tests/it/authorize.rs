//! The authorization page and the decision.

use reqwest::{StatusCode, header};
use whisk_sandbox::{Config, PkceMode, Surface};

use crate::client::{REDIRECT, World, location, parameter, with};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_offers_users_scopes_and_a_decision_without_script() {
    let world = World::new().await;
    let mut asked = world.authorization("shopping_list:read,offline_access");
    asked.push(("identity_provider", "<google>".to_owned()));
    let page = world.page(&asked).await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.ends_with("form-action 'self' http://127.0.0.1:9"), "{policy}");
    assert_eq!(page.headers()[header::REFERRER_POLICY], "no-referrer");
    let page = page.text().await.unwrap();
    for expected in [
        "id=\"user-demo-baker\"",
        "id=\"user-demo-cook\"",
        "id=\"scope-shopping_list-read\" name=\"scope\" value=\"shopping_list:read\" checked",
        "id=\"scope-offline_access\"",
        "id=\"allow\"",
        "id=\"deny\"",
        "&lt;google&gt;",
        "width=device-width",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(!page.contains("<script"));
    let style = world.http.get(world.at("/sandbox.css")).send().await.unwrap();
    assert_eq!(style.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_decisions_lead_back_with_the_state() {
    let world = World::new().await;
    let page = world.page(&world.authorization("a b")).await.text().await.unwrap();
    let denied = world.decide(&page, &[("user", "demo-cook"), ("decision", "deny")]).await;
    assert_eq!(denied.status(), StatusCode::SEE_OTHER);
    let denied = location(&denied);
    assert!(denied.starts_with(&format!("{REDIRECT}&error=access_denied&")), "{denied}");
    assert_eq!(parameter(&denied, "state").unwrap(), "st&te");

    let allowed = world.decide(&page, &[("user", "demo-cook"), ("decision", "allow")]).await;
    let allowed = location(&allowed);
    assert!(allowed.starts_with(&format!("{REDIRECT}&code=CODE_MARK_")), "{allowed}");
    assert_eq!(parameter(&allowed, "code").unwrap().len(), 64);
    assert_eq!(parameter(&allowed, "state").unwrap(), "st&te");
    assert_eq!(world.sandbox.journal().authorize().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_can_be_forgotten() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| b.echo_state = false);
    let page = world.page(&world.authorization("a")).await.text().await.unwrap();
    for decision in ["allow", "deny"] {
        let form = [("user", "demo-cook"), ("decision", decision)];
        let answer = location(&world.decide(&page, &form).await);
        assert_eq!(parameter(&answer, "state"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_client_gets_a_page_and_never_a_redirect() {
    let world = World::new().await;
    let right = world.authorization("a");
    let wrong = [
        with(right.clone(), "client_id", Some("somebody")),
        with(right.clone(), "client_id", None),
        with(right.clone(), "redirect_uri", None),
        with(right.clone(), "redirect_uri", Some("https://app.example.com/callback")),
        with(right.clone(), "redirect_uri", Some("http://127.0.0.1.evil.example/")),
        with(right.clone(), "redirect_uri", Some("javascript:alert(1)")),
        with(right.clone(), "redirect_uri", Some("http://127.0.0.1/#fragment")),
        [right.clone(), vec![("redirect_uri", REDIRECT.to_owned())]].concat(),
    ];
    for asked in wrong {
        let answer = world.page(&asked).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{asked:?}");
        assert!(!answer.headers().contains_key(header::LOCATION));
        assert!(answer.text().await.unwrap().contains("id=\"reason\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_redirect_uris_is_compared_byte_for_byte() {
    let world = World::with(Config {
        redirect_uris: vec!["https://app.example.com/auth/callback".to_owned()],
        ..Config::default()
    })
    .await;
    let ask = |uri: &str| with(world.authorization("a"), "redirect_uri", Some(uri));
    let status = async |uri: &str| world.page(&ask(uri)).await.status().as_u16();
    assert_eq!(status("https://app.example.com/auth/callback").await, 200);
    for other in [
        "https://app.example.com/auth/callback/",
        "https://APP.example.com/auth/callback",
        "https://app.example.com:443/auth/callback",
        "http://127.0.0.1:9/auth/callback",
    ] {
        assert_eq!(status(other).await, 400, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_client_is_told_what_is_wrong() {
    let world = World::new().await;
    let right = world.authorization("a");
    let cases = [
        (with(right.clone(), "response_type", Some("token")), "unsupported_response_type"),
        (with(right.clone(), "response_type", None), "invalid_request"),
        (with(right.clone(), "code_challenge_method", Some("plain")), "invalid_request"),
        (with(right.clone(), "code_challenge_method", None), "invalid_request"),
        (with(right.clone(), "code_challenge", Some("short")), "invalid_request"),
        ([right.clone(), vec![("state", "twice".to_owned())]].concat(), "invalid_request"),
    ];
    for (asked, error) in cases {
        let answer = world.page(&asked).await;
        assert_eq!(answer.status(), StatusCode::FOUND, "{asked:?}");
        let location = location(&answer);
        assert!(location.starts_with(REDIRECT));
        assert_eq!(parameter(&location, "error").as_deref(), Some(error));
        assert_eq!(parameter(&location, "state").as_deref(), Some("st&te"));
    }
    world.sandbox.behaviour(|b| b.pkce = PkceMode::Reject);
    let rejected = world.page(&right).await;
    assert_eq!(parameter(&location(&rejected), "error").unwrap(), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_not_ours_is_refused() {
    let world = World::new().await;
    let page = world.page(&world.authorization("a")).await.text().await.unwrap();
    for fields in [
        vec![("user", "nobody"), ("decision", "allow")],
        vec![("decision", "allow")],
        vec![("user", "demo-cook")],
        vec![("user", "demo-cook"), ("decision", "perhaps")],
    ] {
        assert_eq!(world.decide(&page, &fields).await.status(), StatusCode::BAD_REQUEST);
    }
    let forged = "name=\"request\" value=\"forged\"";
    let fields = [("user", "demo-cook"), ("decision", "allow")];
    assert_eq!(world.decide(forged, &fields).await.status(), StatusCode::BAD_REQUEST);
    let surfaces = world.sandbox.journal().count(|entry| entry.surface == Surface::Authorize);
    assert_eq!(surfaces, 6);
}
