//! From the browser to the API.

use std::thread::sleep;
use std::time::Duration;

use whisk_bff::settings::Forward;

use super::stage::{Stage, limits};
use crate::support::raw::{RawAnswer, RawServer};

const SHORT: Duration = Duration::from_millis(150);

fn echo() -> RawServer {
    RawServer::start(|request| RawAnswer::json(200, &request.body.len().to_string()))
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

/// R74, R80, R81, R73.
#[test]
fn a_call_arrives_as_it_was_sent_with_one_authorization() {
    let api = echo();
    let stage = Stage::before(&api.url());
    for target in
        ["/v2/a%2Fb?x=%7B&y=a+b&fields=A&fields=B", "/v2/me?", "/v2/x?q=50%25&{|}", "/v2/caf%C3%A9;a=b"]
    {
        let answer = stage.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: app\r\nAuthorization: Basic MARK\r\nauthorization: Bearer MARK\r\n\
             Cookie: MARK\r\nX-Unknown: 1\r\nConnection: close, authorization\r\n\r\n"
        ));
        assert_eq!(answer.status, 200, "{target}");
        let request = api.requests().pop().unwrap();
        assert_eq!(request.request_line(), format!("GET {target} HTTP/1.1"));
        assert_eq!(request.header("authorization").as_deref(), Some("Bearer first"));
        assert_eq!(request.header("host"), Some(api.addr().to_string()));
        assert_eq!(request.header("x-unknown").as_deref(), Some("1"));
        assert_eq!(request.header("content-length"), None);
        assert!(!format!("{request:?}").contains("MARK"));
    }
}

/// R84, R88: with each framing, below and above what is kept, with any method.
#[test]
fn a_body_arrives_whole_with_its_framing() {
    let api = echo();
    let stage = Stage::before(&api.url());
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"] {
        for length in [1, 1 << 10, (1 << 10) + 1, 1 << 18] {
            let mut wire = stage.connect();
            wire.send(format!("{method} /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
            wire.send(body(length));
            assert_eq!(wire.answer(false).text(), length.to_string(), "{method} {length}");
            let request = api.requests().pop().unwrap();
            assert_eq!(request.header("content-length"), Some(length.to_string()));
            assert_eq!(request.header("transfer-encoding"), None);
            assert!(request.body == body(length));

            let mut wire = stage.connect();
            wire.send(format!("{method} /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
            for piece in body(length).chunks(10_000) {
                wire.send(format!("{:x}\r\n", piece.len()));
                wire.send(piece);
                wire.send("\r\n");
            }
            wire.send("0\r\n\r\n");
            assert_eq!(wire.answer(false).text(), length.to_string(), "{method} {length} chunked");
            assert!(api.requests().pop().unwrap().body == body(length));
        }
    }
}

/// R88: the case in which the HTTP client, left alone, would drop the body.
#[test]
fn a_get_with_a_slow_body_of_unknown_length_keeps_it() {
    let api = echo();
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    wire.send("GET /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    sleep(Duration::from_millis(320));
    wire.send("5\r\nworld\r\n0\r\n\r\n");
    assert_eq!(wire.answer(false).text(), "10");
    let request = api.requests().pop().unwrap();
    assert_eq!(request.header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(request.body, b"helloworld");
}

#[test]
fn an_empty_post_says_that_it_is_empty() {
    let api = echo();
    let stage = Stage::before(&api.url());
    for framing in ["Content-Length: 0\r\n", "", "Transfer-Encoding: chunked\r\n"] {
        let end = if framing.starts_with('T') { "0\r\n\r\n" } else { "" };
        let answer = stage.ask(&format!("POST /v2/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n{end}"));
        assert_eq!(answer.text(), "0", "{framing}");
        assert_eq!(api.requests().pop().unwrap().header("content-length").as_deref(), Some("0"), "{framing}");
    }
}

/// The seam for the retry after a 401: what was kept is sent again, what was streamed is not.
#[test]
fn a_kept_body_can_be_sent_again_with_another_token() {
    let api = RawServer::start(|request| match request.header("authorization").as_deref() {
        Some("Bearer first") => RawAnswer::json(401, "{}"),
        _ => RawAnswer::json(200, "again"),
    });
    let stage = Stage::before(&api.url());
    let post = |length: usize| {
        let mut wire = stage.connect();
        wire.send(format!("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        wire.send(body(length));
        wire.answer(false)
    };
    assert_eq!(post(1 << 10).text(), "again");
    let requests = api.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.body == body(1 << 10)));
    assert_eq!(requests[1].headers("authorization"), ["Bearer second"]);

    assert_eq!(post((1 << 10) + 1).status, 401);
    assert_eq!(api.requests().len(), 3);
    assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").text(), "again");
}

/// R84. Announced: before a byte of it is read; otherwise at the crossing.
#[test]
fn a_body_that_is_too_large_never_arrives_whole() {
    let api = echo();
    let stage = Stage::before(&api.url());
    let answer = stage.ask("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    assert_eq!((answer.status, api.connections()), (413, 0));

    let mut wire = stage.connect();
    wire.send("POST /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let piece = [b"10000\r\n", &body(1 << 16)[..], b"\r\n"].concat();
    for _ in 0..16 {
        wire.send(&piece);
    }
    wire.send("1\r\nx\r\n");
    assert_eq!(wire.answer(false).status, 413);
    sleep(SHORT);
    assert!(api.requests().is_empty());
}

/// A browser that says nothing is not waited for, and what it said is not taken for the whole.
#[test]
fn an_upload_that_stalls_is_given_up() {
    let api = echo();
    let stage = Stage::before(&api.url());
    for request in [
        "POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        "POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\nhello",
        "POST /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let answer = stage.ask(request);
        assert_eq!((answer.status, answer.text().as_str()), (408, "RequestBody(TimedOut)"), "{request}");
    }
    sleep(SHORT);
    assert!(api.requests().is_empty());
}

/// A browser that leaves in the middle: the API never sees an end of the body.
#[test]
fn an_upload_that_breaks_off_is_not_taken_for_the_whole() {
    let api = echo();
    let stage = Stage::with(&api.url(), Forward { replay_limit: 0, ..limits() });
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        for pause in [0, 20, 200] {
            let mut wire = stage.connect();
            wire.send(format!("POST /v2/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nhello\r\n"));
            sleep(Duration::from_millis(pause));
            drop(wire);
        }
    }
    sleep(Duration::from_millis(600));
    assert!(api.connections() > 0, "the uploads had begun");
    assert!(api.requests().is_empty(), "{:?}", api.requests());
}

/// R105: broken chunks.
#[test]
fn an_upload_with_broken_framing_is_refused() {
    let api = echo();
    let stage = Stage::before(&api.url());
    for chunks in ["zz\r\n", "5\r\nhello world", "fffffffffffffffff\r\n"] {
        let answer = stage.ask(&format!(
            "POST /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}\r\n\r\n"
        ));
        assert_eq!(answer.status, 400, "{chunks}");
    }
    assert!(api.requests().is_empty());
}
