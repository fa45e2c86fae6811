//! A request's head has a time of its own, on every request of a connection.

use std::thread::sleep;
use std::time::Duration;

use super::{connect, request};
use crate::support::World;
use crate::support::wire::{Reply, Wire};
use crate::support::world::HOST;

/// R111: a head that does not come to its end is answered 408 and its connection closed, be it the
/// first or not, and be there another byte every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_head_is_cut_on_any_request_of_a_connection() {
    let world = World::builder().set("server.head_timeout", "400ms").spawn().await;
    let browser = world.logged_in().await;
    let whole = request(&browser, "GET /v2/me", "");
    let drip = |wire: &mut Wire| {
        wire.send("GET /v2/me HTTP/1.1\r\nX: ");
        // Bytes that come when it is over go nowhere.
        for _ in 0..12 {
            wire.send("a");
            sleep(Duration::from_millis(50));
        }
    };
    for earlier in [0, 1, 3] {
        for dripping in [false, true] {
            let mut wire = connect(&world);
            for _ in 0..earlier {
                wire.send(&whole);
                assert_eq!(wire.answer().status, 200);
            }
            if dripping {
                drip(&mut wire)
            } else {
                wire.send(&whole[..whole.len() - 1])
            }
            let answer = wire.answer();
            answer.assert_problem(408, "request_timeout");
            assert_eq!(answer.header("connection"), "close");
            assert!(wire.closed(), "{earlier} {dripping}");
        }
    }
    let counted = "whisk_bff_requests_total{route=\"other\",outcome=\"request_timeout\"}";
    assert!((world.metric(0, counted) - 6.0).abs() < 0.1);
}

/// R111: a connection that says nothing is closed without a word, a new one and one that has been
/// served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_is_closed() {
    let world = World::builder()
        .set("server.head_timeout", "300ms")
        .set("server.keep_alive_timeout", "300ms")
        .spawn()
        .await;
    assert!(matches!(connect(&world).reply(false), Reply::Closed));
    let browser = world.logged_in().await;
    let mut wire = connect(&world);
    for _ in 0..2 {
        wire.send(request(&browser, "GET /v2/me", ""));
        assert_eq!(wire.answer().status, 200);
    }
    assert!(matches!(wire.reply(false), Reply::Closed));
}

/// R111, the other way round: what comes in the smallest pieces, but in time, is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_single_bytes_is_served() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let mut wire = connect(&world);
    let chunks = "5;x\r\n{\"nam\r\n7\r\ne\":\"a\"}\r\n0\r\nX: y\r\n\r\n";
    let json = "Content-Type: application/json\r\n";
    let items = "POST /v2/lists/groceries/items";
    let chunked = request(&browser, items, &format!("{json}Transfer-Encoding: chunked\r\n")) + chunks;
    let sized = request(&browser, items, &format!("{json}Content-Length: 12\r\n")) + "{\"name\":\"a\"}";
    for (text, status) in [(request(&browser, "GET /v2/me", ""), 200), (sized, 201), (chunked, 201)] {
        for byte in text.as_bytes() {
            wire.send([*byte]);
        }
        let answer = wire.answer();
        assert_eq!(answer.status, status, "{text}: {answer:?}");
    }
}

/// R109, R83: whoever will be told no hears it before a byte of the body is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_for_a_body_that_nobody_reads() {
    let world = World::spawn().await;
    for (target, status, code) in [("/nothing", 404, "not_found"), ("/v2/me", 403, "csrf_rejected")] {
        let mut wire = connect(&world);
        wire.send(format!(
            "POST {target} HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 10737418240\r\n\r\n"
        ));
        wire.answer().assert_problem(status, code);
        assert!(wire.closed(), "{target}");
    }
}
