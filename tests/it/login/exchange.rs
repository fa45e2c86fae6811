//! The one request by which a code becomes tokens, as the authorization server saw it.

use sha2::{Digest, Sha256};
use whisk_sandbox::{AcceptedClientAuth, AcceptedEncoding, ClientAuthUsed, Surface};

use super::*;
use crate::support::world::{CLIENT_SECRET, logs};

/// R1, R3, R19, R20, W7, W8, W9, W14: one POST, its parameters in the body, the secret letter by
/// letter, the redirect URI of the authorization request, the challenge's verifier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_exchanged_by_one_authenticated_form() {
    let world = World::spawn().await;
    let browser = world.browser();
    let begun = browser.navigate("/auth/login").await;
    let asked = authorization_request(&begun);
    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    let done = browser.come_back(&callback).await;
    assert_eq!(done.status, 303);

    let journal = world.sandbox.journal();
    let requests = journal.token();
    assert_eq!(requests.len(), 1);
    let call = requests[0].token.clone().unwrap();
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("POST", "/oauth/v2/token"));
    assert_eq!(call.encoding.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(call.client_auth, ClientAuthUsed::Body);
    let mut sent = token_request(&requests[0]);
    let verifier = sent.remove("code_verifier").unwrap();
    assert!((43..=128).contains(&verifier.len()));
    assert!(verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())), asked["code_challenge"]);
    for (name, expected) in [
        ("grant_type", "authorization_code"),
        ("code", of_callback(&callback, "code").as_str()),
        ("redirect_uri", asked["redirect_uri"].as_str()),
        ("client_id", "sandbox-client"),
        ("client_secret", CLIENT_SECRET),
    ] {
        assert_eq!(sent.remove(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(sent, HashMap::new());

    // The verifier stays on our side of the front channel, and out of the log.
    let front: String = [&begun, &done]
        .iter()
        .flat_map(|answer| answer.headers.values())
        .map(|value| format!("{value:?}"))
        .collect();
    assert!(!front.contains(&verifier) && !logs().contains(&verifier));
}

/// R20, W7, W8: each configured way of writing the request and of proving the client works at a
/// server that takes no other, with a secret of awkward characters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_configured_encoding_and_client_authentication_logs_in() {
    for (encoding, accepted_encoding) in
        [("form", AcceptedEncoding::FormOnly), ("multipart", AcceptedEncoding::MultipartOnly)]
    {
        for (auth, accepted_auth) in
            [("body", AcceptedClientAuth::BodyOnly), ("basic", AcceptedClientAuth::BasicOnly)]
        {
            let world = World::builder()
                .set("whisk.token_encoding", encoding)
                .set("whisk.client_auth", auth)
                .sandbox(|config| {
                    config.behaviour.token_encoding = accepted_encoding;
                    config.behaviour.client_auth = accepted_auth;
                })
                .spawn()
                .await;
            let browser = world.logged_in().await;
            assert_eq!(browser.get("/v2/me").await.status, 200, "{encoding} {auth}");
            let requests = world.sandbox.journal().token();
            assert_eq!(requests.len(), 1, "{encoding} {auth}");
            let used = requests[0].token.clone().unwrap().client_auth;
            assert_eq!(used, if auth == "basic" { ClientAuthUsed::Basic } else { ClientAuthUsed::Body });
        }
    }
}

/// R25, W7, W8: where the server takes another form than the configured one, the login fails after
/// one request: the other is never tried with a live code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_encoding_or_authentication_is_never_tried() {
    for (encoding, auth, accepted_encoding, accepted_auth) in [
        ("form", "body", AcceptedEncoding::MultipartOnly, AcceptedClientAuth::Any),
        ("multipart", "body", AcceptedEncoding::FormOnly, AcceptedClientAuth::Any),
        ("form", "body", AcceptedEncoding::Any, AcceptedClientAuth::BasicOnly),
        ("form", "basic", AcceptedEncoding::Any, AcceptedClientAuth::BodyOnly),
    ] {
        let world = World::builder()
            .set("whisk.token_encoding", encoding)
            .set("whisk.client_auth", auth)
            .sandbox(|config| {
                config.behaviour.token_encoding = accepted_encoding;
                config.behaviour.client_auth = accepted_auth;
            })
            .spawn()
            .await;
        let browser = world.browser();
        let callback = browser.authorize("/auth/login").await;
        browser.come_back(&callback).await.assert_problem(502, "login_server_invalid");
        assert_eq!(world.sandbox.journal().token().len(), 1, "{encoding} {auth}");
    }
}

/// R20: a code of any visible characters arrives as it was; one of others is not sent at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_awkward_characters_arrives_as_it_was() {
    let world = World::spawn().await;
    let browser = world.browser();
    for (encoded, arrives) in [
        ("a%2Bb%26c%3Dd%25e%2F%3F%23", Some("a+b&c=d%e/?#")),
        ("%22%27%3C%3E%5C%7C", Some("\"'<>\\|")),
        ("a%20b", None),
        ("a+b", None),
        ("%C3%A9", None),
        ("a%0D%0Ab", None),
        ("%00", None),
        ("", None),
    ] {
        let callback = browser.authorize("/auth/login").await;
        let target = format!("/auth/callback?code={encoded}&state={}", of_callback(&callback, "state"));
        let before = world.sandbox.journal().token().len();
        browser.come_back(&target).await.assert_problem(400, "login_failed");
        let sent = world.sandbox.journal().token().split_off(before);
        let presented: Vec<_> = sent.into_iter().filter_map(|entry| entry.token.unwrap().presented).collect();
        assert_eq!(presented, arrives.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{encoded}");
    }
}

/// W12, W14, W30, R1: a whole session asks the authorization server for nothing but a code and
/// its exchange: no metadata, no keys, no implicit grant, no `redirect_url`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_documented_endpoints_is_asked() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    session(&browser).await;
    let entries = world.sandbox.journal().entries();
    assert!(entries.len() >= 3);
    for entry in &entries {
        assert!(
            matches!(entry.surface, Surface::Authorize | Surface::Token | Surface::Api),
            "{}",
            entry.target
        );
        assert!(
            !entry.target.contains("response_type=token") && !entry.target.contains("redirect_url"),
            "{}",
            entry.target
        );
        assert!(!String::from_utf8_lossy(&entry.body).contains("redirect_url"), "{}", entry.target);
    }
}
