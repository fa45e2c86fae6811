//! What one session may use.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use whisk_sandbox::{ApiFault, Gate};

use super::assert_limited;
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::{Call, World, eventually};

/// A world in which the next calls to the API wait at a gate.
fn hold(world: &World, calls: usize) -> Gate {
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| {
        whisk.api_faults.extend((0..calls).map(|_| ApiFault::Gate(gate.clone())));
    });
    gate
}

/// R121, contract `limits.session_in_flight`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_so_many_calls_in_flight_and_no_more() {
    let world = World::builder().set("limits.session_in_flight", "2").spawn().await;
    let (browser, other) = (world.logged_in().await, world.logged_in().await);
    let gate = hold(&world, 2);
    let refused = async {
        eventually("two calls in flight", async || gate.arrivals() == 2).await;
        for _ in 0..3 {
            assert_eq!(assert_limited(&browser.get("/v2/me").await), Duration::from_secs(1));
            assert_eq!(other.get("/v2/me").await.status, 200);
        }
        assert_eq!(browser.get("/auth/session").await.json()["authenticated"], true);
        let known = world.metric(0, r#"whisk_bff_rate_limit_addresses{limit="session_in_flight"}"#);
        assert!((known - 1.0).abs() < f64::EPSILON, "{known} sessions have calls in flight");
        gate.open();
    };
    let (one, two, ()) = tokio::join!(browser.get("/v2/me"), browser.get("/v2/me"), refused);
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    for call in join_all([browser.get("/v2/me"), browser.get("/v2/me")]).await {
        assert_eq!(call.status, 200);
    }
}

/// R121: a call that is over makes room before its browser can know; a HEAD, an empty answer, a
/// refusal and one of the API's errors, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_ended_makes_room_at_once() {
    let api = RawServer::start(|request| match request.request_line().split(' ').nth(1) {
        Some("/v2/empty") => RawAnswer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        Some("/v2/none") => RawAnswer::json(200, ""),
        Some("/v2/refused") => RawAnswer::json(503, "{}"),
        Some("/v2/cut") => RawAnswer::CutAfter(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
        Some("/v2/drop") => RawAnswer::DropAfterRead,
        Some("/v2/chunks") => RawAnswer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
        ),
        _ => RawAnswer::json(200, &"x".repeat(100_000)),
    });
    let world =
        World::builder().set("limits.session_in_flight", "1").set("whisk.api_url", api.url()).spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..25 {
        for (method, path) in [
            ("GET", "/v2/me"),
            ("HEAD", "/v2/me"),
            ("GET", "/v2/empty"),
            ("GET", "/v2/none"),
            ("GET", "/v2/refused"),
            ("GET", "/v2/drop"),
            ("GET", "/v2/chunks"),
            ("HEAD", "/v2/chunks"),
            ("POST", "/v2/me"),
        ] {
            let answer = browser.try_send(Call::new(method, path).reaches_the_api()).await.unwrap();
            assert_ne!(answer.status, 429, "{method} {path}");
        }
    }
    // The answer that breaks off is seen as such by the browser.
    assert!(browser.try_send(Call::get("/v2/cut").reaches_the_api()).await.is_err());
    eventually("room", async || browser.get("/v2/me").await.status == 200).await;
}

/// R121: a stream counts while it is open, and a browser that leaves gives back what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_counts_until_it_ends_or_its_browser_leaves() {
    let api = RawServer::start(|request| match request.request_line().contains("/v2/stream") {
        true => RawAnswer::Endless {
            head: b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec(),
            piece: b"data: 1\n\n".to_vec(),
        },
        false => RawAnswer::json(200, "{}"),
    });
    let world =
        World::builder().set("limits.session_in_flight", "1").set("whisk.api_url", api.url()).spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..3 {
        // Begun, but never at its end: it is given up when the future is dropped.
        let stream = browser.try_send(Call::get("/v2/stream").reaches_the_api());
        let during = async {
            eventually("the stream", async || {
                api.requests().last().is_some_and(|last| last.request_line().contains("stream"))
            })
            .await;
            assert_limited(&browser.get("/v2/me").await);
        };
        tokio::select! {
            _ = stream => panic!("an endless stream ended"),
            () = during => {}
        }
        eventually("room", async || browser.get("/v2/me").await.status == 200).await;
    }
}

/// R121: a call that is given up before there is an answer makes room, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_makes_room() {
    let world = World::builder().set("limits.session_in_flight", "1").spawn().await;
    let browser = world.logged_in().await;
    let gate = hold(&world, 1);
    tokio::select! {
        _ = browser.get("/v2/me") => panic!("the gate is shut"),
        () = gate.reached() => {}
    }
    eventually("room", async || browser.get("/v2/me").await.status == 200).await;
    gate.open();
}

/// R121, contract `limits.session_calls_per_second`: never more than so many at once and so many a
/// second; and a second later so many again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_makes_so_many_calls_a_second_and_no_more() {
    let world = World::builder().set("limits.session_calls_per_second", "5").spawn().await;
    let (browser, other) = (world.logged_in().await, world.logged_in().await);
    for round in 0..2 {
        let begun = Instant::now();
        let answers = join_all((0..60).map(|_| browser.get("/v2/me"))).await;
        let passed = answers.iter().filter(|answer| answer.status == 200).count();
        // On a slow machine some of them come later than others.
        let most = 6.0 + 5.0 * begun.elapsed().as_secs_f64();
        assert!(passed >= 5 && passed as f64 <= most, "round {round}: {passed} of 60, {most} at most");
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(assert_limited(refused), Duration::from_secs(1));
        }
        assert_eq!(other.get("/v2/me").await.status, 200);
        world.advance(Duration::from_secs(2));
    }
}
