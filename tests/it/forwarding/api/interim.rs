//! Interim answers (1xx) of the API.

use super::Api;
use crate::support::wire::Reply;

/// R96: interim answers end here, however many, and nothing of them is in the final one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_are_passed_over() {
    let api = Api::start(|_, line| {
        for interim in ["100 Continue", "102 Processing", "103 Early Hints", "199 Whatever", "100 Continue"] {
            line.write(format!(
                "HTTP/1.1 {interim}\r\nLink: </INTERIM>; rel=preload\r\nSet-Cookie: INTERIM=1\r\nContent-Type: text/INTERIM\r\n\r\n"
            ));
        }
        line.write("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\nX-End: 1\r\n\r\n{}");
        line.drain();
    });
    let stage = api.stage(&[]).await;
    for (line, body) in [("GET /v2/x", ""), ("POST /v2/x", "hello"), ("DELETE /v2/x", "")] {
        let mut wire = stage.wire();
        wire.send(stage.head(line, &format!("Content-Length: {}\r\n", body.len())) + body);
        // The first that comes is the last.
        let answer = wire.answer();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (201, "{}"), "{line}");
        assert_eq!(answer.header("x-end"), "1");
        assert!(!format!("{answer:?}").contains("INTERIM"), "{answer:?}");
    }
    assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
}

/// R95, R111, contract §5 `upstream_timeout`: interim answers are no answer, and do not buy time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_without_end_are_given_up() {
    let api = Api::start(|_, line| line.write_without_end(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(8)));
    let stage = api.stage(&[("forward.response_timeout", "400ms")]).await;
    for line in ["GET /v2/x", "POST /v2/x"] {
        stage.ask(line, "").assert_problem(504, "upstream_timeout");
    }
    assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
}

/// R108, contract §5 `upstream_invalid`: no change of protocol was asked for, so none takes place,
/// and what follows it is not passed on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_protocol_is_no_answer() {
    let api = Api::start(|head, line| {
        assert!(!head.to_ascii_lowercase().contains("upgrade"), "{head}");
        line.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nTUNNEL",
        );
        line.drain();
    });
    let stage = api.stage(&[]).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for headers in ["", upgrade] {
        let mut wire = stage.wire();
        wire.send(stage.head("GET /v2/socket", headers));
        match wire.reply(false) {
            Reply::Whole(answer) => {
                answer.assert_problem(502, "upstream_invalid");
                assert!(!answer.text().contains("TUNNEL"));
            }
            reply => panic!("{reply:?}"),
        }
    }
    assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"");
}
