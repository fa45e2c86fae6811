#![allow(clippy::unwrap_used)]
use super::*;

fn found(text: &str) -> Result<Option<Head>, Fault> {
    Search::default().find(text.as_bytes())
}

fn head(fields: &str) -> Result<Framing, Fault> {
    let text = format!("POST /v2/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    found(&text).map(|head| {
        let head = head.unwrap();
        assert_eq!((head.length, head.old), (text.len(), false));
        assert_eq!(text.get(head.target.clone()), text.split(' ').nth(1));
        head.framing
    })
}

#[test]
fn a_length_is_digits_and_stands_alone() {
    assert_eq!(head(""), Ok(Framing::Length(0)));
    assert_eq!(head("Content-Length: 4611686018427387903\r\n"), Ok(Framing::Length((1 << 62) - 1)));
    for value in ["4611686018427387904", "18446744073709551615"] {
        assert_eq!(head(&format!("Content-Length: {value}\r\n")), Err(Fault::BodyTooLarge), "{value}");
    }
    assert_eq!(head("content-LENGTH:\t007 \r\n"), Ok(Framing::Length(7)));
    for value in ["", "+1", "-1", "0x1", "1.0", "1 1", "1,1", "18446744073709551616", "\u{661}"] {
        assert_eq!(head(&format!("Content-Length: {value}\r\n")), Err(Fault::Malformed), "{value}");
    }
    assert_eq!(head("Content-Length: 1\r\nContent-Length: 1\r\n"), Err(Fault::Malformed));
    assert_eq!(head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), Err(Fault::Malformed));
}

#[test]
fn a_coding_is_chunked_and_stands_alone() {
    assert_eq!(head("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    for value in ["", "gzip", "chunked, gzip", "chunked, chunked", ", chunked", "chunked;a", "chunked,"] {
        assert_eq!(head(&format!("Transfer-Encoding: {value}\r\n")), Err(Fault::Malformed), "{value}");
    }
    for value in ["gzip, chunked", "identity,chunked", "a, b, chunked"] {
        assert_eq!(head(&format!("Transfer-Encoding: {value}\r\n")), Err(Fault::UnknownCoding), "{value}");
    }
}

#[test]
fn a_version_that_is_not_known_is_told_from_no_version() {
    for (line, fault) in [
        ("GET / HTTP/2.0", Fault::UnknownVersion),
        ("PRI * HTTP/2.0", Fault::UnknownVersion),
        ("GET / HTTP/1.2", Fault::UnknownVersion),
        ("GET / HTTP/11", Fault::Malformed),
        ("GET / http/1.1", Fault::Malformed),
        ("GET / / HTTP/1.1", Fault::Malformed),
        ("GET /v2/x#y HTTP/1.1", Fault::Malformed),
        ("GET /v2/x?y#z HTTP/1.1", Fault::Malformed),
        ("GET http://a/v2/x# HTTP/1.1", Fault::Malformed),
        ("GET /", Fault::Malformed),
    ] {
        assert_eq!(found(&format!("{line}\r\nHost: a\r\n\r\n")), Err(fault), "{line}");
    }
}

#[test]
fn an_old_client_needs_no_host_but_a_length() {
    assert!(found("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().old);
    assert_eq!(found("POST / HTTP/1.0\r\n\r\n"), Err(Fault::Malformed));
    assert_eq!(found("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(Fault::Malformed));
    assert_eq!(found("GET / HTTP/1.1\r\n\r\n"), Err(Fault::Malformed));
    assert_eq!(found("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n"), Err(Fault::Malformed));
}

#[test]
fn what_is_too_large_is_told_by_what_is_too_large() {
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(MAX_TARGET));
    assert_eq!(found(&target), Err(Fault::TargetTooLong));
    assert_eq!(found(&format!("GET /{}", "a".repeat(MAX_HEAD))), Err(Fault::TargetTooLong));
    assert_eq!(found(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_HEAD))), Err(Fault::HeadersTooLarge));
    assert_eq!(head(&"X: a\r\n".repeat(MAX_LINES)), Err(Fault::HeadersTooLarge));
    assert_eq!(head(&format!("{}: a\r\n", "X".repeat(MAX_NAME + 1))), Err(Fault::HeadersTooLarge));
}

#[test]
fn a_head_that_comes_byte_by_byte_is_found_at_its_end() {
    for text in ["GET /v2/x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", "GET /v2/x HTTP/1.1\nHost: a\n\n"] {
        let mut search = Search::default();
        for end in 1..text.len() {
            assert_eq!(search.find(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        assert_eq!(search.find(text.as_bytes()).unwrap().unwrap().length, text.len());
    }
}

#[test]
fn a_few_empty_lines_are_skipped_and_many_are_not() {
    let mut search = Search::default();
    assert_eq!(search.skip(b"\r\n\nGET"), Ok(3));
    assert_eq!(search.skip(b"\r"), Ok(0));
    assert_eq!(search.skip(b"\r\n\r\n"), Ok(4));
    assert_eq!(search.skip(b"\n"), Err(Fault::Malformed));
}
