//! Where a call goes: to the configured API, below an allowed prefix, byte for byte; or nowhere.

use super::Stage;
use crate::support::Call;
use crate::support::raw::{RawAnswer, RawServer};

/// R71: whatever the request says, its call goes to the API or nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_request_chooses_the_host_it_is_forwarded_to() {
    let elsewhere = RawServer::start(|_| RawAnswer::json(200, "{}"));
    let evil = elsewhere.addr().to_string();
    let stage = Stage::plain(&[]).await;
    for (line, status) in [
        (format!("GET http://{evil}/v2/me"), 421),
        (format!("GET https://app.test@{evil}/v2/me"), 421),
        (format!("GET //{evil}/v2/me"), 404),
        (format!("GET /{evil}/v2/me"), 404),
        (format!("GET /v2//{evil}/me"), 400),
        (format!("GET /v2/http://{evil}/"), 400),
        (format!("GET /v2/..//{evil}/"), 400),
        (format!("GET /v2/\\{evil}/"), 400),
        (format!("GET /v2/%2e%2e/%2e%2e/{evil}"), 400),
        (format!("GET /v2/..%2f{evil}"), 400),
    ] {
        let answer = stage.ask(&line, "");
        assert_eq!(answer.status, status, "{line}: {answer:?}");
    }
    assert!(stage.api.requests().is_empty());

    let mut sent = 0;
    for (line, target) in [
        ("GET /v2/me".to_owned(), "/v2/me".to_owned()),
        ("GET https://app.test/v2/me?a=b".to_owned(), "/v2/me?a=b".to_owned()),
        (format!("GET /v2/@{evil}/me"), format!("/v2/@{evil}/me")),
        (format!("GET /v2/me?url=http://{evil}/"), format!("/v2/me?url=http://{evil}/")),
    ] {
        let names =
            ["X-Forwarded-Host", "X-Host", "X-Original-Host", "X-HTTP-Host-Override", "X-Rewrite-URL"];
        let headers: String = names.iter().map(|name| format!("{name}: {evil}\r\n")).collect();
        let answer = stage.ask(&line, &format!("{headers}Forwarded: host={evil}\r\n"));
        assert_eq!(answer.status, 200, "{line}: {answer:?}");
        sent += 1;
        let request = stage.last(sent);
        assert_eq!(request.request_line(), format!("GET {target} HTTP/1.1"));
        assert_eq!(request.headers("host"), [stage.api.addr().to_string()]);
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// R72: the path alone decides; contract §4 `everything else`, §5 `not_found`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_no_list_is_not_found_whatever_else_the_request_says() {
    let stage = Stage::plain(&[]).await;
    let headers = "X-Forwarded-Uri: /v2/me\r\nX-Original-URL: /v2/me\r\nX-Rewrite-URL: /v2/me\r\n\
                   X-Original-URI: /v2/me\r\nUser-Agent: /v2/me\r\nReferer: https://app.test/v2/me\r\n";
    for target in [
        "/",
        "/private?x=/v2/me",
        "/private;/v2/me",
        "/private/v2/me/..",
        "/v2",
        "/V2/me",
        "/v2%2Fme",
        "/%76%32/me",
        "/v3/me",
        "/auth",
        "/auth/",
        "/auth/token",
        "/auth/v2/me",
        "/metrics",
        "/readyz",
        "/livez",
        "/favicon.ico",
        "/.well-known/openid-configuration",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = stage.ask(&format!("{method} {target}"), headers);
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-whisk-bff-error")),
                (404, "not_found"),
                "{method} {target}: {answer:?}"
            );
        }
    }
    stage.browser.get("/nothing").await.assert_problem(404, "not_found");
    assert!(stage.api.requests().is_empty());
}

/// R72, R80: a fragment is no part of a target; dropped here, it could still be read elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragment_in_a_target_is_refused() {
    let stage = Stage::plain(&[]).await;
    for target in ["/v2/me#", "/v2/me#x", "/v2/me?a=b#x", "/private#/v2/me", "https://app.test/v2/me#x", "#"]
    {
        let answer = stage.ask(&format!("GET {target}"), "");
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    assert!(stage.api.requests().is_empty());
}

/// R80.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn path_and_query_arrive_byte_for_byte() {
    let stage = Stage::plain(&[]).await;
    let mut sent = 0;
    for target in [
        "/v2/a%2Fb?x=%7B&y=a+b&fields=A&fields=B",
        "/v2/",
        "/v2/me?",
        "/v2/me/",
        "/v2/caf%C3%A9/%e9;v=1,2",
        "/v2/100%25",
        "/v2/x?b=2&a=1&a=&c",
        "/v2/x?q=%00%0d%0a&z={|}^`\\[]",
        "/v2/x??/../..//",
        "/v2/~u:n@h/!$&'()*+,;=",
    ] {
        for method in ["GET", "DELETE"] {
            let answer = stage.ask(&format!("{method} {target}"), "");
            assert_eq!(answer.status, 200, "{target}: {answer:?}");
            sent += 1;
            assert_eq!(stage.last(sent).request_line(), format!("{method} {target} HTTP/1.1"));
        }
    }
}

/// W1: prefixes are a setting, `/{service}/v2/` is the pattern of the API's older paths, and what
/// no entry names is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_configured_prefix_is_forwarded_and_no_other() {
    let stage = Stage::plain(&[("forward.routes", "/recipes/live/,/{service}/v2/")]).await;
    for (target, status) in [
        ("/recipes/live/x", 200),
        ("/user/v2/me", 200),
        ("/list/v2/", 200),
        ("/recipe/v2/get?id=1", 200),
        ("/v2/me", 404),
        ("/recipes/dead/x", 404),
        ("/recipes/live", 404),
        ("/a/user/v2/me", 404),
        ("/user/v3/me", 404),
        ("/auth/v2/me", 404),
        ("/user%2Fx/v2/me", 404),
        ("/../v2/me", 404),
        ("//v2/me", 404),
    ] {
        let answer = stage.ask(&format!("GET {target}"), "");
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
    let lines: Vec<_> = stage.api.requests().iter().map(|request| request.request_line()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    // The world's own probe asks for `/v2/me`.
    stage.browser.expect_ended();
}

/// W18, contract §5 `bad_request`: a token in a URL goes nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_parameter_that_carries_a_token_is_refused() {
    let stage = Stage::plain(&[]).await;
    for query in [
        "access_token=SEC_MARK_q",
        "token=SEC_MARK_q",
        "a=b&access_token=SEC_MARK_q",
        "a=b;token=SEC_MARK_q",
        "ACCESS_TOKEN=SEC_MARK_q",
        "access%5Ftoken=SEC_MARK_q",
        "%74oken=SEC_MARK_q",
        "access%255Ftoken=SEC_MARK_q",
        "access_token",
        "token=",
    ] {
        for method in ["GET", "POST"] {
            let answer = stage.browser.send(Call::new(method, &format!("/v2/me?{query}"))).await;
            answer.assert_problem(400, "bad_request");
        }
    }
    assert!(stage.api.requests().is_empty());
    let answer = stage.browser.get("/v2/me?my_access_token=1&tokens=2&q=token&q=access_token").await;
    assert_eq!(answer.status, 200);
}

/// W18: the list is a setting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_query_parameters_are_refused_can_be_set() {
    let stage = Stage::plain(&[("whisk.forbidden_query", "api_key,jwt")]).await;
    stage.browser.get("/v2/me?jwt=x").await.assert_problem(400, "bad_request");
    stage.browser.get("/v2/me?a=1&api%5Fkey=x").await.assert_problem(400, "bad_request");
    assert!(stage.api.requests().is_empty());
    assert_eq!(stage.browser.get("/v2/me?token=x").await.status, 200);
}

/// R82: methods that reflect or tunnel end here; contract §5 `method_not_allowed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trace_and_connect_are_refused_and_never_carry_a_token() {
    let stage = Stage::plain(&[]).await;
    for line in [
        "TRACE /v2/me",
        "TRACE /",
        "TRACE https://app.test/v2/me",
        "CONNECT app.test:443",
        "CONNECT 127.0.0.1:22",
        "CONNECT /v2/me",
    ] {
        let answer = stage.ask(line, "Max-Forwards: 0\r\nX-Mark: reflected\r\n");
        let found = (answer.status.as_u16(), answer.header("x-whisk-bff-error"));
        assert!(
            [(405, "method_not_allowed"), (400, ""), (400, "bad_request")].contains(&found),
            "{line}: {answer:?}"
        );
        assert_eq!(answer.status == 405, !answer.header("allow").is_empty(), "{line}");
        assert!(!answer.header("allow").contains("TRACE") && !answer.text().contains("reflected"), "{line}");
    }
    assert_eq!(stage.ask("TRACE /v2/me", "").status, 405);
    for method in ["PROPFIND", "PURGE", "get", "QUERY"] {
        let answer = stage.ask(&format!("{method} /v2/me"), "");
        assert_eq!(answer.header("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "{method}");
        assert_eq!(answer.status, 405, "{method}");
    }
    assert!(stage.api.requests().is_empty());
}

/// R82: what asks this server itself is answered by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_for_the_server_and_the_last_hop_are_answered_here() {
    let stage = Stage::plain(&[]).await;
    for (line, headers) in [("OPTIONS *", ""), ("OPTIONS /v2/me", "Max-Forwards: 0\r\n")] {
        let answer = stage.ask(line, headers);
        assert_eq!(answer.status, 204, "{line}: {answer:?}");
        assert!(answer.header("allow").contains("GET"), "{line}");
    }
    assert!(stage.api.requests().is_empty());
    assert_eq!(stage.ask("OPTIONS /v2/me", "").status, 200);
    assert_eq!(stage.last(1).request_line(), "OPTIONS /v2/me HTTP/1.1");
}
