//! The authorization code grant at the token endpoint.

use std::time::Duration;

use reqwest::multipart::Form;
use serde_json::{Value, json};
use whisk_sandbox::{
    AcceptedClientAuth, AcceptedEncoding, ClientAuthUsed, ExpiresIn, PkceMode, RefreshTokenPolicy,
    ScopeShape, TokenOutcome,
};

use crate::client::{REDIRECT, VERIFIER, World, granted, refused, text, with};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_gives_tokens_that_open_the_api() {
    let world = World::new().await;
    let tokens = world.log_in("shopping_list:read offline_access").await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 2_592_000);
    assert_eq!(tokens["scope"], json!(["shopping_list:read", "offline_access"]));
    let access = text(&tokens, "access_token");
    let refresh = text(&tokens, "refresh_token");
    assert!(access.starts_with("AT_MARK_") && access.len() == 64);
    assert!(refresh.starts_with("RT_MARK_") && refresh.len() == 64);

    let me: Value = world.api("/v2/me", &access).send().await.unwrap().json().await.unwrap();
    assert_eq!(me["id"], "demo-cook");
    assert_eq!(me["name"], "Demo Cook");

    let journal = world.sandbox.journal();
    let call = journal.token().remove(0).token.unwrap();
    assert_eq!(call.client_auth, ClientAuthUsed::Body);
    assert_eq!(call.outcome, TokenOutcome::Granted);
    assert!(call.presented.unwrap().starts_with("CODE_MARK_"));
    assert_eq!(journal.api()[0].owner.as_deref(), Some("demo-cook"));
    assert_eq!(journal.api()[0].bearer(), Some(access.as_str()));
    let secrets = world.sandbox.issued_secrets();
    assert!(secrets.len() == 3 && secrets.contains(&access) && secrets.contains(&refresh));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_was_not_granted_is_not_in_the_token() {
    let world = World::new().await;
    let asked = world.authorization("a b offline_access");
    let code = world.code_for(&asked, "b").await;
    let tokens = granted(world.exchange(&code)).await;
    assert_eq!(tokens["scope"], json!(["b"]));
    assert_eq!(tokens.get("refresh_token"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_used_twice_ends_what_it_gave() {
    let world = World::new().await;
    let code = world.code("offline_access").await;
    let tokens = granted(world.exchange(&code)).await;
    let access = text(&tokens, "access_token");
    assert_eq!(world.verdict(&access).await, "ok");
    assert_eq!(refused(world.exchange(&code)).await, invalid_grant());
    assert_eq!(world.verdict(&access).await, "auth.tokenNotFound");
    let refresh = world.refresh(&text(&tokens, "refresh_token"));
    assert_eq!(refused(refresh).await, invalid_grant());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_bound_to_its_redirect_uri_and_its_day() {
    let world = World::new().await;
    let code = world.code("a").await;
    let exchange = |uri: &'static str| {
        world.token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ])
    };
    let other = exchange("http://127.0.0.1:9/auth/callback?tenant=a+b");
    assert_eq!(refused(other).await, invalid_grant());
    world.sandbox.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(refused(exchange(REDIRECT)).await, invalid_grant());
    let fresh = world.code("a").await;
    granted(world.exchange(&fresh)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pkce_is_verified_unless_it_is_ignored() {
    let world = World::new().await;
    let code = world.code("a").await;
    let exchange = |code: &str, verifier: &str| {
        world.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ])
    };
    let wrong = VERIFIER.replace('d', "e");
    assert_eq!(refused(exchange(&code, &wrong)).await, invalid_grant());
    assert_eq!(refused(exchange(&code, "")).await, invalid_grant());
    granted(exchange(&code, VERIFIER)).await;

    let plain = with(world.authorization("a"), "code_challenge", None);
    let plain = with(plain, "code_challenge_method", None);
    let code = world.code_for(&plain, "a").await;
    assert_eq!(refused(exchange(&code, VERIFIER)).await, invalid_grant());
    granted(exchange(&code, "")).await;

    world.sandbox.behaviour(|b| b.pkce = PkceMode::Ignore);
    let code = world.code("a").await;
    granted(exchange(&code, &wrong)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_is_taken_where_it_is_accepted() {
    let world = World::new().await;
    let form = |code: String| {
        Form::new()
            .text("client_id", "sandbox-client")
            .text("client_secret", "sandbox-not-a-secret")
            .text("grant_type", "authorization_code")
            .text("code", code)
            .text("redirect_uri", REDIRECT)
            .text("code_verifier", VERIFIER)
    };
    let post = |code: String| world.http.post(world.at("/oauth/v2/token")).multipart(form(code));
    let invalid_request = (400, "invalid_request".to_owned());

    world.sandbox.behaviour(|b| b.token_encoding = AcceptedEncoding::FormOnly);
    let code = world.code("a").await;
    assert_eq!(refused(post(code.clone())).await, invalid_request);
    world.sandbox.behaviour(|b| b.token_encoding = AcceptedEncoding::MultipartOnly);
    assert_eq!(refused(world.exchange(&code)).await, invalid_request);
    granted(post(code)).await;
    let calls = world.sandbox.journal().token();
    let encodings: Vec<_> =
        calls.iter().map(|entry| entry.token.clone().unwrap().encoding.unwrap()).collect();
    assert_eq!(
        encodings,
        ["multipart/form-data", "application/x-www-form-urlencoded", "multipart/form-data"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_authenticates_in_one_way() {
    let world = World::with(whisk_sandbox::Config {
        client_secret: "s&cr=t +ü".to_owned(),
        ..whisk_sandbox::Config::default()
    })
    .await;
    let request = |code: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        world.http.post(world.at("/oauth/v2/token")).form(&form)
    };
    let encoded = "s%26cr%3Dt+%2B%C3%BC";
    let code = world.code("a").await;
    let unauthorized = (401, "invalid_client".to_owned());

    let unencoded = request(&code).basic_auth("sandbox-client", Some("s&cr=t +ü"));
    assert_eq!(refused(unencoded).await, unauthorized);
    let wrong = request(&code).basic_auth("sandbox-client", Some("wrong"));
    let wrong = wrong.send().await.unwrap();
    assert_eq!(wrong.headers()["www-authenticate"], "Basic realm=\"whisk-sandbox\"");
    assert_eq!(refused(request(&code)).await, unauthorized);
    assert_eq!(refused(world.exchange(&code)).await, unauthorized);
    let both = world.exchange(&code).basic_auth("sandbox-client", Some(encoded));
    assert_eq!(refused(both).await, (400, "invalid_request".to_owned()));

    world.sandbox.behaviour(|b| b.client_auth = AcceptedClientAuth::BodyOnly);
    let basic = || request(&code).basic_auth("sandbox-client", Some(encoded));
    assert_eq!(refused(basic()).await, unauthorized);
    world.sandbox.behaviour(|b| b.client_auth = AcceptedClientAuth::BasicOnly);
    granted(basic()).await;
    let used: Vec<_> = (world.sandbox.journal().token().iter())
        .map(|entry| entry.token.as_ref().unwrap().client_auth)
        .collect();
    use ClientAuthUsed::{Basic, Body, Both, None};
    assert_eq!(used, [Basic, Basic, None, Body, Both, Basic, Basic]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_breaks_the_rules_is_refused() {
    let world = World::new().await;
    let code = world.code("a").await;
    let url = world.at("/oauth/v2/token");
    let invalid_request = (400, "invalid_request".to_owned());

    let query = world.http.post(format!("{url}?grant_type=authorization_code&code={code}"));
    assert_eq!(refused(query.form(&[("client_id", "x")])).await, invalid_request);
    assert!(world.sandbox.journal().token()[0].query().unwrap().contains(&code));
    let twice = world.token(&[("grant_type", "refresh_token"), ("grant_type", "refresh_token")]);
    assert_eq!(refused(twice).await, invalid_request);
    assert_eq!(refused(world.token(&[])).await, invalid_request);
    let json = world.http.post(&url).json(&json!({ "grant_type": "authorization_code" }));
    assert_eq!(refused(json).await, invalid_request);
    let password = world.token(&[("grant_type", "password")]);
    assert_eq!(refused(password).await, (400, "unsupported_grant_type".to_owned()));
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 405);
    granted(world.exchange(&code)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_and_lifetime_are_told_in_every_shape() {
    let world = World::new().await;
    let scopes = [
        (ScopeShape::Array, Some(json!(["a", "b"]))),
        (ScopeShape::SpaceString, Some(json!("a b"))),
        (ScopeShape::CommaString, Some(json!("a,b"))),
        (ScopeShape::EmptyString, Some(json!(""))),
        (ScopeShape::Null, Some(Value::Null)),
        (ScopeShape::Absent, None),
        (ScopeShape::Raw(json!([1, {}])), Some(json!([1, {}]))),
    ];
    for (shape, expected) in scopes {
        world.sandbox.behaviour(|b| b.scope_shape = shape);
        assert_eq!(world.log_in("a b").await.get("scope"), expected.as_ref());
    }
    let lifetimes = [
        (ExpiresIn::Number, Some(json!(60))),
        (ExpiresIn::String, Some(json!("60"))),
        (ExpiresIn::Float, Some(json!(60.0))),
        (ExpiresIn::Null, Some(Value::Null)),
        (ExpiresIn::Absent, None),
        (ExpiresIn::Raw(json!(-1)), Some(json!(-1))),
    ];
    world.sandbox.behaviour(|b| b.access_token_lifetime = Duration::from_secs(60));
    for (shape, expected) in lifetimes {
        world.sandbox.behaviour(|b| b.expires_in = shape);
        assert_eq!(world.log_in("a b").await.get("expires_in"), expected.as_ref());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_carry_more_and_bigger_members() {
    let world = World::new().await;
    world.sandbox.behaviour(|b| {
        b.issue_refresh_token = RefreshTokenPolicy::Always;
        b.access_token_text = Some("AT_MARK_".repeat(1024));
        b.extra_members.insert("id_token".to_owned(), json!("a.b.c"));
    });
    let (one, two) = (world.log_in("a").await, world.log_in("a").await);
    assert_eq!(one["id_token"], "a.b.c");
    assert!(one.get("refresh_token").is_some());
    let access = text(&one, "access_token");
    assert_eq!(access.len(), 8 * 1024 + 16);
    assert_ne!(one["access_token"], two["access_token"]);
    assert_eq!(world.verdict(&access).await, "ok");
    world.sandbox.behaviour(|b| b.issue_refresh_token = RefreshTokenPolicy::Never);
    assert_eq!(world.log_in("offline_access").await.get("refresh_token"), None);
}
