//! The gate against requests that another site made a browser send.

use crate::support::raw::{RawAnswer, RawServer};
use crate::support::world::ORIGIN;
use crate::support::{Answer, Browser, Call, World};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// One path below each prefix of [`stage`].
const PATHS: [&str; 3] = ["/v2/me", "/feeds/live/now", "/list/v2/items"];

/// An API that answers everything, a broker with several prefixes, and a session.
async fn stage(settings: &[(&str, &str)]) -> (RawServer, World, Browser) {
    let api = RawServer::start(|_| RawAnswer::with(200, &[("Access-Control-Allow-Origin", "*")], "{}"));
    let builder = World::builder()
        .set("whisk.api_url", api.url())
        .set("forward.routes", "/v2/,/feeds/live/,/{service}/v2/");
    let world = settings.iter().fold(builder, |builder, (key, value)| builder.set(key, *value)).spawn().await;
    let browser = world.logged_in().await;
    (api, world, browser)
}

/// A refusal by the gate; its body, where the method lets it have one, is a problem.
#[track_caller]
fn assert_rejected(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-whisk-bff-error")),
        (403, "csrf_rejected"),
        "{what}"
    );
    if !answer.body.is_empty() {
        answer.assert_problem(403, "csrf_rejected");
    }
}

/// R62, W1: whatever the method, whatever the prefix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_any_proof_of_its_origin_is_rejected_below_every_prefix() {
    let (api, world, browser) = stage(&[]).await;
    for path in PATHS {
        for method in METHODS {
            let answer = browser.send(Call::new(method, path).bare()).await;
            assert_rejected(&answer, &format!("{method} {path}"));
        }
    }
    let answer = browser.send(Call::post("/auth/logout").bare()).await;
    assert_rejected(&answer, "logout");
    assert!(api.requests().is_empty());
    let refusals = world.metric(0, "whisk_bff_csrf_refusals_total{reason=\"missing_header\"}");
    assert_eq!(refusals, 22.0);

    for path in PATHS {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    assert_eq!(api.requests().len(), PATHS.len());
}

/// R62: with `csrf.require_header` a page of ours has to send the header too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_can_be_required_of_every_call() {
    let (api, world, browser) = stage(&[("csrf.require_header", "true")]).await;
    for path in PATHS {
        for method in METHODS {
            let answer = browser.send(Call::new(method, path).header("origin", ORIGIN)).await;
            assert_rejected(&answer, &format!("{method} {path}"));
        }
    }
    assert_rejected(&browser.post("/auth/logout").await, "logout");
    assert!(api.requests().is_empty());
    for path in PATHS {
        assert_eq!(browser.send(Call::get(path).header("x-csrf", "1")).await.status, 200, "{path}");
    }
    let cross = Call::get("/v2/me").metadata("cross-site", "cors", "empty").header("x-csrf", "1");
    assert_rejected(&browser.send(cross).await, "the header alone, from elsewhere");
    assert_eq!(browser.send(Call::post("/auth/logout").header("x-csrf", "1")).await.status, 204);
    browser.expect_ended();
    // Its own probe has no such header.
    world.ends_in_ruins();
}

/// R63. What is present and not `same-origin` is refused, an unknown word and a repeat too: the
/// contract's rule, which is stricter than the requirement's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_values_of_sec_fetch_site_only_same_origin_passes() {
    let (api, _world, browser) = stage(&[]).await;
    for method in ["GET", "POST"] {
        for site in
            ["same-site", "cross-site", "none", "", "same-origin, cross-site", "Same-Origin", "new-word"]
        {
            // What would prove the origin by itself proves nothing beside it.
            let call = Call::new(method, "/v2/me").metadata(site, "cors", "empty");
            let answer = browser.send(call.header("origin", ORIGIN).header("x-csrf", "1")).await;
            assert_rejected(&answer, &format!("{method} {site:?}"));
        }
        let twice = Call::new(method, "/v2/me").header("sec-fetch-site", "same-origin").header("x-csrf", "1");
        assert_rejected(&browser.send(twice).await, "twice");
    }
    assert!(api.requests().is_empty());
    for method in ["GET", "POST"] {
        let call = Call::new(method, "/v2/me").metadata("same-origin", "cors", "empty");
        assert_eq!(browser.send(call).await.status, 200, "{method}");
    }
    assert_eq!(api.requests().len(), 2);
}

/// R64.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_must_be_ours_to_the_letter() {
    let (api, _world, browser) = stage(&[]).await;
    for origin in [
        "null",
        "",
        "https://evil.example",
        "https://app.test.evil.example",
        "https://evil.example/https://app.test",
        "https://notapp.test",
        "https://sub.app.test",
        "https://app.test@evil.example",
        "https://app.test/",
        "https://app.test:443",
        "https://app.test:8443",
        "http://app.test",
        "HTTPS://APP.TEST",
        "app.test",
        "https://app.test, https://evil.example",
        "https://app.test\t.evil.example",
        "https://app.te\u{17f}t",
    ] {
        for method in ["GET", "POST"] {
            let call = Call::new(method, "/v2/me").bare().header("origin", origin).header("x-csrf", "1");
            assert_rejected(&browser.send(call).await, &format!("{method} {origin:?}"));
        }
    }
    let twice = Call::post("/v2/me").bare().header("origin", ORIGIN).header("origin", "https://evil.example");
    assert_rejected(&browser.send(twice).await, "twice");
    assert!(api.requests().is_empty());
    for method in ["GET", "POST"] {
        let call = Call::new(method, "/v2/me").bare().header("origin", ORIGIN);
        assert_eq!(browser.send(call).await.status, 200, "{method}");
    }
}

/// R64: where a browser tells nothing at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_metadata_and_origin_the_header_is_the_proof() {
    let (api, _world, browser) = stage(&[]).await;
    for proof in ["", "0", "true", "11", "1, 1"] {
        for method in ["GET", "POST"] {
            let call = Call::new(method, "/v2/me").bare().header("x-csrf", proof);
            assert_rejected(&browser.send(call).await, &format!("{method} {proof:?}"));
        }
    }
    assert_rejected(&browser.send(Call::get("/v2/me?X-CSRF=1&x-csrf=1").bare()).await, "in the query");
    assert!(api.requests().is_empty());
    for method in ["GET", "POST", "DELETE"] {
        let call = Call::new(method, "/v2/me").bare().header("x-csrf", "1");
        assert_eq!(browser.send(call).await.status, 200, "{method}");
    }
}

/// R65: other origins get no grant, neither from us nor from the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_answered_here_and_grants_nothing() {
    let (api, world, browser) = stage(&[]).await;
    let stranger = world.browser();
    for path in PATHS.into_iter().chain(["/auth/logout", "/auth/session", "/auth/login"]) {
        for origin in ["https://evil.example", "null", ORIGIN] {
            for browser in [&browser, &stranger] {
                let call = Call::new("OPTIONS", path)
                    .metadata("cross-site", "cors", "empty")
                    .header("origin", origin)
                    .header("access-control-request-method", "POST")
                    .header("access-control-request-headers", "x-csrf")
                    .header("access-control-request-private-network", "true");
                let answer = browser.send(call).await;
                let status = answer.status.as_u16();
                assert!([204, 403, 405].contains(&status), "{path} {origin}: {answer:?}");
                let grant = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(grant, None, "{path} {origin}");
            }
        }
    }
    assert!(api.requests().is_empty());
    let answer = browser.get("/v2/me").await;
    assert_eq!((answer.status.as_u16(), answer.headers.get("access-control-allow-origin")), (200, None));
}

/// R66: what a form of another site can send is checked like anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simple_body_is_no_exemption() {
    let (api, _world, browser) = stage(&[]).await;
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        for path in PATHS.into_iter().chain(["/auth/logout"]) {
            let call = Call::post(path).header("content-type", media).body("{\"a\":1}");
            assert_rejected(&browser.send(call.clone().bare()).await, &format!("{path} {media}"));
            let foreign = call.metadata("cross-site", "no-cors", "empty");
            assert_rejected(&browser.send(foreign).await, &format!("{path} {media}, foreign"));
        }
    }
    assert!(api.requests().is_empty());
}

/// R67, contract §5 `method_not_allowed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_under_auth_changes_by_another_method_than_its_own() {
    let (api, _world, browser) = stage(&[]).await;
    for (path, allow) in [
        ("/auth/logout", "POST"),
        ("/auth/anonymous", "POST"),
        ("/auth/login", "GET"),
        ("/auth/callback", "GET"),
        ("/auth/session", "GET"),
    ] {
        for method in
            METHODS.into_iter().filter(|method| !allow.split(", ").any(|allowed| allowed == *method))
        {
            // A HEAD of what is to be GET asks for no change and may be answered as one.
            if method == "HEAD" && allow == "GET" {
                continue;
            }
            let answer = browser.send(Call::new(method, path)).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow), "{method} {path}");
            if method != "HEAD" {
                answer.assert_problem(405, "method_not_allowed");
            }
            assert!(answer.set_cookies().is_empty(), "{method} {path}");
        }
    }
    assert!(api.requests().is_empty());
    assert_eq!(browser.get("/auth/session").await.json()["authenticated"], true);
}

/// R68: an answer of the API is data. It is never shown, framed or run in our origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_api_cannot_be_loaded_as_a_page_a_frame_or_a_script() {
    let (api, _world, browser) = stage(&[]).await;
    let navigation = Call::get("/v2/me").metadata("same-origin", "navigate", "empty");
    assert_rejected(&browser.send(navigation).await, "navigate");
    for dest in [
        "document",
        "iframe",
        "frame",
        "fencedframe",
        "embed",
        "object",
        "script",
        "serviceworker",
        "sharedworker",
        "worker",
        "xslt",
    ] {
        for path in PATHS {
            let call = Call::get(path).metadata("same-origin", "no-cors", dest).header("x-csrf", "1");
            assert_rejected(&browser.send(call).await, &format!("{dest} {path}"));
        }
    }
    assert!(api.requests().is_empty());
}

/// R69: a refusal is kept by no cache, and no cache may take it for another's answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_to_be_kept() {
    let (_api, world, browser) = stage(&[]).await;
    for (browser, call, status, code) in [
        (&browser, Call::get("/v2/me").bare(), 403, "csrf_rejected"),
        (&world.browser(), Call::get("/v2/me"), 401, "login_required"),
        (&browser, Call::get("/nothing"), 404, "not_found"),
        (&browser, Call::get("/v2/..%2fme"), 400, "bad_request"),
        (&browser, Call::get("/auth/logout"), 405, "method_not_allowed"),
    ] {
        let answer = browser.send(call).await;
        answer.assert_problem(status, code);
        assert_eq!(answer.header("vary"), "Sec-Fetch-Site, Origin, Cookie");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

/// R70: the one page of ours cannot be framed and runs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_that_tells_of_a_failed_login_runs_nothing_and_cannot_be_framed() {
    let (_api, world, _browser) = stage(&[]).await;
    let answer = world.browser().navigate("/auth/callback?state=%3Cscript%3E&code=x&error=%3Cb%3E").await;
    answer.assert_problem(400, "login_failed");
    let policy = answer.header("content-security-policy");
    for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.split(';').any(|part| part.trim() == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("script-src"), "{policy}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let page = answer.text().to_ascii_lowercase();
    assert!(page.contains("<a href=\"/auth/login\">"), "{page}");
    for forbidden in ["<script", "javascript:", " on", "style=", "<b>"] {
        let found = if forbidden == " on" { page.contains(" onload") } else { page.contains(forbidden) };
        assert!(!found, "{forbidden} is in {page}");
    }
}
