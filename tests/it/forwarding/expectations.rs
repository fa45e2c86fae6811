//! `Expect: 100-continue`: who will be refused hears so before sending a body.

use super::Stage;
use crate::support::world::HOST;

const EXPECT: &str = "Expect: 100-continue\r\n";

/// R83: the refusal comes at once, to the head alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_will_be_refused_hears_so_before_it_sends_its_body() {
    let stage = Stage::plain(&[("forward.max_body", "1MiB")]).await;
    let cookie = format!("Cookie: {}\r\n", stage.browser.cookie_line());
    let ours = "Sec-Fetch-Site: same-origin\r\n";
    let huge = format!("Content-Length: {}\r\n", 10_u64 << 30);
    let host = format!("Host: {HOST}\r\n");
    let mut refused = Vec::new();
    for (line, headers, status, code) in [
        ("POST /v2/me", format!("{host}{ours}Content-Length: 9\r\n"), 401, "login_required"),
        ("POST /v2/me", format!("{host}{ours}Transfer-Encoding: chunked\r\n"), 401, "login_required"),
        ("POST /v2/me", format!("{host}{cookie}Content-Length: 9\r\n"), 403, "csrf_rejected"),
        ("POST /v2/me", format!("{host}{cookie}{ours}{huge}"), 413, "payload_too_large"),
        ("POST /v2/%zz", format!("{host}{cookie}{ours}Content-Length: 9\r\n"), 400, "bad_request"),
        ("POST /v2/me", format!("Host: evil\r\n{cookie}{ours}Content-Length: 9\r\n"), 421, "wrong_host"),
    ] {
        let mut wire = stage.wire();
        wire.send(format!("{line} HTTP/1.1\r\n{headers}{EXPECT}\r\n"));
        // Not a byte of a body was sent, so nothing was read of it; the first answer is the last.
        let answer = wire.answer();
        answer.assert_problem(status, code);
        refused.push((format!("{line} {headers}"), wire));
    }
    for (what, mut wire) in refused {
        assert!(wire.closed(), "{what}: the body may follow or not, so the connection ends");
    }
    assert_eq!(stage.api.connections(), 0);
}

/// R83: whoever may go on is told to, and the API is not asked to expect anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_may_go_on_is_told_to() {
    let stage = Stage::plain(&[]).await;
    for (n, (framing, body)) in
        [("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")]
            .into_iter()
            .enumerate()
    {
        let mut wire = stage.wire();
        wire.send(stage.head("POST /v2/me", &format!("{framing}{EXPECT}")));
        assert_eq!(wire.answer().status, 100);
        wire.send(body);
        assert_eq!(wire.answer().status, 200);
        let request = stage.last(n + 1);
        assert_eq!((request.body.as_slice(), request.header("expect")), (&b"hello"[..], None));

        // The connection is in order after it.
        wire.send(stage.head("GET /auth/session", ""));
        assert_eq!(wire.answer().status, 200);
    }
}

/// R83: what is expected besides cannot be met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expectation_that_nobody_knows_is_refused() {
    let stage = Stage::plain(&[]).await;
    for expectation in ["a-miracle", "100-continue, a-miracle", "200-ok"] {
        let answer = stage.ask("POST /v2/me", &format!("Content-Length: 0\r\nExpect: {expectation}\r\n"));
        assert_eq!(answer.status, 417, "{expectation}: {answer:?}");
        answer.assert_problem(417, "expectation_failed");
    }
    assert!(stage.api.requests().is_empty());
}
