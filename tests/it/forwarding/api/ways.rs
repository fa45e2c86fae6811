//! The ways that a call can take: the usual one, and those by hyper. Nobody can tell them apart.

use reqwest::header::HeaderMap;

use super::Api;
use crate::support::wire::Reply;
use crate::support::world::HOST;

/// R92, R94, R100: an answer is the same whether its call is plain (`GET` in origin-form; a small body) or
/// not (absolute-form; a body too large for one piece), and whether it comes in one piece or in
/// many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_the_same_whatever_way_its_call_took() {
    let long = "x".repeat(100_000);
    let chunks: String = (0..10).map(|_| format!("2710\r\n{}\r\n", "x".repeat(10_000))).collect();
    for answer in [
        "200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\n\r\n".to_owned(),
        "200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "299 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n".to_owned(),
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n".to_owned(),
        "204 No Content\r\nX-A: \u{e9}\r\n\r\n".to_owned(),
        "304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n".to_owned(),
        "500 Oh\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "200 OK\r\nConnection: close\r\n\r\n{}".to_owned(),
        format!("200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
        format!("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}", "y".repeat(20_000)),
        "099 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ] {
        let said = answer.clone();
        let api = Api::start(move |head, line| {
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            line.read_exactly(length.map_or(0, |length| length.parse().unwrap()));
            line.write(format!("HTTP/1.1 {said}"));
        });
        let stage = api.stage(&[]).await;
        let mut seen: Option<(u16, HeaderMap, usize)> = None;
        for (line, body) in [
            ("GET /v2/x".to_owned(), String::new()),
            (format!("GET http://{HOST}/v2/x"), String::new()),
            ("POST /v2/x".to_owned(), "b".repeat(10)),
            ("POST /v2/x".to_owned(), "b".repeat(20_000)),
        ] {
            let mut wire = stage.wire();
            wire.send(stage.head(&line, &format!("Content-Length: {}\r\n", body.len())) + body.as_str());
            let Reply::Whole(found) = wire.reply(false) else { panic!("{line}: {answer:.99}") };
            let mut headers = found.headers.clone();
            assert_eq!(headers.get_all("date").iter().count(), 1, "{line}: {answer:.99}");
            if !answer.contains("Date") {
                headers.remove("date");
            }
            // Framing is each connection's own.
            headers.remove("transfer-encoding");
            if !answer.contains("Content-Length") {
                headers.remove("content-length");
            }
            // A problem tells its request's id.
            let length = if found.status == 502 { 0 } else { found.body.len() };
            let found = (found.status.as_u16(), headers, length);
            assert!(*seen.get_or_insert(found.clone()) == found, "{line}: {found:?}: {answer:.99}");
        }
    }
}
