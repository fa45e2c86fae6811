//! Answers whose framing is in doubt.

use super::Api;
use crate::support::wire::Reply;

/// How an answer may reach the browser.
#[derive(Debug, Clone, Copy, PartialEq)]
enum May {
    /// 502 alone.
    Not,
    /// With this body, or 502.
    Be(&'static str),
    /// Cut, or 502.
    Break,
}

/// R95, R94: an answer that two readers could take for different ones is none, or is the one that
/// RFC 9112 section 6.3 says; its connection is never used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_length_is_in_doubt_spoils_no_other() {
    use May::*;
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\"evil\"";
    for (head, may) in [
        // Both lengths: the chunks count.
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Be("hi")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Be("hi")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Be("hi")),
        // Lengths that contradict, or are none.
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", Not),
        ("Content-Length: 2, 3\r\n\r\nhi!", Not),
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", Be("hi")),
        ("Content-Length: 2, 2\r\n\r\nhi", Be("hi")),
        ("Content-Length: +2\r\n\r\nhi", Not),
        ("Content-Length: 0x2\r\n\r\nhi", Not),
        ("Content-Length: 2 2\r\n\r\nhi", Not),
        ("Content-Length: \r\n\r\nhi", Not),
        ("Content-Length: 18446744073709551618\r\n\r\nhi", Not),
        ("Content-Length : 2\r\n\r\nhi", Not),
        // Codings that end in something else than chunks: until the connection ends, which here
        // it does not.
        ("Transfer-Encoding: gzip\r\n\r\nhi", Break),
        ("Transfer-Encoding: chunked, identity\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Break),
        ("Transfer-Encoding: xchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Break),
        // Chunks that are none.
        ("Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", Break),
        ("Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", Break),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", Break),
        ("Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n", Break),
        // Lines that are none.
        ("X: a\rContent-Length: 2\r\n\r\nhi", Not),
        ("X: a\0\r\nContent-Length: 2\r\n\r\nhi", Not),
        (" X: a\r\nContent-Length: 2\r\n\r\nhi", Not),
        ("X\r\nContent-Length: 2\r\n\r\nhi", Not),
        (": a\r\nContent-Length: 2\r\n\r\nhi", Not),
        ("X: a\r\n\tb\r\nContent-Length: 2\r\n\r\nhi", Not),
    ] {
        let api = Api::start(move |_, line| {
            line.write(format!("HTTP/1.1 200 OK\r\n{head}{EVIL}"));
            line.drain();
        });
        let stage = api.stage(&[("forward.idle_timeout", "300ms")]).await;
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/x", ""));
        match (wire.reply(false), may) {
            (Reply::Whole(answer), _) if answer.status == 502 => {
                answer.assert_problem(502, "upstream_invalid");
            }
            (Reply::Whole(answer), Be(body)) => {
                assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, body), "{head:?}");
            }
            (Reply::Cut(_) | Reply::Closed, Break) => {}
            (reply, _) => panic!("{head:?}: {reply:?}"),
        }
        for _ in 0..4 {
            assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{head:?}");
        }
    }
}

/// R95, R96: bytes that belong to no answer are never the next one's, not even where an answer
/// has no body and a careless API sends one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_beyond_an_answer_become_nobody_s() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\"evil\"";
    for (line, head) in [
        ("GET /v2/x", "200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET /v2/x", "204 No Content\r\n\r\n"),
        ("GET /v2/x", "204 No Content\r\nContent-Length: 46\r\n\r\n"),
        ("GET /v2/x", "304 Not Modified\r\nContent-Length: 46\r\n\r\n"),
        ("GET /v2/x", "304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD /v2/x", "200 OK\r\nContent-Length: 46\r\n\r\n"),
        ("HEAD /v2/x", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET /v2/x", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("OPTIONS /v2/x", "200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let api = Api::start(move |_, line| {
            line.write(format!("HTTP/1.1 {head}{EVIL}"));
            line.drain();
        });
        let stage = api.stage(&[]).await;
        let mut wire = stage.wire();
        for _ in 0..4 {
            wire.send(stage.head(line, ""));
            let Reply::Whole(answer) = wire.reply(line.starts_with("HEAD")) else {
                panic!("{line} {head:?}")
            };
            assert!(answer.body.is_empty(), "{line} {head:?}: {answer:?}");
            assert_eq!(answer.header("x-whisk-bff-error"), "", "{line} {head:?}");
            // On the same connection of the browser, and on others.
            wire.send(stage.head("GET /v2/me", ""));
            assert_eq!(wire.answer().text(), "\"mine\"", "{line} {head:?}");
            assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{line} {head:?}");
        }
    }
}

/// R95, contract §5 `upstream_invalid`: what does not begin as HTTP/1 does is no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_http_1_is_no_answer() {
    for bytes in [
        "hello world\n",
        "<html>hello</html>",
        "ICY 200 OK\r\n\r\nhello",
        "HTTP/0.9 200 OK\r\n\r\nhello",
        "HTTP/2.0 200 OK\r\n\r\nhello",
        "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\x50",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let api = Api::start(move |_, line| {
            line.write(bytes);
        });
        let stage = api.stage(&[]).await;
        stage.ask("POST /v2/x", "").assert_problem(502, "upstream_invalid");
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{bytes:?}");
    }
}
