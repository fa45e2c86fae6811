//! `GET /auth/login`: the request that the browser is sent to the authorization page with.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::support::world::HOST;

/// R1, R6, R17, W3, W11, W12, W14, contract §4 `GET /auth/login`: 302, and a code is asked for
/// with the configured callback and scopes, a state and a challenge; nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_redirects_to_the_authorization_page_with_the_configured_request() {
    let world = World::builder().set("whisk.scopes", "a:b,c.d,offline_access").spawn().await;
    let begun = world.browser().navigate("/auth/login").await;

    assert_eq!((begun.status.as_u16(), begun.header("cache-control")), (302, "no-store"));
    let location = begun.header("location");
    assert!(location.starts_with(&format!("{}/oauth/v2/authorize?", world.sandbox.url())), "{location}");
    assert!(location.contains("scope=a%3Ab%20c.d%20offline_access"), "{location}");
    let mut asked = authorization_request(&begun);
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "sandbox-client"),
        ("redirect_uri", "https://app.test/auth/callback"),
        ("scope", "a:b c.d offline_access"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked.remove(name).as_deref(), Some(expected), "{name}");
    }
    assert!(is_base64url_of(&asked.remove("state").unwrap(), 32));
    assert!(is_base64url_of(&asked.remove("code_challenge").unwrap(), 32));
    assert_eq!(asked, HashMap::new());
}

/// R2, R3: a thousand logins repeat neither state nor challenge, and each state is 256 bits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_logins_have_a_thousand_states_and_challenges() {
    let world = World::spawn().await;
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let url = format!("http://{}/auth/login", world.address(0));
    let (mut states, mut challenges) = (HashSet::new(), HashSet::new());
    for _ in 0..1000 {
        let answer =
            client.get(&url).header("host", HOST).header("sec-fetch-site", "none").send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        for (name, value) in location.query_pairs().into_owned() {
            let seen = match name.as_str() {
                "state" => &mut states,
                "code_challenge" => &mut challenges,
                _ => continue,
            };
            assert!(is_base64url_of(&value, 32), "{name}={value}");
            assert!(seen.insert(value), "{name} came twice");
        }
    }
    assert_eq!((states.len(), challenges.len()), (1000, 1000));
}

/// W11, R5: `whisk.pkce = false`, and nothing else, leaves both parameters out; the login works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pkce_neither_challenge_nor_verifier_is_sent() {
    let world = World::builder().set("whisk.pkce", "false").spawn().await;
    let browser = world.browser();
    let begun = browser.navigate("/auth/login").await;
    let asked = authorization_request(&begun);
    assert!(!asked.keys().any(|name| name.starts_with("code_challenge")), "{asked:?}");

    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    assert_eq!(browser.come_back(&callback).await.status, 303);
    assert!(!token_request(&world.sandbox.journal().token()[0]).contains_key("code_verifier"));
}

/// R6, W14: the callback is the configured one whatever the request says of our name, from a
/// trusted proxy too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redirect_uri_is_never_built_from_the_request() {
    let world = World::builder().set("server.trusted_proxies", "127.0.0.0/8").spawn().await;
    let browser = world.browser();
    for (name, value) in [
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "81"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=192.0.2.1;host=evil.test;proto=http"),
        ("x-original-host", "evil.test"),
        ("x-original-url", "/evil"),
        ("referer", "https://evil.test/"),
    ] {
        let begun = browser.send(first_visit("/auth/login").header(name, value)).await;
        assert_eq!(begun.status, 302, "{name}");
        assert_eq!(authorization_request(&begun)["redirect_uri"], "https://app.test/auth/callback", "{name}");
        assert!(!begun.header("location").contains("evil"), "{name}");
    }
    for host in ["evil.test", "app.test.evil.test", "app.test:8443"] {
        let refused = browser.send(first_visit("/auth/login").header("host", host)).await;
        refused.assert_problem(421, "wrong_host");
        assert_eq!((refused.header("location"), refused.set_cookies()), ("", vec![]));
    }
    // Not a host at all (RFC 9110 section 7.2); which of the two it gets is the same to a login.
    let odd = browser.send(first_visit("/auth/login").header("host", "evil@app.test")).await;
    assert!(matches!(odd.header("x-whisk-bff-error"), "bad_request" | "wrong_host"), "{odd:?}");
    assert_eq!((odd.header("location"), odd.set_cookies()), ("", vec![]));
}

/// W13, contract §5 `invalid_identity_provider`: a listed provider is passed on, any other is 400.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_identity_provider_is_passed_on_and_any_other_is_refused() {
    let world = World::spawn().await;
    let browser = world.browser();
    for listed in ["google", "facebook"] {
        let begun = browser.send(first_visit(&format!("/auth/login?identity_provider={listed}"))).await;
        assert_eq!(begun.status, 302);
        assert_eq!(authorization_request(&begun)["identity_provider"], listed);
    }
    for unlisted in
        ["", "Google", "google%20", "apple", "google%26redirect_uri%3Dhttps%3A%2F%2Fevil.test", "google%00"]
    {
        let refused = browser.send(first_visit(&format!("/auth/login?identity_provider={unlisted}"))).await;
        refused.assert_problem(400, "invalid_identity_provider");
        assert_eq!(refused.set_cookies(), Vec::<String>::new(), "{unlisted}");
    }
    browser
        .send(first_visit("/auth/login?identity_provider=google&identity_provider=facebook"))
        .await
        .assert_problem(400, "bad_request");
    let begun = browser
        .send(first_visit(
            "/auth/login?identity_provider=google&redirect_uri=https%3A%2F%2Fevil.test&response_type=token",
        ))
        .await;
    let asked = authorization_request(&begun);
    assert_eq!(asked["redirect_uri"], "https://app.test/auth/callback");
    assert_eq!(asked["response_type"], "code");
    assert!(
        !authorization_request(&browser.send(first_visit("/auth/login")).await)
            .contains_key("identity_provider")
    );
}

/// R16 and contract §5 `method_not_allowed`: both routes are for GET alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_and_callback_are_for_get_alone() {
    let world = World::spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    for target in ["/auth/login", callback.as_str()] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let refused = browser.send(Call::new(method, target)).await;
            refused.assert_problem(405, "method_not_allowed");
            assert_eq!(refused.header("allow"), "GET", "{method} {target}");
            assert_eq!(refused.set_cookies(), Vec::<String>::new());
        }
    }
    assert_eq!(world.sandbox.journal().token().len(), 0);
    assert_eq!(browser.come_back(&callback).await.status, 303);
}
