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

/// RFC 9112 section 6.1: a client of HTTP/1.0 knows no chunks; the end of the connection is the end
/// of the body. RFC 9110 section 7.8: a request for another protocol gets an ordinary answer, and
/// is told that the connection ends with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_client_gets_no_chunks_and_an_upgrade_is_declined_openly() {
    let world = crate::support::World::spawn().await;
    let browser = world.logged_in().await;
    let ask = |version: &str, more: &str| {
        let cookie = browser.cookie_line();
        let request = format!(
            "GET /v2/download?bytes=20&chunked=1 {version}\r\nHost: app.test\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n{more}\r\n"
        );
        let answer = crate::support::world::exchange(world.address(0), request.as_bytes());
        String::from_utf8_lossy(&answer).to_ascii_lowercase()
    };
    let old = ask("HTTP/1.0", "");
    assert!(old.starts_with("http/1.0 200") || old.starts_with("http/1.1 200"), "{old}");
    assert!(!old.contains("transfer-encoding"), "{old}");
    assert_eq!(old.split("\r\n\r\n").nth(1).map(str::len), Some(20), "{old}");
    for protocol in ["h2c", "websocket"] {
        let declined = ask("HTTP/1.1", &format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n"));
        assert!(declined.starts_with("http/1.1 200"), "{declined}");
        assert!(declined.contains("\r\nconnection: close"), "{declined}");
    }
}

/// R72: a route is its path to the letter; nothing else that decodes to it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_its_path_to_the_letter() {
    let world = crate::support::World::spawn().await;
    for target in ["/auth/%6cogin", "/auth/logi%6e", "/%61uth/session", "/auth/session/"] {
        world.browser().get(target).await.assert_problem(404, "not_found");
    }
}
