//! Time, and calls that are lost.

use std::io::Read;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use whisk_bff::settings::Forward;

use super::stage::{Stage, limits};
use crate::support::raw::{RawAnswer, RawServer};

/// R85: what may have taken effect is never sent twice.
#[test]
fn a_call_that_is_lost_is_repeated_only_where_that_is_safe() {
    for (request, times) in [
        ("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("HEAD /v2/x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("OPTIONS /v2/x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
        ("DELETE /v2/x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("POST /v2/x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        ("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 1),
        ("GET /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 1),
    ] {
        let api = RawServer::start(|_| RawAnswer::DropAfterRead);
        let answer = Stage::before(&api.url()).ask(request);
        assert_eq!(answer.status, 502, "{request}");
        assert!(request.starts_with("HEAD") || answer.text() == "Unreachable");
        assert_eq!(api.requests().len(), times, "{request}");
    }
}

/// The race that makes the repeat worth having: the API closes an idle connection as it is used.
#[test]
fn a_connection_that_dies_in_the_pool_is_not_noticed() {
    let count = AtomicUsize::new(0);
    let api = RawServer::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => RawAnswer::DropAfterRead,
        _ => RawAnswer::json(200, "{}"),
    });
    let stage = Stage::before(&api.url());
    for _ in 0..3 {
        assert_eq!(stage.ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    }
    assert_eq!(api.requests().len(), 4);
}

#[test]
fn an_api_that_is_not_there_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let answer =
        Stage::before(&format!("http://127.0.0.1:{port}")).ask("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (502, "Unreachable"));
}

#[test]
fn an_api_that_says_nothing_is_given_up_and_not_asked_again() {
    let api = RawServer::start(|_| RawAnswer::Stall);
    let stage = Stage::before(&api.url());
    for request in [
        "GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        format!("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000)),
    ] {
        let begin = Instant::now();
        let answer = stage.ask(&request);
        assert_eq!((answer.status, answer.text().as_str()), (504, "Timeout"));
        let elapsed = begin.elapsed();
        assert!(elapsed >= Duration::from_millis(390) && elapsed < Duration::from_secs(3), "{elapsed:?}");
    }
    assert_eq!(api.requests().len(), 2);
}

/// The time to answer begins at the end of the request.
#[test]
fn a_long_upload_is_no_silence_of_the_api() {
    let api = RawServer::start(|request| RawAnswer::json(200, &request.body.len().to_string()));
    let stage = Stage::before(&api.url());
    let mut wire = stage.connect();
    wire.send("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n");
    for _ in 0..8 {
        wire.send([b'x'; 1000]);
        sleep(Duration::from_millis(150));
    }
    let answer = wire.answer(false);
    assert_eq!((answer.status, answer.text().as_str()), (200, "8000"));
}

/// An API that takes no more of a body has `idle_timeout` to change its mind.
#[test]
fn an_api_that_stops_reading_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Forward { max_body: 1 << 30, ..limits() };
    let stage = Stage::with(&url, settings);
    let mut wire = stage.connect();
    wire.stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    wire.send("POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let begin = Instant::now();
    // Until the server stops reading too, and answers.
    let mut writer = wire.stream.try_clone().unwrap();
    let writing =
        std::thread::spawn(move || while std::io::Write::write_all(&mut writer, &[0; 1 << 16]).is_ok() {});
    assert_eq!(wire.answer(false).status, 504);
    assert!(begin.elapsed() < Duration::from_secs(8));
    let _ = wire.stream.shutdown(std::net::Shutdown::Both);
    writing.join().unwrap();
}

/// A browser that leaves while the API is silent leaves no call behind.
#[test]
fn a_browser_that_leaves_before_the_answer_cancels_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Forward { response_timeout: Duration::from_secs(30), ..limits() };
    let stage = Stage::with(&url, settings);
    let mut wire = stage.connect();
    wire.send("GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n");

    let (mut api, _) = listener.accept().unwrap();
    api.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut head = [0; 4096];
    assert!(api.read(&mut head).unwrap() > 0);
    drop(wire);
    assert_eq!(api.read(&mut head).unwrap(), 0, "the connection to the API is closed");
}
