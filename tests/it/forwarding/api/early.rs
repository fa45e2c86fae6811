//! Answers that come before the request has been sent.

use super::Api;

const UPLOAD: usize = 8 << 20;

/// R84, R109: an answer that the API gives at the head is passed on at once, though neither has
/// seen the body's end; and nothing of the rest of it becomes a request of anyone's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_before_the_body_is_passed_on() {
    for (status, connection) in [(413, "close"), (200, "keep-alive"), (409, "keep-alive")] {
        let api = Api::start(move |_, line| {
            line.write(format!(
                "HTTP/1.1 {status} Early\r\nContent-Length: 5\r\nConnection: {connection}\r\n\r\nearly"
            ));
            // It reads no further. The broker has to give the connection up.
            let _ = line.drain();
        });
        let stage = api.stage(&[("forward.idle_timeout", "10s")]).await;
        for framing in [format!("Content-Length: {UPLOAD}"), "Transfer-Encoding: chunked".to_owned()] {
            let mut wire = stage.wire();
            wire.send(stage.head("POST /v2/x", &format!("{framing}\r\n")));
            // More than is kept for a repeat, so that it is passed on as it comes; no end.
            let piece = format!("10000\r\n{}\r\n", "y".repeat(1 << 16));
            let piece = if framing.starts_with('T') { piece } else { "y".repeat(1 << 16) };
            wire.send(piece.repeat(2));
            let answer = wire.answer();
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, "early"), "{framing}");
            assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{framing}");
        }
    }
}

/// R85: an API that goes in the middle of an upload has failed it, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_api_breaks_off_is_not_sent_again() {
    let (begun, heads) = std::sync::mpsc::channel();
    let begun = std::sync::Mutex::new(begun);
    let api = Api::start(move |_, line| {
        begun.lock().unwrap().send(()).unwrap();
        line.read_exactly(1 << 10);
    });
    let stage = api.stage(&[]).await;
    for framing in [format!("Content-Length: {UPLOAD}"), "Transfer-Encoding: chunked".to_owned()] {
        let mut wire = stage.wire();
        wire.send(stage.head("PUT /v2/x", &format!("{framing}\r\n")));
        let piece = format!("10000\r\n{}\r\n", "y".repeat(1 << 16));
        wire.send(if framing.starts_with('T') { piece.repeat(2) } else { "y".repeat(2 << 16) });
        wire.answer().assert_problem(502, "upstream_unreachable");
        assert_eq!(heads.try_iter().count(), 1, "{framing}");
    }
    assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
}

/// R96, R109: a call that the network has not taken to its end when the answer begins, with an interim one
/// or with the first line, is sent to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_sent_to_its_end_though_its_answer_has_begun() {
    const BODY: usize = 16 << 10;
    for (early, rest) in [
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("HTTP/1.1 200 OK\r\nX-Early: 1\r\n", "Content-Length: 2\r\n\r\nok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"),
    ] {
        let api = Api::hasty(early, move |_, line| {
            let body = line.read_exactly(BODY);
            line.write(if body.ends_with(b"b!") { rest } else { "X: not the body\r\n\r\n" });
        });
        let stage = api.stage(&[("forward.response_timeout", "5s"), ("forward.idle_timeout", "5s")]).await;
        let lines: String = (0..15).map(|at| format!("X-{at}: {}\r\n", "z".repeat(4_000))).collect();
        let head = stage.head("POST /v2/x", &format!("{lines}Content-Length: {BODY}\r\n"));
        let mut wire = stage.wire();
        wire.send(format!("{head}{}b!", "b".repeat(BODY - 2)));
        let answer = wire.answer();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "ok"), "{early:?}");
    }
}
