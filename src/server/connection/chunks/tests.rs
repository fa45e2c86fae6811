#![allow(clippy::unwrap_used)]
use super::*;

/// What is handed on of a body that comes in pieces of that size, and what is left behind it.
fn read(text: &str, piece: usize, room: usize) -> Result<(String, String), Broken> {
    let (mut chunks, mut unread, mut out) = (Chunks::default(), BytesMut::new(), Vec::new());
    let mut pieces = text.as_bytes().chunks(piece);
    loop {
        let mut space = vec![0; room];
        let mut into = ReadBuf::new(&mut space);
        let step = chunks.step(&mut unread, &mut into);
        if step.is_err() {
            assert_eq!(chunks.step(&mut unread, &mut into), Err(Broken), "it stays so");
        }
        let step = step?;
        out.extend_from_slice(into.filled());
        match step {
            _ if chunks.is_over() => break,
            Step::HandedOn => {}
            Step::Hungry | Step::End => unread.extend_from_slice(pieces.next().ok_or(Broken)?),
        }
    }
    for piece in pieces {
        unread.extend_from_slice(piece);
    }
    Ok((String::from_utf8(out).unwrap(), String::from_utf8(unread.to_vec()).unwrap()))
}

#[test]
fn data_is_handed_on_without_its_trimmings() {
    let body = "5;a=\"b;c\"\r\nhello\r\n00006 ;x\r\n world\r\n0;y\r\nX: trailer\r\nY:\r\n\r\nGET /next";
    for piece in 1..body.len() {
        for room in [SIZE_LINE, 64, 1024] {
            let (handed_on, rest) = read(body, piece, room).unwrap();
            assert_eq!(handed_on, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "{piece} {room}");
            assert_eq!(rest, "GET /next", "{piece} {room}");
        }
    }
}

#[test]
fn what_is_no_chunk_is_broken_and_goes_no_further() {
    for body in [
        "zz\r\n",
        "\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        "1\n",
        "1\rx",
        ";a\r\n",
        "1 1\r\n",
        "1;\u{1}\r\n",
        "1;a\rb\r\n",
        "10000000000000000\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nX: \u{0}\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        for piece in [1, 1000] {
            assert_eq!(read(body, piece, 64), Err(Broken), "{body:?}");
        }
    }
}

#[test]
fn extensions_and_trailers_have_an_end() {
    let long = "a".repeat(MAX_LINE);
    assert!(read(&format!("0;{}\r\n\r\n", &long[..MAX_LINE - 2]), 100, 64).is_ok());
    assert_eq!(read(&format!("0;{long}\r\n\r\n"), 100, 64), Err(Broken));
    assert_eq!(read(&format!("0;{}", long.repeat(9)), 100, 64), Err(Broken), "without an end");

    let chunk = format!("1;{}\r\nx\r\n", &long[..1000]);
    assert!(read(&format!("{}0\r\n\r\n", chunk.repeat(16)), 100, 64).is_ok());
    assert_eq!(read(&format!("{}0\r\n\r\n", chunk.repeat(17)), 100, 64), Err(Broken));

    let field = format!("X: {}\r\n", &long[..995]);
    assert!(read(&format!("0\r\n{}\r\n", field.repeat(8)), 100, 64).is_ok());
    assert_eq!(read(&format!("0\r\n{}\r\n", field.repeat(9)), 100, 64), Err(Broken));
}
