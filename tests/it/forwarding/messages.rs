//! What passes through as it is: negotiation, conditions, ranges, statuses, bodies.

use super::Stage;
use crate::support::Call;
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::Reply;

/// R87: the browser and the API settle these between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_ranges_and_encodings_pass_untouched() {
    let gzip = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let stage = Stage::with(&[], move |request| match request.request_line().split(' ').nth(1).unwrap() {
        "/v2/304" => RawAnswer::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: W/\"a\"\r\nContent-Length: 10\r\n\r\n".to_vec()),
        "/v2/206" => RawAnswer::Bytes(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/10\r\nAccept-Ranges: bytes\r\nContent-Length: 2\r\n\r\ncd".to_vec(),
        ),
        "/v2/gzip" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: 22\r\n\r\n";
            RawAnswer::Bytes([head.as_bytes(), &gzip].concat())
        }
        _ => RawAnswer::with(200, &[("ETag", "\"e\""), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")], "{}"),
    })
    .await;
    let fields = [
        ("If-None-Match", "W/\"a\", \"b\""),
        ("If-Match", "*"),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Range", "\"a\""),
        ("Range", "bytes=2-3"),
        ("Accept-Encoding", "br;q=0.5, gzip"),
        ("Accept", "application/json;q=0.9"),
    ];
    let headers: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();

    let not_modified = stage.ask("GET /v2/304", &headers);
    assert_eq!((not_modified.status.as_u16(), not_modified.header("etag")), (304, "W/\"a\""));
    let part = stage.ask("GET /v2/206", &headers);
    assert_eq!((part.status.as_u16(), part.header("content-range")), (206, "bytes 2-3/10"));
    assert_eq!((part.text().as_str(), part.header("accept-ranges")), ("cd", "bytes"));
    let packed = stage.ask("GET /v2/gzip", &headers);
    assert_eq!((packed.header("content-encoding"), packed.body.as_slice()), ("gzip", &gzip[..]));
    let plain = stage.ask("GET /v2/me", &headers);
    assert_eq!(plain.header("etag"), "\"e\"");
    assert_eq!(plain.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    let requests = stage.api.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        for (name, value) in fields {
            assert_eq!(request.headers(name), [value], "{request:?}");
        }
    }

    // Without a wish of the browser's, none is invented.
    assert_eq!(stage.ask("GET /v2/me", "").status, 200);
    assert_eq!(stage.last(5).header("accept-encoding"), None);
}

/// R96: statuses, bodies and `Retry-After` as they are, 429 and 5xx among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_is_relayed_with_its_body() {
    let stage = Stage::with(&[], |request| {
        let line = request.request_line();
        let status = line.split(['/', ' ']).nth(3).and_then(|status| status.parse().ok()).unwrap_or(200);
        RawAnswer::with(
            status,
            &[("Retry-After", "7"), ("Content-Type", "application/json")],
            "{\"code\":\"x\"}",
        )
    })
    .await;
    let mut wire = stage.wire();
    for status in (200..600).filter(|status| ![204, 205, 304, 401].contains(status)) {
        wire.send(stage.head(&format!("GET /v2/{status}"), ""));
        let answer = wire.answer();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, "{\"code\":\"x\"}"));
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(answer.header("x-whisk-bff-error"), "");
    }
}

/// R96: what has no body gets none, and the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_leave_the_connection_in_order() {
    let stage = Stage::with(&[], |request| {
        let line = request.request_line();
        let answer = if line.contains("/v2/204") {
            "HTTP/1.1 204 No Content\r\n\r\n"
        } else if line.contains("/v2/304") {
            "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"
        } else if line.contains("/v2/103") {
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        } else if line.contains("/v2/trailers") {
            "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: TRAILMARK\r\nSet-Cookie: TRAILMARK=1\r\n\r\n"
        } else if line.starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        };
        RawAnswer::Bytes(answer.as_bytes().to_vec())
    })
    .await;
    let mut wire = stage.wire();
    for (line, status, body) in [
        ("HEAD /v2/me", 200, ""),
        ("GET /v2/204", 204, ""),
        ("DELETE /v2/204", 204, ""),
        ("GET /v2/304", 304, ""),
        ("HEAD /v2/304", 304, ""),
        ("GET /v2/trailers", 200, "{}"),
        ("GET /v2/103", 200, "{}"),
        ("GET /v2/me", 200, "{}"),
    ] {
        wire.send(stage.head(line, ""));
        let Reply::Whole(answer) = wire.reply(line.starts_with("HEAD")) else { panic!("{line}") };
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{line}");
        assert!(!format!("{answer:?}").contains("TRAILMARK"), "{answer:?}");
        let framed = answer.headers.contains_key("transfer-encoding");
        assert!(!framed || !body.is_empty(), "{line}: {answer:?}");
        if line == "HEAD /v2/me" {
            assert_eq!(answer.header("content-length"), "2");
        }
    }
}

/// W28, contract §4 `any method /v2/*`: the API's own errors reach the browser to the byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_api_is_relayed_to_the_byte() {
    let bodies: [(&str, &[u8]); 7] = [
        ("application/json", b"{\"code\":\"recipe.notFound\",\"message\":\"no \xc3\xbc\"}"),
        ("application/json", b"{ \"error_code\" : \"x\",\r\n\t\"message\": \"y\" }\n"),
        ("application/json; charset=utf-8", b"{\"code\":\"x\",\"message\":\"m\",\"display_message\":\"d\"}"),
        ("text/plain", b"Internal Server Error\n"),
        (
            "application/problem+json",
            b"{\"type\":\"urn:whisk-bff:problem:login_required\",\"code\":\"login_required\"}",
        ),
        ("application/octet-stream", b"\0\xff\xfe not text"),
        ("text/html", b"<script>alert(1)</script>"),
    ];
    let stage = Stage::with(&[], move |request| {
        let line = request.request_line();
        let mut words = line.split(['/', ' ']).skip(3);
        let (Some(Ok(status)), Some(Ok(n))) =
            (words.next().map(str::parse::<u16>), words.next().map(str::parse::<usize>))
        else {
            return RawAnswer::json(200, "{}");
        };
        let (media, body) = bodies[n];
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Type: {media}\r\nX-Request-Id: r{n}\r\nContent-Length: {length}\r\n\r\n");
        RawAnswer::Bytes([head.as_bytes(), body].concat())
    })
    .await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for status in [400, 403, 404, 409, 422, 429, 500, 503] {
            for (n, (media, body)) in bodies.into_iter().enumerate() {
                let call = Call::new(method, &format!("/v2/{status}/{n}"));
                let answer = stage.browser.send(call).await;
                assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (status, body), "{method}");
                assert_eq!(
                    (answer.header("content-type"), answer.header("x-request-id")),
                    (media, format!("r{n}").as_str())
                );
                assert_eq!(answer.header("x-whisk-bff-error"), "", "it is the API's own");
                assert!(answer.set_cookies().is_empty());
            }
        }
    }
}

/// R93: a redirection within the allowed paths becomes one here; none is followed, and one that
/// leads out is not passed on; contract §5 `upstream_invalid`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirection_stays_on_this_origin_or_is_an_error() {
    let elsewhere = RawServer::start(|_| RawAnswer::json(200, "{}"));
    let evil = elsewhere.url();
    let stage = Stage::with(&[], |request| {
        let line = request.request_line();
        let Some(to) = request.header("x-to") else { return RawAnswer::json(200, "{}") };
        let host = request.header("host").unwrap();
        let status = line.split(['/', ' ']).nth(3).unwrap().parse().unwrap();
        RawAnswer::with(status, &[("Location", &to.replace("API", &host))], "moved")
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let line = format!("GET /v2/{status}");
        for (to, location) in [
            ("http://API/v2/x?a=b#c", "/v2/x?a=b#c"),
            ("/v2/x", "/v2/x"),
            ("x/y", "/v2/x/y"),
            ("//API/v2/x", "/v2/x"),
        ] {
            let answer = stage.ask(&line, &format!("X-To: {to}\r\n"));
            assert_eq!((answer.status.as_u16(), answer.header("location")), (status, location), "{to}");
        }
        for to in [
            evil.as_str(),
            "https://evil.example/",
            "//evil.example/v2/x",
            "https://API/v2/x",
            "http://API@evil.example/v2/x",
            "/admin",
            "/auth/logout",
            "../x",
            "/v2/../x",
            "\\\\evil.example\\v2",
            "javascript:alert(1)",
        ] {
            stage.ask(&line, &format!("X-To: {to}\r\n")).assert_problem(502, "upstream_invalid");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}
