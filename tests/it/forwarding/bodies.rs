//! Requests with bodies: as large as allowed, as slow as allowed, sent once.

use std::thread;

use super::Stage;
use crate::support::Call;
use crate::support::raw::RawAnswer;
use crate::support::wire::Reply;

/// R84, contract §5 `payload_too_large`: announced, before a byte of it is read or anything is
/// sent on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_body_that_is_too_large_is_refused_at_once() {
    let stage = Stage::plain(&[("forward.max_body", "64KiB"), ("forward.replay_limit", "1KiB")]).await;
    for length in [(64 << 10) + 1, 10_u64 << 30, u64::MAX] {
        let answer = stage.ask("POST /v2/me", &format!("Content-Length: {length}\r\n"));
        answer.assert_problem(413, "payload_too_large");
    }
    assert_eq!(stage.api.connections(), 0);
    let call = Call::post("/v2/me").body(vec![b'x'; 64 << 10]);
    assert_eq!(stage.browser.send(call).await.status, 200);
    assert_eq!(stage.last(1).body.len(), 64 << 10);
}

/// R84, contract §5 `payload_too_large`: not announced, at the crossing; the API never sees an
/// end of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_grows_too_large_is_refused_at_the_crossing() {
    let stage = Stage::plain(&[("forward.max_body", "64KiB"), ("forward.replay_limit", "1KiB")]).await;
    let chunked = |pieces: usize| {
        let piece = format!("1000\r\n{}\r\n", "x".repeat(4096));
        format!("{}{}", stage.head("POST /v2/me", "Transfer-Encoding: chunked\r\n"), piece.repeat(pieces))
    };
    for pieces in [17, 64] {
        let mut wire = stage.wire();
        wire.send(chunked(pieces));
        wire.answer().assert_problem(413, "payload_too_large");
    }
    assert!(stage.api.requests().is_empty(), "{:?}", stage.api.requests());
    let mut wire = stage.wire();
    wire.send(chunked(16) + "0\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
    assert_eq!(stage.last(1).body.len(), 64 << 10);
}

/// R85: what may have taken effect is not sent again; contract §5 `upstream_unreachable`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_lost_after_it_was_sent_is_not_sent_again() {
    let stage = Stage::with(&[], |request| {
        if request.request_line().contains("/v2/me") {
            RawAnswer::json(200, "{}")
        } else {
            RawAnswer::DropAfterRead
        }
    })
    .await;
    let mut sent = 0;
    for (call, times) in [
        (Call::post("/v2/lost").body("{}"), 1),
        (Call::post("/v2/lost"), 1),
        (Call::new("PUT", "/v2/lost").body("{}"), 1),
        (Call::new("PATCH", "/v2/lost").body("{}"), 1),
        (Call::new("DELETE", "/v2/lost"), 1),
        (Call::post("/v2/lost").body(vec![b'x'; 100_000]), 1),
        (Call::get("/v2/lost"), 2),
    ] {
        // On a connection that has been used before, too: the race with its end is the same.
        assert_eq!(stage.browser.get("/v2/me").await.status, 200);
        stage.browser.send(call).await.assert_problem(502, "upstream_unreachable");
        sent += 1 + times;
        let line = stage.last(sent).request_line();
        assert!(line.contains("/v2/lost"), "{line}");
    }
}

/// R84: while the API reads slowly, the browser is held back; nothing piles up in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_does_not_read_holds_the_browser_back() {
    let settings = [("forward.max_body", "2GiB"), ("forward.idle_timeout", "1s")];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = [("whisk.api_url", url.as_str())];
    let stage = Stage::plain(&[&settings[..], &api[..]].concat()).await;
    let mut wire = stage.wire();
    wire.send(stage.head("POST /v2/me", "Content-Length: 1073741824\r\n"));
    let mut writer = wire.stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let mut taken = 0_usize;
        while std::io::Write::write_all(&mut writer, &[0; 1 << 16]).is_ok() {
            taken += 1 << 16;
        }
        taken
    });
    // Nobody ever reads from the listener's queue: the API has a second, then the call is given up.
    match wire.reply(false) {
        Reply::Whole(answer) => answer.assert_problem(504, "upstream_timeout"),
        reply => panic!("{reply:?}"),
    }
    let _ = wire.stream.shutdown(std::net::Shutdown::Both);
    let taken = writing.join().unwrap();
    assert!(taken < 64 << 20, "{taken} bytes were taken");
    stage.browser.expect_ended();
}
