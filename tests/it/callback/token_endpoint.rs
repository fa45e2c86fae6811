//! What a person sees of each answer of the token endpoint, and that each is asked for once.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use whisk_sandbox::{Gate, TokenFault};

use super::*;
use crate::login::authorization_request;
use crate::support::raw::{RawAnswer, RawServer};

fn status(status: u16, body: &str) -> TokenFault {
    TokenFault::Status(status, body.to_owned(), "application/json".to_owned())
}

fn refusal(http: u16, error: &str) -> TokenFault {
    status(http, &json!({"error": error, "error_description": "SEC_MARK <script>"}).to_string())
}

/// Meets the fault with a fresh code: one token request, the login's cookie gone, no session.
async fn meet(world: &World, fault: TokenFault) -> Answer {
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let before = asked(world);
    world.sandbox.behaviour(|behaviour| behaviour.token_faults = [fault.clone()].into());
    let answer = browser.come_back(&callback).await;
    assert_eq!(asked(world), before + 1, "{fault:?}");
    assert_eq!((login_cookies(&answer).len(), session_cookies(&answer)), (1, vec![]), "{fault:?}");
    assert_eq!(browser.session_cookie(), None);
    // The login is used up whatever came of it, and its code is not sent again.
    assert_fault_page(&browser.come_back(&callback).await, 400, "login_failed");
    assert_eq!(asked(world), before + 1, "{fault:?}");
    answer
}

/// R26, contract §5 `login_failed`: a code that the server does not honour is 400.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_not_honoured_is_login_failed() {
    let world = World::spawn().await;
    for http in [400, 401, 403] {
        assert_fault_page(&meet(&world, refusal(http, "invalid_grant")).await, 400, "login_failed");
    }
}

/// R26, R25, R22, contract §5 `login_server_invalid`: what only an operator can mend is 502, in
/// words that tell nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_the_client_is_login_server_invalid() {
    let world = World::spawn().await;
    let mut pages = Vec::new();
    for fault in [
        refusal(401, "invalid_client"),
        refusal(400, "invalid_client"),
        refusal(400, "unauthorized_client"),
        refusal(400, "unsupported_grant_type"),
        refusal(400, "invalid_scope"),
        refusal(400, "invalid_request"),
        refusal(400, "something_new"),
        status(400, "<html>"),
        status(401, ""),
        status(404, ""),
        status(405, "{}"),
    ] {
        let answer = meet(&world, fault).await;
        assert_fault_page(&answer, 502, "login_server_invalid");
        pages.push(answer.text());
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
    assert_eq!(world.metric(0, "whisk_bff_logins_total{outcome=\"completed\"}"), 0.0);
}

/// R26, R25, R27, contract §5 `login_server_unavailable`: no answer is 503 with `Retry-After`, and
/// the code, which may be used up, is not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_no_answer_is_login_server_unavailable() {
    let world = World::spawn().await;
    for fault in [
        status(500, ""),
        status(502, "<html>"),
        status(503, "{\"error\":\"invalid_grant\"}"),
        status(504, ""),
        status(429, "{}"),
        TokenFault::DropBeforeAnswer,
        TokenFault::DropAfterCommit,
    ] {
        assert_fault_page(&meet(&world, fault).await, 503, "login_server_unavailable");
    }
}

/// R26, R27, contract §5 `login_server_unavailable`: an answer that does not come within
/// `whisk.timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_login_server_unavailable() {
    let world = World::builder().set("whisk.timeout", "300ms").spawn().await;
    let gate = Gate::new();
    let answer = meet(&world, TokenFault::Gate(gate.clone())).await;
    gate.open();
    assert_fault_page(&answer, 503, "login_server_unavailable");
}

/// R26, contract §5 `login_server_unavailable`: a server that is not there; when it is back, logins
/// work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_login_server_unavailable() {
    let world = World::spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    world.sandbox.stop();
    assert_fault_page(&browser.come_back(&callback).await, 503, "login_server_unavailable");
    world.sandbox.restart().await.unwrap();
    browser.log_in().await;
}

/// R22, R127, contract §5 `login_server_invalid`: an answer that is no bearer token is 502 and
/// begins no session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_bearer_token_is_login_server_invalid() {
    let world = World::spawn().await;
    let good = |member: &str, value: serde_json::Value| {
        let mut answer = json!({"access_token": "x", "token_type": "Bearer", "expires_in": 3600});
        answer[member] = value;
        answer.to_string()
    };
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "[\"x\",\"Bearer\"]".to_owned(),
        "\"x\"".to_owned(),
        "{}".to_owned(),
        "<html></html>".to_owned(),
        "{\"access_token\":\"x\",\"token_type\":\"Bearer\"".to_owned(),
        "access_token=x&token_type=Bearer".to_owned(),
        json!({"access_token": "x"}).to_string(),
        json!({"token_type": "Bearer"}).to_string(),
        json!({"token": {"access_token": "x", "token_type": "Bearer"}}).to_string(),
        json!({"error": "invalid_grant"}).to_string(),
        good("access_token", json!("")),
        good("access_token", json!(null)),
        good("access_token", json!(7)),
        good("access_token", json!(["x"])),
        good("access_token", json!("a b")),
        good("access_token", json!("a\r\nSet-Cookie: b=c")),
        good("access_token", json!("\u{e9}")),
        good("access_token", json!("a\u{0}")),
        good("token_type", json!("DPoP")),
        good("token_type", json!("mac")),
        good("token_type", json!("")),
        good("token_type", json!("Bearer ")),
        good("token_type", json!(null)),
        good("token_type", json!(1)),
        good("refresh_token", json!(7)),
        good("refresh_token", json!("a b")),
    ] {
        let answer = meet(&world, TokenFault::Garbage(body.clone())).await;
        assert_fault_page(&answer, 502, "login_server_invalid");
        assert!(!answer.text().contains("access_token"), "{body}");
    }
    for http in [201, 202, 204, 206] {
        let body = if http == 204 { String::new() } else { good("expires_in", json!(60)) };
        assert_fault_page(&meet(&world, status(http, &body)).await, 502, "login_server_invalid");
    }
    assert_eq!(world.metric(0, "whisk_bff_sessions_started_total{kind=\"user\"}"), 0.0);
}

/// R27: an answer without end is cut off, and that login fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_login_server_invalid() {
    let world = World::spawn().await;
    assert_fault_page(&meet(&world, TokenFault::Endless).await, 502, "login_server_invalid");
}

/// R21: a redirect of the token endpoint is not followed: it would hand code and secret to
/// whoever it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let world = World::spawn().await;
    let elsewhere =
        RawServer::start(|_| RawAnswer::json(200, "{\"access_token\":\"x\",\"token_type\":\"Bearer\"}"));
    let answer = meet(&world, TokenFault::Redirect307(format!("{}/token", elsewhere.url()))).await;
    assert_fault_page(&answer, 502, "login_server_invalid");
    for http in [301, 302, 303, 308] {
        assert_fault_page(&meet(&world, status(http, "")).await, 502, "login_server_invalid");
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// R21: a token endpoint with a certificate that nobody vouches for is sent nothing, and the
/// person is told that it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_trusted_certificate_gets_no_code() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || untrusted(&listener));
    let world = World::builder().set("whisk.login_url", url).spawn().await;
    let browser = world.browser();
    let begun = browser.send(first_visit("/auth/login")).await;
    let state = authorization_request(&begun)["state"].clone();
    let answer = browser.come_back(&format!("/auth/callback?code=CODE_MARK_1&state={state}")).await;
    assert_fault_page(&answer, 503, "login_server_unavailable");
    assert_eq!((login_cookies(&answer).len(), session_cookies(&answer)), (1, vec![]));
    assert_eq!(server.join().unwrap(), b"");
}

/// Serves one connection with a certificate of its own making; what came through it.
fn untrusted(listener: &TcpListener) -> Vec<u8> {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    let mut bytes = Vec::new();
    let end = rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut bytes);
    assert!(end.is_err_and(|alert| alert.to_string().contains("UnknownCA")));
    bytes
}

/// R26: after any of it, the same browser logs in as if nothing had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_login_is_simply_begun_again() {
    let world = World::spawn().await;
    let browser = world.browser();
    for fault in [refusal(401, "invalid_client"), status(500, ""), TokenFault::DropAfterCommit] {
        let callback = browser.authorize("/auth/login").await;
        world.sandbox.behaviour(|behaviour| behaviour.token_faults = [fault].into());
        assert!(!browser.come_back(&callback).await.status.is_redirection());
        browser.log_in().await;
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
}
