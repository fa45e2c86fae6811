//! The broker's own errors, as a browser sees each of them.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

use whisk_sandbox::TokenFault;

use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::Wire;
use crate::support::world::{HOST, logs};
use crate::support::{Answer, Browser, Call, World, eventually};

/// Asserts that a problem names neither machines, nor paths, nor libraries.
#[track_caller]
fn assert_tells_nothing(answer: &Answer) {
    let text = answer.text().to_ascii_lowercase();
    for word in [
        "127.0.0.1",
        "localhost",
        "app.test",
        "/v2/",
        "/oauth",
        "src/",
        ".rs",
        "actix",
        "hyper",
        "reqwest",
        "redis",
        "serde",
        "tokio",
        "error sending",
        "os error",
        "panick",
        "sec_mark",
        "demo-baker",
    ] {
        assert!(!text.contains(word), "{word} is in {text}");
    }
    assert_eq!(answer.header("server"), "");
    assert_eq!(answer.header("vary"), "Sec-Fetch-Site, Origin, Cookie");
}

fn api() -> RawServer {
    RawServer::start(|request| match request.request_line().split(' ').nth(1).unwrap() {
        "/v2/garbage" => RawAnswer::CutAfter(b"SEC_MARK garbage\r\n\r\n".to_vec()),
        "/v2/stall" => RawAnswer::Stall,
        "/v2/drop" => RawAnswer::DropAfterRead,
        _ => RawAnswer::json(200, "{}"),
    })
}

/// R99, contract §5: each error that a request can provoke by itself, or the API, with status,
/// media type, code, marker, id, and what goes with it; and nothing internal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_of_ours_is_a_problem_with_its_own_code_and_tells_nothing_else() {
    let api = api();
    let world = World::builder()
        .set("whisk.api_url", api.url())
        .set("forward.response_timeout", "300ms")
        .set("forward.max_body", "1KiB")
        .spawn()
        .await;
    let browser = world.logged_in().await;
    let stranger = world.browser();
    let navigation = |target: &str| Call::get(target).metadata("none", "navigate", "document");
    let mut ids = HashSet::new();
    for (who, call, status, code) in [
        (&browser, Call::get("/v2/..%2fx"), 400, "bad_request"),
        (&browser, Call::get("/v2/me?token=SEC_MARK"), 400, "bad_request"),
        (&stranger, navigation("/auth/login?return_to=//evil.example"), 400, "invalid_return_to"),
        (&stranger, navigation("/auth/login?identity_provider=evil"), 400, "invalid_identity_provider"),
        (&stranger, navigation("/auth/callback?code=SEC_MARK&state=SEC_MARK"), 400, "login_failed"),
        (&stranger, Call::get("/v2/me"), 401, "login_required"),
        (
            &stranger,
            Call::get("/v2/me").header("cookie", "__Host-Http-whisk=SEC_MARK"),
            401,
            "login_required",
        ),
        (&browser, Call::get("/v2/me").bare(), 403, "csrf_rejected"),
        (&browser, Call::get("/somewhere"), 404, "not_found"),
        (&browser, Call::post("/auth/session"), 405, "method_not_allowed"),
        (&browser, Call::post("/v2/me").body(vec![b'x'; 1025]), 413, "payload_too_large"),
        (&browser, Call::get(&format!("/v2/{}", "x".repeat(17 << 10))), 414, "uri_too_long"),
        (&browser, Call::get("/v2/me").header("host", "evil.example"), 421, "wrong_host"),
        (&browser, Call::get("/v2/me").header("x", vec![b'x'; 65 << 10]), 431, "headers_too_large"),
        (&browser, Call::get("/test/panic"), 500, "internal_error"),
        (&browser, Call::get("/v2/garbage"), 502, "upstream_invalid"),
        (&browser, Call::get("/v2/drop"), 502, "upstream_unreachable"),
        (&browser, Call::get("/v2/stall"), 504, "upstream_timeout"),
    ] {
        let answer = who.send(call).await;
        answer.assert_problem(status, code);
        assert_tells_nothing(&answer);
        assert!(answer.set_cookies().is_empty(), "{code}");
        if !answer.header("content-type").starts_with("text/html") {
            let body = answer.json();
            assert!(
                ids.insert(body["request_id"].as_str().unwrap().to_owned()),
                "an id stands for one request"
            );
            assert_eq!(body.get("login_url").is_some(), status == 401, "{code}");
            assert_eq!(body.get("retry_after").is_some(), status == 503, "{code}");
        }
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{code}");
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{code}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{code}");
    }
    assert_eq!(browser.get("/v2/me").await.status, 200);
}

/// R99, contract §5 `login_server_unavailable`: when it is worth asking again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_passes_says_when_to_ask_again() {
    let world = World::builder()
        .sandbox(|config| config.behaviour.access_token_lifetime = Duration::from_secs(120))
        .spawn()
        .await;
    let browser = world.logged_in().await;
    world.clock.advance(Duration::from_secs(180));
    world.sandbox.advance(Duration::from_secs(180));
    world.sandbox.behaviour(|behaviour| {
        behaviour
            .token_faults
            .extend((0..20).map(|_| TokenFault::Status(500, String::new(), "text/plain".to_owned())));
    });
    let answer = browser.get("/v2/me").await;
    answer.assert_problem(503, "login_server_unavailable");
    assert_tells_nothing(&answer);
    assert!(answer.json()["retry_after"].as_u64().unwrap() >= 1);
    assert!(answer.set_cookies().is_empty());
    world.sandbox.behaviour(|behaviour| behaviour.token_faults.clear());
    eventually("the session heals", async || browser.get("/v2/me").await.status == 200).await;
}

/// R99: the answer to HEAD is the answer to GET without its body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_answers_head_without_a_body() {
    let world = World::spawn().await;
    let answer = world.browser().send(Call::new("HEAD", "/v2/me")).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-whisk-bff-error")), (401, "login_required"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.body.is_empty());
}

/// R114, contract §5 `internal_error`: a bug costs its own request and nothing else, and its text, which
/// may hold anything, is in no log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bug_is_one_500_and_the_process_lives_on() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    // More than there are workers.
    for _ in 0..8 {
        let answer = browser.get("/test/panic").await;
        answer.assert_problem(500, "internal_error");
        assert_tells_nothing(&answer);
        assert_eq!(browser.get("/v2/me").await.status, 200);
        // Calls are answered elsewhere than the routes.
        world.bug.store(true, Ordering::SeqCst);
        let answer = browser.get("/v2/me").await;
        answer.assert_problem(500, "internal_error");
        assert_tells_nothing(&answer);
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    let logs = logs();
    assert!(!logs.contains("a bug in a"));
    assert!(logs.contains("internal_error"), "the request itself is in the log");
}

/// Contract §5 `request_timeout`: an upload that stalls, announced or not, kept or streamed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_stalls_is_answered_408_and_not_taken_for_the_whole() {
    let api = api();
    let world = World::builder()
        .set("whisk.api_url", api.url())
        .set("forward.idle_timeout", "300ms")
        .set("forward.replay_limit", "1KiB")
        .spawn()
        .await;
    let browser = world.logged_in().await;
    let mut stalled = Vec::new();
    for (framing, body) in [
        ("Content-Length: 10", "hello"),
        ("Content-Length: 10", ""),
        ("Content-Length: 10000", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhel"),
        ("Transfer-Encoding: chunked", ""),
    ] {
        let mut wire = connect(&world);
        wire.send(head(&browser, "POST /v2/x", framing) + body);
        stalled.push((format!("{framing} {body:?}"), wire));
    }
    for (_, wire) in &mut stalled {
        let answer = wire.answer();
        answer.assert_problem(408, "request_timeout");
        assert_tells_nothing(&answer);
    }
    for (what, mut wire) in stalled {
        assert!(wire.closed(), "{what}: what follows could be the rest of the body");
    }
    assert!(api.requests().is_empty(), "{:?}", api.requests());
}

fn connect(world: &World) -> Wire {
    Wire::connect(world.address(0))
}

fn head(browser: &Browser, line: &str, framing: &str) -> String {
    let cookie = browser.cookie_line();
    format!(
        "{line} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n{framing}\r\n\r\n"
    )
}

/// Contract §5 `upstream_unreachable`: nobody listens, or somebody hangs up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_is_not_there_is_502_and_the_session_stays() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hangs_up = RawServer::closing();
    for url in [format!("http://127.0.0.1:{port}"), hangs_up.url()] {
        let world = World::builder().set("whisk.api_url", &url).spawn().await;
        let browser = world.logged_in().await;
        for call in [Call::get("/v2/me"), Call::post("/v2/me").body("{}")] {
            let answer = browser.send(call).await;
            answer.assert_problem(502, "upstream_unreachable");
            assert_tells_nothing(&answer);
        }
        assert_eq!(browser.get("/auth/session").await.json()["authenticated"], true);
        browser.expect_ended();
    }
}

/// R119: on every answer that we write, whatever its status. (What is no HTTP at all is answered
/// below us, with a bare status and a closed connection.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_tells_the_browser_to_stay_with_https() {
    let api = api();
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let answers = [
        browser.send(browser.callback(&callback)).await,
        browser.get("/v2/me").await,
        browser.get("/auth/session").await,
        browser.navigate("/auth/login").await,
        browser.send(Call::new("OPTIONS", "/v2/me").header("access-control-request-method", "PUT")).await,
        browser.get("/nothing").await,
        browser.get("/v2/%zz").await,
        browser.send(Call::get("/v2/me").bare()).await,
        world.browser().get("/v2/me").await,
        browser.get("/auth/logout").await,
        browser.send(Call::get("/v2/me").header("host", "evil.example")).await,
        browser.get("/test/panic").await,
        browser.get("/v2/garbage").await,
        browser.post("/auth/logout").await,
    ];
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [303, 200, 200, 302, 204, 404, 400, 403, 401, 405, 421, 500, 502, 204]);
    for answer in answers {
        let policy: Vec<_> = answer.headers.get_all("strict-transport-security").iter().collect();
        assert_eq!(policy, ["max-age=31536000; includeSubDomains"], "{answer:?}");
    }
}

/// R119: where there is no TLS to stay with, nothing is said of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_http_origin_makes_no_promise_of_https() {
    let world = World::builder().set("server.public_url", "http://localhost:8080").spawn().await;
    let mut wire = connect(&world);
    for target in ["/auth/session", "/v2/me", "/nothing"] {
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: localhost:8080\r\nX-CSRF: 1\r\n\r\n"));
        assert_eq!(wire.answer().headers.get("strict-transport-security"), None, "{target}");
    }
    // The world's own probe asks for another host.
    world.ends_in_ruins();
}
