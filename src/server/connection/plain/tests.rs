#![allow(clippy::unwrap_used)]
use std::convert::Infallible;
use std::sync::Mutex;

use http::Response;
use http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::AsyncWriteExt;

use super::super::head::Search;
use super::*;

/// What hyper reads.
fn by_hyper(bytes: &[u8]) -> Option<Parts> {
    let seen = Mutex::new(None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            *seen.lock().unwrap() = Some(request.into_parts().0);
            async { Ok::<_, Infallible>(Response::new(http_body_util::Empty::<Bytes>::new())) }
        });
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(ours), service).await;
    });
    seen.into_inner().unwrap()
}

fn heads() -> impl Strategy<Value = String> {
    let method =
        select(vec!["GET", "POST", "DELETE", "OPTIONS", "TRACE", "HEAD", "CONNECT", "M-SEARCH", "get"]);
    let target = select(vec![
        "/",
        "/v2/x",
        "/v2/x?a=b&c=%20",
        "//a/b",
        "/v2/\u{e9}",
        "/a|b",
        "/a\"b",
        "http://a/v2/x",
        "*",
        "a:80",
        "?x",
    ]);
    let line = select(vec![
        "Host: a",
        "Host: a",
        "host:\t b:80 \t",
        "Cookie: a=b; c=d",
        "Cookie: e",
        "X-CSRF: 1",
        "Content-Length: 0",
        "Accept: */*",
        "X: \u{e9}",
        "x!#$: 1",
        "X:",
        "X: a b\tc",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Connection: close",
    ]);
    let lines = proptest::collection::vec(line, 0..8);
    (method, target, lines).prop_map(|(method, target, lines)| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n").replacen(
            "Host: a\r\n",
            "",
            lines.contains("ost:").into(),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A call that is read here is the one that hyper would read.
    #[test]
    fn a_plain_call_is_what_hyper_reads(text in heads()) {
        let Ok(Some(head)) = Search::default().find(text.as_bytes()) else { return Ok(()) };
        if let Some(call) = call(&head, text.as_bytes()) {
            let (call, ()) = call.into_parts();
            let read = by_hyper(text.as_bytes()).unwrap();
            prop_assert_eq!(
                (call.method, call.uri, call.version, call.headers),
                (read.method, read.uri, read.version, read.headers)
            );
        }
    }
}

/// Else the test above would show nothing.
#[test]
fn a_plain_call_is_read() {
    let text = "GET /v2/x?y HTTP/1.1\r\nHost: a\r\nX: 1\r\nx:  2 \r\n\r\n";
    let call = call(&Search::default().find(text.as_bytes()).unwrap().unwrap(), text.as_bytes()).unwrap();
    assert_eq!((call.method(), call.uri().to_string().as_str()), (&Method::GET, "/v2/x?y"));
    assert_eq!(call.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
}
