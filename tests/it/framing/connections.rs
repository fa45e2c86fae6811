//! What becomes of the connection after a request that wants, or leaves, more than its answer.

use super::Fate::Forwarded;
use super::{CHUNKED, SMUGGLED, Stage};
use crate::support::world::HOST;

/// R108: no protocol is changed, and what follows is no part of another protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_is_not_taken_up() {
    let stage = Stage::new().await;
    for headers in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: anything\r\n",
    ] {
        stage.assert_fate(headers, &stage.get(headers), Forwarded(""));
        for request in stage.api.requests() {
            for name in ["upgrade", "connection", "http2-settings"] {
                assert_eq!(request.headers(name), [""; 0], "{request:?}");
            }
        }
    }
}

/// R109: it is read for a moment at most, and then the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_early_refusal_the_unread_body_is_nobody_s_request() {
    let stage = Stage::new().await;
    let filler = SMUGGLED.repeat((1 << 20) / SMUGGLED.len());
    let length = format!("Content-Length: {}\r\n", filler.len());
    let chunks = format!("{:x}\r\n{filler}\r\n0\r\n\r\n", filler.len());
    let mut forms = Vec::new();
    for (headers, body) in [(length.as_str(), filler.as_str()), (CHUNKED, chunks.as_str()), (CHUNKED, "")] {
        for (line, site, status, code) in [
            ("POST /v2/first", "", 403, "csrf_rejected"),
            ("POST /v2/first", "Sec-Fetch-Site: same-origin\r\n", 401, "login_required"),
            ("POST /nothing", "", 404, "not_found"),
            ("POST /auth/session", "", 405, "method_not_allowed"),
            ("POST /auth/logout", "", 403, "csrf_rejected"),
        ] {
            let bytes = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{site}{headers}\r\n{body}");
            forms.push((format!("{line} {status} {headers}"), bytes, status, code));
        }
    }
    // At once, because each waits for the server to close.
    let stage = &stage;
    std::thread::scope(|scope| {
        for (what, bytes, status, code) in &forms {
            scope.spawn(move || {
                let answers = stage.answers(bytes.as_bytes());
                let Some(first) = answers.first() else { panic!("{what}: no answer") };
                first.assert_problem(*status, code);
                for second in &answers[1..] {
                    assert_eq!(second.text(), "GET /v2/second HTTP/1.1", "{what}");
                }
                assert!(answers.len() <= 2, "{what}");
            });
        }
    });
    let lines: Vec<String> = stage.api.requests().iter().map(|request| request.request_line()).collect();
    assert!(lines.iter().all(|line| line == "GET /v2/second HTTP/1.1"), "{lines:?}");
}
