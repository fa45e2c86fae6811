//! Requests that do not wait for the answers before them.

use super::{CHUNKED, Stage};
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::{Reply, Wire};

/// R101, R109: each is answered by itself and in order, whatever its method and its body, although
/// they all are there when the first is read; and the API is never asked for the next one before
/// the answer to the last is out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_one_by_one() {
    let stage = Stage::new().await;
    let forms = [
        ("GET", "", "", "", true),
        ("HEAD", "", "", "", false),
        ("POST", "Content-Length: 5\r\n", "hello", "hello", true),
        ("POST", "Transfer-Encoding: chunked\r\n", "5;x\r\nhello\r\n0\r\nX: y\r\n\r\n", "hello", true),
    ];
    for first in 0..forms.len() {
        for second in 0..forms.len() {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (n, form) in [first, second, 0, second, first, first, 1, 2].into_iter().enumerate() {
                let (method, headers, body, arrives, answered) = forms[form];
                let line = format!("{method} /v2/{n} HTTP/1.1");
                bytes.extend(stage.request(&line, headers, body));
                expected.push((line, arrives, answered));
            }
            let before = stage.api.requests().len();
            let mut wire = Wire::connect(stage.world.address(0));
            wire.send(&bytes);
            for (line, _, answered) in &expected {
                let Reply::Whole(answer) = wire.reply(!answered) else { panic!("{line}: no answer") };
                assert_eq!(answer.status, 200, "{line}");
                assert_eq!(answer.text(), if *answered { line.as_str() } else { "" });
            }
            let seen: Vec<_> = stage.api.requests().split_off(before);
            let seen: Vec<_> =
                seen.iter().map(|request| (request.request_line(), request.body.clone())).collect();
            let expected: Vec<_> =
                expected.iter().map(|(line, body, _)| (line.clone(), body.as_bytes().to_vec())).collect();
            assert_eq!(seen, expected);
        }
    }
}

/// The same of many at once, more than are read ahead, and of routes of our own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_pipeline_is_served_to_its_end() {
    let stage = Stage::new().await;
    let mut wire = Wire::connect(stage.world.address(0));
    let mut bytes = Vec::new();
    for n in 0..100 {
        let padding = format!("X: {}\r\n", "a".repeat(1000));
        let path = if n % 3 == 0 { "/auth/session".to_owned() } else { format!("/v2/{n}") };
        bytes.extend(stage.request(&format!("GET {path} HTTP/1.1"), &padding, ""));
    }
    wire.send(&bytes);
    for n in 0..100 {
        let answer = wire.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text().contains("authenticated"), n % 3 == 0, "{n}: {answer:?}");
    }
}

/// RFC 9112 section 9.6: after an answer that ends the connection, no further request is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_served_after_the_last_answer() {
    let stage = Stage::new().await;
    for last in [
        stage.get("Connection: close\r\n"),
        stage.get("Connection: x, CLOSE\r\n"),
        stage.get("Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        stage.request("GET /v2/first HTTP/1.0", "", ""),
        stage.request("GET /v2/first HTTP/1.0", "Connection: keep-alive\r\n", ""),
    ] {
        let before = stage.api.requests().len();
        let mut wire = Wire::connect(stage.world.address(0));
        wire.send([last.clone(), stage.get("")].concat());
        let text = String::from_utf8_lossy(&last).into_owned();
        let answer = wire.answer();
        assert_eq!(answer.status, 200, "{text}");
        assert_eq!(answer.headers["connection"], "close", "{text}");
        assert!(wire.closed(), "{text}");
        assert_eq!(stage.api.requests().len(), before + 1, "{text}");
    }
}

/// RFC 9112 section 9.6: a connection that says nothing of its end is there for the next request,
/// also where a body was read to its end and not to where its reader would have gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_only_after_it_was_said() {
    let Stage { world, browser, api } = Stage::new().await;
    let stage = Stage { world, browser, api: RawServer::start(|_| RawAnswer::Stall) };
    drop(api);
    for (size, chunk) in [(60_000, 100), (66_000, 100), (66_000, 500), (68_000, 500), (200_000, 1_000)] {
        let piece = format!("{chunk:x}\r\n{}\r\n", "y".repeat(chunk));
        let body = format!("{}0\r\n\r\n", piece.repeat(size / chunk));
        let mut wire = Wire::connect(stage.world.address(0));
        wire.send(stage.post(CHUNKED, &body));
        wire.send(stage.request("GET /auth/session HTTP/1.1", "", ""));
        let answer = wire.answer();
        answer.assert_problem(502, "upstream_unreachable");
        match answer.headers.get("connection") {
            Some(option) => assert!(option == "close" && wire.closed(), "{size} {chunk}: {answer:?}"),
            None => assert_eq!(wire.answer().status, 200, "{size} {chunk}"),
        }
    }
    stage.world.ends_in_ruins();
}

/// Contract §5 `headers_too_large`: a head that is too large gets the answer of a problem however
/// its bytes arrive, all at once among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_head_is_refused_however_it_arrives() {
    let stage = Stage::new().await;
    for size in [87_000, 120_000, 130_000, 200_000] {
        for target in ["/v2/first", "/auth/session"] {
            let filler = format!("X-Filler: {}\r\n", "x".repeat(size));
            let request = stage.request(&format!("GET {target} HTTP/1.1"), &filler, "");
            for first in [request.len(), 30_000] {
                let mut wire = Wire::connect(stage.world.address(0));
                wire.send(&request[..first]);
                wire.send(&request[first..]);
                wire.answer().assert_problem(431, "headers_too_large");
                assert!(wire.closed(), "{target} {size} {first}");
            }
        }
    }
    assert!(stage.api.requests().is_empty());
}

/// Contract §5, R115: what is refused before there is a request has an id, and leaves its line in
/// the log and its count in the metrics, like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_told_of_like_one() {
    let stage = Stage::new().await;
    let sample = "whisk_bff_requests_total{route=\"other\",outcome=\"bad_request\"}";
    let before = stage.world.metric(0, sample);
    let [answer] = &stage.answers(b"GET /v2/marked?SEC_MARK=1 HTTP/1.1\r\nX : y\r\n\r\n")[..] else {
        panic!("one answer")
    };
    answer.assert_problem(400, "bad_request");
    assert!((stage.world.metric(0, sample) - before - 1.0).abs() < 0.1);
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let logs = crate::support::world::logs();
    let line = logs.lines().find(|line| line.contains(&id)).expect("a line in the log");
    for part in ["/v2/marked", "bad_request", "127.0.0.1"] {
        assert!(line.contains(part), "{line}");
    }
}
