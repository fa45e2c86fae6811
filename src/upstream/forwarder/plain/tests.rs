#![allow(clippy::unwrap_used)]
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::AsyncWriteExt;

use super::*;

/// What hyper reads: the status, the fields, the body; or nothing.
fn by_hyper(bytes: &[u8], method: &Method) -> Option<(StatusCode, HeaderMap, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        let (answer, ()) = tokio::join!(sender.send_request(request), async {
            // The answer follows the request.
            let mut byte = [0];
            tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut byte).await.unwrap();
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
        });
        let (head, body) = answer.ok()?.into_parts();
        Some((head.status, head.headers, body.collect().await.ok()?.to_bytes()))
    })
}

/// Answers and things like answers, from pieces that matter.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let start = select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 ",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 x",
        "HTTP/1.1 103 Early Hints",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 999 x",
        "HTTP/1.1 20 x",
        "HTTP/2 200",
        "",
    ]);
    let line = select(vec![
        "Content-Length: 4",
        "Content-Length: 4",
        "content-length: 04",
        "Content-Length: 0",
        "Content-Length: 9",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length:",
        "Content-Length : 4",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Connection: keep-alive",
        "Connection: close",
        "Connection: x, close",
        "X: a",
        "X: b",
        "x-Y:\t\u{e9} ",
        "X: a\r\n b",
        "X\0: a",
    ]);
    let body = select(vec![
        "",
        "abcd",
        "abcdefgh",
        "abc",
        "4\r\nabcd\r\n0\r\n\r\n",
        "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n",
        "4;x=y\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabcd\r\n0\r\nX: y\r\n\r\n",
        "4\r\nabcd\r\n0\r\n",
        "4\r\nabcde\r\n0\r\n\r\n",
        "4\nabcd\n0\n\n",
        "-4\r\nabcd\r\n0\r\n\r\n",
        "0000000004\r\nabcd\r\n0\r\n\r\n",
        "0\r\n\r\n",
        "\r\n",
        "0\r\n\r\nHTTP/1.1",
        "A\r\n0123456789\r\n0\r\n\r\n",
        " 4\r\nabcd\r\n0\r\n\r\n",
        "4 \r\nabcd\r\n0\r\n\r\n",
    ]);
    (start, proptest::collection::vec(line, 0..4), select(vec!["\r\n", "\r\n", "\n"]), body).prop_map(
        |(start, lines, end, body)| {
            let mut text = format!("{start}{end}");
            for line in lines {
                text.push_str(line);
                text.push_str(end);
            }
            text.push_str(end);
            text.push_str(body);
            text.into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// R94, R95: what is read here is what hyper reads.
    #[test]
    fn what_is_read_whole_is_what_hyper_reads(
        bytes in answers(),
        method in select(vec![Method::GET, Method::HEAD, Method::POST]),
    ) {
        let bytes = Bytes::from(bytes);
        if let Some((head, Body::Whole(body, end))) = answer(&bytes, &method) {
            prop_assert!(end <= bytes.len());
            let (head, ()) = head.into_parts();
            // Bytes behind its end are no part of it, and hyper may take them for a fault.
            let read = by_hyper(&bytes.slice(..end), &method);
            prop_assert_eq!(Some((head.status, head.headers, body)), read);
        }
    }
}

/// Else the test above would show nothing.
#[test]
fn answers_with_a_length_and_in_chunks_are_read() {
    for (text, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", "abcd"),
        ("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", ""),
        ("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ""),
    ] {
        let bytes = Bytes::from(text);
        let whole = |bytes: &Bytes| match answer(bytes, &Method::GET) {
            Some((_, Body::Whole(body, end))) => Some((body, end)),
            Some((_, Body::Long(..))) | None => None,
        };
        assert_eq!(whole(&bytes), Some((Bytes::from(body), text.len())));
        for end in 0..text.len() {
            assert_eq!(whole(&bytes.slice(..end)), None, "{text:?} to {end}");
        }
        assert_eq!(whole(&format!("{text}HTTP/1.1").into()), Some((Bytes::from(body), text.len())));
    }
}

#[test]
fn a_length_that_is_not_there_is_waited_for() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    for (body, left) in [("", 4), ("abc", 1)] {
        let (_, read) = answer(&format!("{text}{body}").into(), &Method::GET).unwrap();
        assert!(matches!(read, Body::Long(first, missing) if first == body && missing == left));
    }
    let absurd = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert!(answer(&absurd.into(), &Method::GET).is_none());
}
