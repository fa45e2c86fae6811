//! Requests that two servers could read differently, or that none should read. After each comes a
//! second one on the same connection, which is answered by itself or, with the connection
//! closed, not at all; the API is never sent two requests for one.

use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::{Reply, Wire};
use crate::support::world::HOST;
use crate::support::{Answer, Browser, World};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// A problem of ours, and the connection ends: nobody knows where another request begins.
    Refused(u16, &'static str),
    /// A problem of ours.
    Problem(u16, &'static str),
    /// It is forwarded, with this body.
    Forwarded(&'static str),
}
use Fate::{Forwarded, Problem, Refused};

/// What is malformed.
const MALFORMED: Fate = Refused(400, "bad_request");

mod connections;
mod pipelining;

/// A request that hides in the body of another.
const SMUGGLED: &str = "GET /v2/smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

struct Stage {
    world: World,
    browser: Browser,
    api: RawServer,
}

impl Stage {
    async fn new() -> Self {
        let api = RawServer::start(|request| RawAnswer::with(200, &[], &request.request_line()));
        let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
        let browser = world.logged_in().await;
        Self { world, browser, api }
    }

    /// A request that would be forwarded, were it not for these headers and this body.
    fn request(&self, line: &str, headers: &str, body: &str) -> Vec<u8> {
        let cookie = self.browser.cookie_line();
        let fields = format!("Host: {HOST}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n");
        format!("{line}\r\n{fields}{headers}\r\n{body}").into_bytes()
    }

    fn post(&self, headers: &str, body: &str) -> Vec<u8> {
        self.request("POST /v2/first HTTP/1.1", headers, body)
    }

    fn get(&self, headers: &str) -> Vec<u8> {
        self.request("GET /v2/first HTTP/1.1", headers, "")
    }

    /// Sends the bytes and a second request after them, and reads all answers.
    fn answers(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut wire = Wire::connect(self.world.address(0));
        wire.send(bytes);
        wire.send(self.request("GET /v2/second HTTP/1.1", "Connection: close\r\n", ""));
        let mut answers = Vec::new();
        while let Reply::Whole(answer) = wire.reply(false) {
            answers.push(answer);
        }
        answers
    }

    /// Asserts the fate of the bytes and of what follows them.
    #[track_caller]
    fn assert_fate(&self, what: &str, bytes: &[u8], fate: Fate) {
        let before = self.api.requests().len();
        let answers = self.answers(bytes);
        let seen = self.api.requests().split_off(before);
        let lines: Vec<String> = seen.iter().map(|request| request.request_line()).collect();
        let Some(first) = answers.first() else { panic!("{what}: no answer") };
        if !matches!(fate, Forwarded(_)) {
            assert_ne!(first.status, 200, "{what}: {first:?}");
        }

        let mut expected = Vec::new();
        match fate {
            Refused(status, code) => {
                first.assert_problem(status, code);
                assert_eq!((first.header("connection"), answers.len()), ("close", 1), "{what}");
            }
            Problem(status, code) => first.assert_problem(status, code),
            Forwarded(body) => {
                assert_eq!(first.status, 200, "{what}: {first:?}");
                expected.push("/v2/first");
                assert_eq!(seen[0].body, body.as_bytes(), "{what}");
                assert_eq!(seen[0].headers("transfer-encoding"), [""; 0], "{what}");
            }
        }
        if let Some(second) = answers.get(1) {
            assert_eq!(second.status, 200, "{what}: {second:?}");
            assert_eq!(second.text(), "GET /v2/second HTTP/1.1", "{what}");
            expected.push("/v2/second");
        }
        assert!(answers.len() <= 2, "{what}: {answers:?}");
        let targets: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        let targets: Vec<&str> = targets.iter().map(|target| target.trim_end_matches('a')).collect();
        assert_eq!(targets, expected, "{what}");
    }
}

/// R101, R102, R103: a body with two lengths, or with none that can be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_whose_length_is_in_doubt_is_refused_and_the_connection_closed() {
    let stage = Stage::new().await;
    let smuggling = format!("0\r\n\r\n{SMUGGLED}");
    for headers in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 600\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 46\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 3,3,4\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3.0\r\n",
        "Content-Length: 1 0\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551617\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        stage.assert_fate(headers, &stage.post(headers, &smuggling), MALFORMED);
    }
    for headers in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: deflate , br,\tCHUNKED\r\n",
    ] {
        let unknown = Refused(501, "not_implemented");
        stage.assert_fate(headers, &stage.post(headers, &smuggling), unknown);
    }
    let old = stage.request("POST /v2/first HTTP/1.0", CHUNKED, &smuggling);
    stage.assert_fate("HTTP/1.0 with chunks", &old, MALFORMED);
    stage.assert_fate("a length", &stage.post("Content-Length: 5\r\n", "hello"), Forwarded("hello"));
    stage.assert_fate("a long zero", &stage.post("Content-Length: 005\r\n", "hello"), Forwarded("hello"));
    let loud = stage.post("Transfer-Encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n");
    stage.assert_fate("chunks", &loud, Forwarded("hello"));
}

/// R88: a body that spells a request stays the body of its own, GET or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_spells_a_request_is_a_body() {
    let stage = Stage::new().await;
    let length = format!("Content-Length: {}\r\n", SMUGGLED.len());
    let chunks = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for method in ["GET", "DELETE", "OPTIONS", "POST"] {
        let line = format!("{method} /v2/first HTTP/1.1");
        stage.assert_fate(method, &stage.request(&line, &length, SMUGGLED), Forwarded(SMUGGLED));
        stage.assert_fate(method, &stage.request(&line, CHUNKED, &chunks), Forwarded(SMUGGLED));
    }
}

/// R104: lines that are no header lines. A bare LF ends a line; it goes on as CRLF.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_section_that_is_malformed_is_refused() {
    let stage = Stage::new().await;
    for headers in [
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "X : a\r\n",
        "X\t: a\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
        "X: a\u{1}b\r\n",
        "X: a\u{7f}b\r\n",
        "Xab\r\n",
        ": b\r\n",
        "X(): b\r\n",
        "X\0: b\r\n",
    ] {
        stage.assert_fate(headers, &stage.get(headers), MALFORMED);
    }
    let text = String::from_utf8(stage.get("")).unwrap();
    let early = text.replacen("Host:", " X: y\r\nHost:", 1);
    stage.assert_fate("space before the first header", early.as_bytes(), MALFORMED);
    stage.assert_fate("bare CR", text.replace("\r\n", "\r").as_bytes(), MALFORMED);

    stage.assert_fate("bare LF", text.replace("\r\n", "\n").as_bytes(), Forwarded(""));
    stage.assert_fate("one bare LF", &stage.get("X: a\nY: b\r\n"), Forwarded(""));
    let requests = stage.api.requests();
    for request in &requests {
        let head = String::from_utf8(request.head.clone()).unwrap();
        assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
    }
}

/// R105. Extensions and trailers are read over, as long as they are short, and go no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_chunks_are_refused_and_their_trimmings_are_not_forwarded() {
    let stage = Stage::new().await;
    for chunks in [
        "zz\r\n",
        "fffffffffffffffff\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}xx\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "2;a\n{}\r\n0\r\n\r\n",
        "2 a\r\n{}\r\n0\r\n\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nno field\r\n\r\n",
        "2\r\n{}\r\n0\r\nX: a\n\n",
        &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(2000)),
        &format!("2;{}", "a".repeat(100_000)),
        &format!("{}0\r\n\r\n", format!("1;{}\r\n{{\r\n", "a".repeat(1000)).repeat(50)),
        &format!("2\r\n{{}}\r\n0\r\n{}\r\n", "X: a\r\n".repeat(2000)),
        &format!("2\r\n{{}}\r\n0\r\nX: {}", "a".repeat(100_000)),
    ] {
        let body = format!("{chunks}{SMUGGLED}");
        stage.assert_fate(chunks, &stage.post(CHUNKED, &body), Problem(400, "bad_request"));
    }
    for chunks in [
        "2;CHUNKMARK=b\r\n{}\r\n0;CHUNKMARK\r\n\r\n",
        "2;a=\"CHUNKMARK\"\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX: CHUNKMARK\r\nContent-Length: 50\r\nAuthorization: CHUNKMARK\r\n\r\n",
    ] {
        stage.assert_fate(chunks, &stage.post(CHUNKED, chunks), Forwarded("{}"));
    }
    assert!(stage.api.requests().iter().all(|request| !format!("{request:?}").contains("CHUNKMARK")));
}

/// R107, R110 (HTTP/2 is off: its preface is a version that is not spoken here), contract §5
/// `uri_too_long` and `headers_too_large`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_targets_and_headers_are_served_up_to_a_limit() {
    let stage = Stage::new().await;
    let target = |length: usize| format!("GET /v2/first{} HTTP/1.1", "a".repeat(length - 9));
    let header = |length: usize| format!("X: {}\r\n", "a".repeat(length));
    for (what, bytes, fate) in [
        ("8,000 bytes of target", stage.request(&target(8000), "", ""), Forwarded("")),
        ("16 KiB", stage.request(&target(16 << 10), "", ""), Forwarded("")),
        ("more", stage.request(&target((16 << 10) + 1), "", ""), Problem(414, "uri_too_long")),
        ("far more", stage.request(&target(150_000), "", ""), Refused(414, "uri_too_long")),
        ("a header of 60,000 bytes", stage.get(&header(60_000)), Forwarded("")),
        ("64 KiB", stage.get(&header(64 << 10)), Problem(431, "headers_too_large")),
        ("in lines", stage.get(&header(9000).repeat(8)), Problem(431, "headers_too_large")),
        ("200,000 bytes", stage.get(&header(200_000)), Refused(431, "headers_too_large")),
        ("90 lines", stage.get(&header(1).repeat(90)), Forwarded("")),
        ("200 lines", stage.get(&header(1).repeat(200)), Refused(431, "headers_too_large")),
        (
            "a long name",
            stage.get(&format!("{}: a\r\n", "X".repeat(64 << 10))),
            Refused(431, "headers_too_large"),
        ),
        (
            "an unknown method",
            stage.request("BREW /v2/first HTTP/1.1", "", ""),
            Problem(405, "method_not_allowed"),
        ),
        ("no method", stage.request("B(EW /v2/first HTTP/1.1", "", ""), MALFORMED),
        ("an older version", b"GET /v2/first\r\n\r\n".to_vec(), MALFORMED),
        ("a newer one", stage.request("GET /v2/first HTTP/2.0", "", ""), Refused(505, "version_unsupported")),
        ("a space", stage.request("GET /v2/first /v2/x HTTP/1.1", "", ""), MALFORMED),
        ("two spaces", stage.request("GET  /v2/first HTTP/1.1", "", ""), MALFORMED),
        (
            "the preface of HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            Refused(505, "version_unsupported"),
        ),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_vec(), MALFORMED),
    ] {
        stage.assert_fate(what, &bytes, fate);
    }
}
