//! Clients that leave, or that stop taking what they asked for.

use std::io::Read;
use std::net::Shutdown;
use std::time::Duration;

use socket2::SockRef;

use super::{aborted, api, connect, connections, request};
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::wire::Wire;
use crate::support::{World, eventually};

/// R100: whatever way a client leaves, and wherever its call is then, the call ends. (A client
/// that closes no more than its own side has left, too.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_its_call() {
    let api = api();
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let browser = world.logged_in().await;
    let before = connections(&world);
    let ways: [fn(&Wire); 3] = [
        |wire| wire.stream.shutdown(Shutdown::Both).unwrap(),
        |wire| wire.stream.shutdown(Shutdown::Write).unwrap(),
        |wire| SockRef::from(&wire.stream).set_linger(Some(Duration::ZERO)).unwrap(),
    ];
    let mut left = 0.0;
    for target in ["/v2/silent", "/v2/endless"] {
        for pipelined in ["", "GET /v2/never HTTP/1.1\r\n"] {
            for leave in ways {
                let asked = api.requests().len();
                let mut wire = connect(&world);
                wire.send(request(&browser, &format!("GET {target}"), "") + pipelined);
                eventually("a call at the API", async || api.requests().len() > asked).await;
                leave(&wire);
                drop(wire);
                left += 1.0;
                eventually("the end of the call", async || aborted(&world) >= left).await;
            }
        }
    }
    let targets: Vec<String> = api.requests().iter().map(|request| request.request_line()).collect();
    assert!(!targets.iter().any(|line| line.contains("never")), "{targets:?}");
    eventually("no connection more than before", async || connections(&world) < before + 0.5).await;
}

/// R111, R84: a client that takes nothing of its answer holds it for `forward.idle_timeout`, and
/// then the connection, the call and the answer's buffers are gone. One that takes it is served on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_cut() {
    let api = api();
    let world =
        World::builder().set("whisk.api_url", api.url()).set("forward.idle_timeout", "700ms").spawn().await;
    let browser = world.logged_in().await;
    let mut stuck = connect(&world);
    stuck.send(request(&browser, "GET /v2/endless", ""));
    let mut reading = connect(&world);
    reading.send(request(&browser, "GET /v2/endless", ""));
    let mut taken = vec![0; 1 << 20];
    let begun = std::time::Instant::now();
    while aborted(&world) < 0.5 {
        reading.stream.read_exact(&mut taken).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody was cut");
    }
    // What had reached the client's own machine is still there, and then a reset, no end.
    let rest = std::io::copy(&mut stuck.stream, &mut std::io::sink());
    assert!(rest.is_err(), "{rest:?}");
    for _ in 0..8 {
        reading.stream.read_exact(&mut taken).unwrap();
    }
    assert!((aborted(&world) - 1.0).abs() < 0.1, "only the one that does not read");
}

/// R94: a client of HTTP/1.0 knows the end of an answer by the end of the connection alone, so that
/// what is cut short must not end like a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_short_does_not_end_cleanly_for_an_old_client() {
    let api = RawServer::start(|_| {
        let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo";
        RawAnswer::CutAfter(cut.to_vec())
    });
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let browser = world.logged_in().await;
    let mut wire = connect(&world);
    wire.send(request(&browser, "GET /v2/x", "").replace("HTTP/1.1", "HTTP/1.0"));
    let read = wire.stream.read_to_end(&mut Vec::new());
    assert!(read.is_err(), "{read:?}");
    browser.expect_ended();
}
