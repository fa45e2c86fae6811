//! What of an answer of the API's a browser gets to see.

use super::Stage;
use crate::support::raw::{RawAnswer, RawRequest};
use crate::support::wire::Reply;

/// An API that answers `/v2/me` as usual and everything else with these lines of header.
async fn answering(lines: &'static str) -> Stage {
    Stage::with(&[], move |request: RawRequest| {
        let lines = if request.request_line().contains("/v2/me") { "" } else { lines };
        RawAnswer::Bytes(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}").into_bytes())
    })
    .await
}

/// R89: the cookies of this origin are the broker's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_the_api_never_reaches_the_browser() {
    let stage = answering(
        "Set-Cookie: __Host-Http-whisk=fixed; Path=/; Secure; HttpOnly\r\nset-cookie: x=y\r\n\
         SET-COOKIE: __Host-Http-whisk=; Max-Age=0\r\nSet-Cookie2: a=b\r\nset_cookie: a=b\r\n\
         Connection: close, set-cookie\r\n",
    )
    .await;
    let before = stage.browser.cookie_line();
    let answer = stage.browser.get("/v2/cookies").await;
    assert_eq!(answer.status, 200);
    let cookie = answer.headers.keys().find(|name| name.as_str().contains("cookie"));
    assert_eq!(cookie, None, "{answer:?}");
    assert_eq!(stage.browser.cookie_line(), before);
}

/// R90: to swap `Authorization` for a cookie takes from an answer the protection that shared
/// caches owe it. It is put back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_shared_cache_may_keep_an_answer() {
    let stage = Stage::with(&[], |request| {
        let lines = request.header("x-lines").unwrap_or_default().replace('~', "\r\n");
        RawAnswer::Bytes(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}").into_bytes())
    })
    .await;
    for (lines, expected) in [
        ("", "no-store"),
        ("Cache-Control: public~", "private"),
        ("Cache-Control: public, max-age=60~", "private, max-age=60"),
        ("Cache-Control: max-age=60, s-maxage=600~", "private, max-age=60"),
        ("Cache-Control: max-age=60~", "private, max-age=60"),
        ("Cache-Control: PUBLIC~Cache-Control: max-age=1~", "private, max-age=1"),
        ("Cache-Control: private=\"x\", public~", "private, private=\"x\""),
        ("Cache-Control: private, max-age=5~", "private, max-age=5"),
        ("Cache-Control: no-store~", "no-store"),
        ("Cache-Control: no-cache=\"a, public~", "no-store"),
        ("Expires: Thu, 01 Dec 2999 16:00:00 GMT~", "no-store"),
        ("Surrogate-Control: max-age=600~CDN-Cache-Control: public~", "no-store"),
    ] {
        let answer = stage.ask("GET /v2/x", &format!("X-Lines: {lines}\r\n"));
        assert_eq!(answer.header("cache-control"), expected, "{lines}");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|line| line.to_str().unwrap()).collect();
        assert!(
            vary.iter().any(|line| line.split(',').any(|name| name.trim() == "Cookie")),
            "{lines}: {vary:?}"
        );
        for name in ["surrogate-control", "cdn-cache-control"] {
            assert!(!answer.headers.contains_key(name), "{name}");
        }
    }
    let answer = stage.ask("GET /v2/x", "X-Lines: Vary: Accept~\r\n");
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Cookie"]);
}

/// R91, R65: what an answer says of its origin would be said of the application's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_sets_no_policy_for_our_origin() {
    let stage = answering(
        "Access-Control-Allow-Origin: POLICYMARK\r\nAccess-Control-Allow-Credentials: POLICYMARK\r\n\
         Access-Control-Expose-Headers: POLICYMARK\r\nStrict-Transport-Security: max-age=0; POLICYMARK\r\n\
         Alt-Svc: POLICYMARK\r\nClear-Site-Data: \"POLICYMARK\"\r\nContent-Security-Policy: POLICYMARK\r\n\
         Content-Security-Policy-Report-Only: POLICYMARK\r\nReport-To: POLICYMARK\r\nNEL: POLICYMARK\r\n\
         Reporting-Endpoints: POLICYMARK\r\nService-Worker-Allowed: /POLICYMARK\r\nRefresh: 0;url=/POLICYMARK\r\n\
         Server: POLICYMARK\r\nX-Powered-By: POLICYMARK\r\nPublic-Key-Pins: POLICYMARK\r\n\
         Cross-Origin-Resource-Policy: POLICYMARK\r\nX-Accel-Redirect: /POLICYMARK\r\nX-Sendfile: POLICYMARK\r\n\
         Timing-Allow-Origin: POLICYMARK\r\nX-Other: passes\r\n",
    )
    .await;
    let answer = stage.browser.get("/v2/policies").await;
    assert!(!format!("{answer:?}").contains("POLICYMARK"), "{answer:?}");
    assert!(!answer.headers.contains_key("server"), "{answer:?}");
    assert_eq!(answer.header("x-other"), "passes");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000; includeSubDomains");
}

/// R92: even a page that the API sends is nothing to be rendered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_data_whatever_it_calls_itself() {
    let stage = answering("Content-Type: text/html\r\nX-Content-Type-Options: sniff\r\n").await;
    for target in ["/v2/page", "/v2/me"] {
        let answer = stage.browser.get(target).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ] {
            let values: Vec<_> = answer.headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{target} {name}");
        }
    }
}

/// R94.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_cut_short_never_ends_cleanly() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let stage = Stage::with(&[], move |request| {
            if request.request_line().contains("/v2/me") {
                RawAnswer::json(200, "{}")
            } else {
                RawAnswer::CutAfter(head.as_bytes().to_vec())
            }
        })
        .await;
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/cut", ""));
        match wire.reply(false) {
            Reply::Cut(answer) => assert_eq!(answer.status, 200, "{head:?}"),
            // Before its first byte nothing of the answer has been passed on.
            Reply::Closed => assert!(head.ends_with("\r\n\r\n"), "{head:?}"),
            reply @ Reply::Whole(_) => panic!("{head:?}: {reply:?}"),
        }
        assert!(wire.closed(), "{head:?}");
        assert!(stage.browser.get("/v2/me").await.status == 200);
    }
}

/// R95, contract §5 `upstream_invalid`: what is no HTTP is no answer, and bytes too many are never
/// taken for the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_answer_is_none_and_its_connection_is_not_used_again() {
    let stage = Stage::with(&[], |request| {
        let Some(head) = request.header("x-head") else { return RawAnswer::json(200, "\"mine\"") };
        let bytes = head.replace("~0", "\0").replace('~', "\r\n").replace("{MANY}", &"X: y\r\n".repeat(200));
        let sizes = [("{256 KiB}", 256 << 10), ("{60 KiB}", 60 << 10)];
        let bytes = sizes.iter().fold(bytes, |bytes, (mark, size)| bytes.replace(mark, &"y".repeat(*size)));
        RawAnswer::Bytes(bytes.into_bytes())
    })
    .await;
    for head in [
        "garbage~~",
        "HTTP/1.1 200 OK~Content-Length: x~~{}",
        "HTTP/1.1 200 OK~Content-Length: -2~~{}",
        "HTTP/1.1 200 OK~Content-Length: 1~Content-Length: 2~~{}",
        "HTTP/1.1 200 OK~X: a~ folded~Content-Length: 2~~{}",
        "HTTP/1.1 200 OK~X: a~0b~Content-Length: 2~~{}",
        "HTTP/1.1 200 OK~X : a~Content-Length: 2~~{}",
        "HTTP/1.1 200 OK~{MANY}Content-Length: 2~~{}",
        "HTTP/1.1 101 Switching Protocols~Upgrade: x~Connection: upgrade~~",
        "HTTP/1.1 600 Beyond~Content-Length: 2~~{}",
        "HTTP/2 200 OK~Content-Length: 2~~{}",
    ] {
        stage.ask("GET /v2/x", &format!("X-Head: {head}\r\n")).assert_problem(502, "upstream_invalid");
        assert_eq!(stage.ask("GET /v2/x", "").text(), "\"mine\"", "{head}");
    }
    // A head has its bound, and a large one is below it.
    let head = "HTTP/1.1 200 OK~X: {256 KiB}~Content-Length: 2~~{}";
    stage.ask("GET /v2/x", &format!("X-Head: {head}\r\n")).assert_problem(502, "upstream_invalid");
    let head = "HTTP/1.1 200 OK~X: {60 KiB}~Content-Length: 2~~{}";
    let answer = stage.ask("GET /v2/x", &format!("X-Head: {head}\r\n"));
    assert_eq!((answer.status.as_u16(), answer.header("x").len()), (200, 60 << 10));
    let extra = "HTTP/1.1 200 OK~Content-Length: 2~~{}HTTP/1.1 200 OK~Content-Length: 6~~\"evil\"";
    for _ in 0..4 {
        let answer = stage.ask("GET /v2/x", &format!("X-Head: {extra}\r\n"));
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}"));
        for _ in 0..4 {
            assert_eq!(stage.ask("GET /v2/x", "").text(), "\"mine\"");
        }
    }
}

/// R97.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_says_of_its_connection_stays_there() {
    let stage = answering(
        "Connection: x-s, X-Other-S\r\nX-S: HOPMARK\r\nx-other-s: HOPMARK\r\nX_S: HOPMARK\r\nKeep-Alive: timeout=HOPMARK\r\n\
         Proxy-Authenticate: Basic realm=HOPMARK\r\nProxy-Connection: HOPMARK\r\nUpgrade: HOPMARK\r\n\
         Trailer: HOPMARK\r\nTE: HOPMARK\r\nProxy-Authentication-Info: HOPMARK\r\nX-End: passes\r\n",
    )
    .await;
    let answer = stage.browser.get("/v2/hops").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-end")), (200, "passes"));
    assert!(!format!("{answer:?}").contains("HOPMARK"), "{answer:?}");
}

/// R98: no answer makes a browser ask for a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_challenge_opens_a_dialogue_of_the_browser_s() {
    let stage = Stage::with(&[], |request| {
        if request.request_line().contains("/v2/me") {
            return RawAnswer::json(200, "{}");
        }
        let challenges = [
            ("WWW-Authenticate", "Basic realm=\"DIALOGUE\""),
            ("WWW-Authenticate", "Negotiate DIALOGUE"),
            ("WWW-Authenticate", "Bearer error=\"insufficient_scope\""),
            ("WWW-Authenticate", "Bearer a=b, Digest realm=\"DIALOGUE\""),
        ];
        RawAnswer::with(401, &challenges, "{\"code\":\"auth.other\"}")
    })
    .await;
    let answer = stage.browser.get("/v2/challenge").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, "{\"code\":\"auth.other\"}"));
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Bearer error=\"insufficient_scope\""]);
    assert_eq!(answer.header("x-whisk-bff-error"), "");

    let answer = stage.world.browser().get("/v2/me").await;
    answer.assert_problem(401, "login_required");
    assert_eq!(answer.header("www-authenticate"), "Cookie realm=\"whisk-bff\"");
}

/// R99: an answer of the API cannot pass for one of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_cannot_forge_an_error_of_ours() {
    let stage = answering(
        "X-Whisk-BFF-Error: session_ended\r\nx_whisk_bff_error: session_ended\r\nX-Whisk-Bff-Anything: session_ended\r\n\
         Content-Type: application/problem+json\r\n",
    )
    .await;
    let answer = stage.browser.get("/v2/forged").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/problem+json"));
    assert!(!format!("{:?}", answer.headers).contains("session_ended"), "{answer:?}");
}
