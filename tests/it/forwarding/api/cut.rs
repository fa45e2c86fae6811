//! An API that stops: before its head, in it, in the body.

use std::thread::sleep;
use std::time::Duration;

use super::{Api, RawAnswer, RawServer, Stage};
use crate::support::wire::Reply;

/// R111, contract §5 `upstream_timeout`: silence and half a head are no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_does_not_begin_its_answer_is_given_up() {
    for begin in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ", "HTT"] {
        let api = Api::start(move |_, line| {
            line.write(begin);
            line.drain();
        });
        let stage = api.stage(&[("forward.response_timeout", "400ms")]).await;
        for line in ["GET /v2/x", "POST /v2/x", "HEAD /v2/x"] {
            let mut wire = stage.wire();
            wire.send(stage.head(line, ""));
            let Reply::Whole(answer) = wire.reply(line.starts_with("HEAD")) else { panic!("{begin:?}") };
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-whisk-bff-error")),
                (504, "upstream_timeout"),
                "{begin:?} {line}"
            );
        }
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
    }
}

/// R94: a pause in the body longer than `forward.idle_timeout` ends it, and not cleanly; one at
/// the very end counts, where the end is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_stops_in_its_body_breaks_the_answer() {
    for head in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "\r\nhello",
    ] {
        let api = Api::start(move |_, line| {
            line.write(format!("HTTP/1.1 200 OK\r\n{head}"));
            line.drain();
        });
        let stage = api.stage(&[("forward.idle_timeout", "400ms")]).await;
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/x", ""));
        let Reply::Cut(answer) = wire.reply(false) else { panic!("{head:?}") };
        assert_eq!(answer.text(), "hello", "{head:?}");
        assert!(wire.closed(), "{head:?}");
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
    }
}

/// R94: a body that is only ended by its connection is whole when that ends in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_ends_with_its_connection() {
    for version in ["1.0", "1.1"] {
        let api = Api::start(move |_, line| {
            line.write(format!("HTTP/{version} 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"));
            sleep(Duration::from_millis(50));
            line.write(" world");
        });
        let stage = api.stage(&[]).await;
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/x", ""));
        let answer = wire.answer();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello world"), "{version}");
        assert_eq!(answer.header("transfer-encoding"), "chunked");
        // Our own connection is kept.
        wire.send(stage.head("GET /v2/me", ""));
        assert_eq!(wire.answer().text(), "\"mine\"");
    }
}

/// R85: a connection that dies as it is used costs a call nothing where the call may be repeated:
/// once, and only where nothing was or could have been carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_call_is_sent_once_more_where_that_is_safe_and_never_twice() {
    for lost in [1_usize, 2] {
        for (line, body, safe) in [
            ("GET /v2/x", "", true),
            ("HEAD /v2/x", "", true),
            ("OPTIONS /v2/x", "", true),
            ("GET /v2/x", "{}", false),
            ("POST /v2/x", "", false),
            ("PUT /v2/x", "{}", false),
            ("PATCH /v2/x", "{}", false),
            ("DELETE /v2/x", "", false),
        ] {
            let tried = std::sync::atomic::AtomicUsize::new(0);
            let stage = Stage::with(&[], move |request| {
                let lost = if request.request_line().contains("/v2/x") { lost } else { 0 };
                if lost > 0 && tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < lost {
                    return RawAnswer::DropAfterRead;
                }
                RawAnswer::with(200, &[], if request.request_line().starts_with("HEAD") { "" } else { "{}" })
            })
            .await;
            // Pooled connections for it to be lost on.
            for _ in 0..3 {
                assert_eq!(stage.browser.get("/v2/me").await.status, 200);
            }
            let mut wire = stage.wire();
            wire.send(stage.head(line, &format!("Content-Length: {}\r\n", body.len())) + body);
            let Reply::Whole(answer) = wire.reply(line.starts_with("HEAD")) else { panic!("{line}") };
            let calls = sent(&stage.api, "/v2/x");
            let expected = if safe && lost == 1 { (200, 2) } else { (502, if safe { 2 } else { 1 }) };
            assert_eq!((answer.status.as_u16(), calls), expected, "{line} {body} lost {lost} times");
        }
    }
}

fn sent(api: &RawServer, target: &str) -> usize {
    api.requests().iter().filter(|request| request.request_line().contains(target)).count()
}
