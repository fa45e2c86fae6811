//! Streams: each piece as it comes, and a browser that leaves is missed at once.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Api, PATIENCE};

/// R100: lines and events reach the browser before the API has written the next, whatever the
/// media type and the framing. The API waits for word that each has arrived, so that nothing
/// which gathers pieces could pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_and_events_arrive_one_by_one() {
    for media in ["text/event-stream", "application/x-ndjson", "application/octet-stream"] {
        for chunked in [true, false] {
            let (arrived, word): (Sender<()>, Receiver<()>) = channel();
            let word = Mutex::new(word);
            let api = Api::start(move |_, line| {
                let framing = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
                line.write(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nCache-Control: no-store\r\n{framing}\r\n"
                ));
                let word = word.lock().unwrap();
                for number in 0..20 {
                    let piece = format!("data: {number:02}\n\n");
                    line.write(if chunked { format!("a\r\n{piece}\r\n") } else { piece });
                    word.recv_timeout(PATIENCE).unwrap();
                }
                line.write(if chunked { "0\r\n\r\n" } else { "" });
            });
            let stage = api.stage(&[]).await;
            let mut wire = stage.wire();
            wire.send(stage.head("GET /v2/x", &format!("Accept: {media}\r\n")));
            let mut seen = String::new();
            for number in 0..20 {
                let wanted = format!("data: {number:02}\n\n");
                while !seen.contains(&wanted) {
                    let mut bytes = [0; 4096];
                    let read = wire.stream.read(&mut bytes).expect("the next piece");
                    assert!(read > 0, "{media}: {seen}");
                    seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
                arrived.send(()).unwrap();
            }
            let mut rest = [0; 4096];
            while !seen.ends_with("0\r\n\r\n") {
                let read = wire.stream.read(&mut rest).expect("the end");
                assert!(read > 0, "{media}: a clean end: {seen}");
                seen.push_str(&String::from_utf8_lossy(&rest[..read]));
            }
            assert!(seen.to_ascii_lowercase().contains(&format!("content-type: {media}")), "{seen}");
        }
    }
}

/// R100: within a second, wherever the call stands. (The best of three: the machine may be busy.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_leaves_is_missed_within_a_second() {
    for (stands, request, answer) in [
        ("before the answer", "GET", ""),
        ("in the answer", "GET", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"),
        ("in a small body", "POST", ""),
        ("in a body that is passed on", "PUT", ""),
    ] {
        let (tell, told): (Sender<Option<Instant>>, _) = channel();
        let tell = Arc::new(Mutex::new(tell));
        let api = Api::start(move |head, line| {
            let tell = tell.lock().unwrap();
            line.write(answer);
            if head.starts_with("PUT") {
                line.read_exactly(1 << 10);
            }
            tell.send(None).unwrap();
            line.drain();
            tell.send(Some(Instant::now())).unwrap();
        });
        let stage = api.stage(&[]).await;
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let mut wire = stage.wire();
            let (length, body) = match request {
                "POST" => (4, "body".to_owned()),
                "PUT" => (1 << 20, "y".repeat(100_000)),
                _ => (0, String::new()),
            };
            wire.send(
                stage.head(&format!("{request} /v2/x"), &format!("Content-Length: {length}\r\n"))
                    + body.as_str(),
            );
            assert_eq!(told.recv_timeout(PATIENCE), Ok(None), "{stands}: the API has the call");
            if !answer.is_empty() {
                let mut seen = String::new();
                while !seen.contains("data: 1") {
                    let mut bytes = [0; 4096];
                    let read = wire.stream.read(&mut bytes).unwrap();
                    seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
            }
            let left = Instant::now();
            drop(wire);
            let gone = told.recv_timeout(PATIENCE).expect("the call is given up").unwrap();
            best = best.min(gone.duration_since(left));
        }
        assert!(best < Duration::from_secs(1), "{stands}: {best:?}");
        assert_eq!(stage.browser.get("/v2/me").await.text(), "\"mine\"", "{stands}");
    }
}
