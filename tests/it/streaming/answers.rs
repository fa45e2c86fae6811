//! From the API to the browser.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stage::Stage;
use crate::support::raw::{RawAnswer, RawServer};

const SHORT: Duration = Duration::from_millis(150);

/// R96.
#[test]
fn one_connection_carries_answers_with_and_without_bodies() {
    let api = RawServer::start(|request| {
        let line = request.request_line();
        let answer = match line.split(' ').nth(1).unwrap() {
            "/v2/304" => {
                "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 10\r\nLocation: /v2/x\r\n\r\n"
            }
            "/v2/304-bare" => "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n",
            "/v2/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/v2/empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/v2/bare" if line.starts_with("HEAD") => "HTTP/1.1 200 OK\r\n\r\n",
            _ if line.starts_with("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            "/v2/chunked" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n"
            }
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhelloworld",
        };
        RawAnswer::Bytes(answer.as_bytes().to_vec())
    });
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    for (method, path, status, length, body) in [
        ("GET", "/v2/sized", 200, Some("10"), "helloworld"),
        ("HEAD", "/v2/sized", 200, Some("10"), ""),
        ("GET", "/v2/304", 304, Some("10"), ""),
        ("GET", "/v2/304-bare", 304, None, ""),
        ("GET", "/v2/204", 204, None, ""),
        ("HEAD", "/v2/bare", 200, None, ""),
        ("GET", "/v2/chunked", 200, None, "helloworld"),
        ("GET", "/v2/empty", 200, Some("0"), ""),
        ("HEAD", "/v2/304", 304, Some("10"), ""),
        ("GET", "/v2/sized", 200, Some("10"), "helloworld"),
    ] {
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = wire.answer(method == "HEAD");
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{method} {path}");
        assert_eq!(answer.text(), body, "{method} {path}");
        assert!(answer.whole && !answer.head.contains("X-Trailer") && answer.header("location").is_none());
    }
    assert_eq!(api.connections(), 1, "the connection to the API is kept too");
}

/// R96: codes and bodies as they are.
#[test]
fn every_status_is_relayed() {
    let api = RawServer::start(|request| {
        let status = request.request_line().split(['/', ' ']).nth(3).unwrap().parse().unwrap();
        RawAnswer::with(status, &[("Retry-After", "7")], "{\"code\":\"x\"}")
    });
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    for status in (200..600).filter(|status| !matches!(status, 204 | 304 | 401)) {
        wire.send(format!("GET /v2/{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = wire.answer(false);
        assert_eq!((answer.status, answer.text().as_str()), (status, "{\"code\":\"x\"}"));
        assert_eq!(answer.header("retry-after"), Some("7"));
    }
}

/// R95, R93.
#[test]
fn an_invalid_answer_is_no_answer() {
    for head in [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 600 Beyond\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /admin\r\nContent-Length: 0\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(200)),
    ] {
        let bytes = head.as_bytes().to_vec();
        let api = RawServer::start(move |_| RawAnswer::Bytes(bytes.clone()));
        let answer = Stage::before(&api.url()).ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((answer.status, answer.text().as_str()), (502, "Invalid"), "{head:?}");
        assert_eq!(api.requests().len(), 1, "{head:?}");
    }
}

/// R94.
#[test]
fn a_body_that_is_cut_short_does_not_end_cleanly() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo",
    ] {
        let bytes = head.as_bytes().to_vec();
        let api = RawServer::start(move |_| RawAnswer::CutAfter(bytes.clone()));
        let stage = Stage::before(&api.url());
        let mut wire = stage.connect();
        wire.send("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
        // This server drops what it has not written yet.
        let answer = wire.answer_if_any(false);
        assert!(answer.is_none_or(|answer| answer.status == 200 && !answer.whole), "{head:?}");
    }
}

/// R100: pieces as they come; neither is the stream cut by the time to answer, nor does its pause
/// count while pieces come.
#[test]
fn pieces_are_passed_on_as_they_come() {
    let api = RawServer::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let pieces = (0..6).map(|n| (SHORT, format!("2\r\n{n}\n\r\n").into_bytes()));
        let end = (SHORT, b"0\r\n\r\n".to_vec());
        RawAnswer::Chunks(std::iter::once((Duration::ZERO, head)).chain(pieces).chain([end]).collect())
    });
    let stage = Stage::before(&api.url());
    let begin = Instant::now();
    let answer = stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.whole && answer.body == b"0\n1\n2\n3\n4\n5\n");
    assert!(begin.elapsed() >= SHORT * 7);
}

#[test]
fn a_body_that_pauses_for_too_long_is_cut() {
    let api = RawServer::start(|_| {
        RawAnswer::Chunks(vec![
            (Duration::ZERO, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na".to_vec()),
            (Duration::from_secs(5), b"b".to_vec()),
        ])
    });
    let begin = Instant::now();
    let answer = Stage::before(&api.url()).ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!answer.whole && answer.body == b"a");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

/// R100.
#[test]
fn a_browser_that_leaves_cancels_the_call() {
    let api = RawServer::start(|_| RawAnswer::Endless {
        head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        piece: [b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat(),
    });
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    wire.send("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut read = [0; 64 * 1024];
    std::io::Read::read_exact(&mut wire.stream, &mut read).unwrap();
    drop(wire);
    sleep(Duration::from_secs(1));
    let sent = api.bytes_sent();
    sleep(Duration::from_millis(300));
    assert_eq!(api.bytes_sent(), sent, "the API is still sending");
    assert!(sent < 64 << 20, "{sent} bytes went nowhere");
}

/// A slow reader holds the API back; nothing piles up between them.
#[test]
fn a_slow_reader_holds_the_api_back() {
    let api = RawServer::start(|_| RawAnswer::Endless {
        head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        piece: [b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat(),
    });
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    wire.send("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep(Duration::from_secs(1));
    let sent = api.bytes_sent();
    sleep(Duration::from_millis(300));
    assert_eq!(api.bytes_sent(), sent);
    assert!(sent < 32 << 20, "{sent} bytes are on their way");
}
