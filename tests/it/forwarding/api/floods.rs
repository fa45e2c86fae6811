//! More than fits: heads, trailers and chunk sizes without end.

use super::Api;
use crate::support::wire::Reply;

/// What the API may have got rid of before it is stopped: the parser's bound and two sockets'
/// buffers, far below what it would send.
const MOST: u64 = 8 << 20;

/// R95, contract §5 `upstream_invalid`: a head has a bound, in lines and in bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_end_is_no_answer_and_is_not_kept() {
    let long = "x".repeat(8 << 10);
    for (what, begin, piece) in [
        ("lines", "HTTP/1.1 200 OK\r\n", "X: y\r\n".repeat(1 << 10)),
        ("long lines", "HTTP/1.1 200 OK\r\n", format!("X-A: {long}\r\n")),
        ("a value", "HTTP/1.1 200 OK\r\nX-A: ", long.clone()),
        ("a name", "HTTP/1.1 200 OK\r\nX-", long.clone()),
        ("a reason", "HTTP/1.1 200 ", long.clone()),
        ("zeros", "HTTP/1.1 ", "0".repeat(8 << 10)),
        ("empty lines", "", "\r\n".repeat(4 << 10)),
        ("nothing", "", "\0".repeat(8 << 10)),
    ] {
        let api = Api::start(move |_, line| {
            line.write(begin);
            line.write_without_end(piece.as_bytes());
        });
        let stage = api.stage(&[("forward.response_timeout", "3s")]).await;
        let answer = stage.ask("POST /v2/x", "");
        let code = answer.header("x-whisk-bff-error").to_owned();
        assert!(
            [("upstream_invalid", 502), ("upstream_timeout", 504)]
                .contains(&(code.as_str(), answer.status.as_u16())),
            "{what}: {answer:?}"
        );
        assert!(code == "upstream_invalid" || what == "empty lines", "{what}: {answer:?}");
        assert!(what == "empty lines" || api.sent() < MOST, "{what}: {} bytes", api.sent());
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{what}");
    }
}

/// R94, R95: the same in a body. What has been passed on by then is not a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_and_trailers_without_end_break_the_answer() {
    for (what, begin, piece) in [
        ("extensions", "5;", "a=b;".repeat(256)),
        ("zeros", "0", "0".repeat(64)),
        ("a size beyond all bounds", "5", "f".repeat(1 << 10)),
        ("trailers", "0\r\n", "X: y\r\n".repeat(128)),
        ("a trailer", "0\r\nX: ", "x".repeat(1 << 10)),
    ] {
        let api = Api::start(move |_, line| {
            line.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            line.write(begin);
            line.write_without_end(piece.as_bytes());
        });
        let stage = api.stage(&[("forward.idle_timeout", "1s")]).await;
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/x", ""));
        match wire.reply(false) {
            Reply::Cut(answer) => assert_eq!(answer.text(), "hello", "{what}"),
            Reply::Closed => {}
            reply @ Reply::Whole(_) => panic!("{what}: {reply:?}"),
        }
        assert!(wire.closed(), "{what}");
        assert!(what == "zeros" || api.sent() < MOST, "{what}: {} bytes", api.sent());
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{what}");
    }
}
