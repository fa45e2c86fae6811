//! From SIGTERM to the end of the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use whisk_sandbox::{ApiFault, Gate, TokenFault};

use super::{browser_at, process, world};
use crate::support::world::{HOST, exchange};
use crate::support::{Call, eventually};

const A_DAY: (&str, &str) = ("server.drain_delay", "1d");

/// Contract §3 `server.drain_delay`, §8: after SIGTERM `/readyz` says no while everything is served,
/// each answer closing its connection; a second SIGTERM skips what is left of it; exit code 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_serves_everything_until_a_second_sigterm() {
    let world = world().spawn().await;
    let mut process = process(&world, &[A_DAY]).await;
    let browser = browser_at(&world, &process);
    browser.log_in().await;
    assert_eq!(browser.get("/v2/me").await.header("connection"), "");

    process.term();
    eventually("an unready process", async || process.ask_admin("/readyz").0 == 503).await;
    let draining: serde_json::Value = serde_json::from_str(&process.ask_admin("/readyz").1).unwrap();
    assert_eq!(draining["status"], "draining");
    assert_eq!(process.ask_admin("/livez").0, 200);
    assert!(process.ask_admin("/metrics").1.contains("whisk_bff_build_info"));

    for call in [
        Call::get("/v2/me"),
        Call::post("/v2/lists/groceries/items")
            .header("content-type", "application/json")
            .body("{\"name\":\"a\"}"),
        Call::get("/auth/session"),
        Call::get("/nowhere"),
        Call::get("/v2/download?bytes=200000"),
    ] {
        let answer = browser.send(call).await;
        assert!(answer.status.is_success() || answer.status == 404, "{answer:?}");
        assert_eq!(answer.header("connection"), "close", "{answer:?}");
    }
    let late = browser_at(&world, &process);
    late.log_in().await;

    process.term();
    let status = process.wait().await;
    assert_eq!(status.code(), Some(0), "{}", process.logs());
    assert!(exchange(process.address(), b"GET / HTTP/1.1\r\n\r\n").is_empty(), "nobody listens any more");
}

/// Contract §3 `server.shutdown_grace`, R123: a request in flight is answered in full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_finished() {
    let world = world().set("server.shutdown_grace", "60s").spawn().await;
    let mut process = process(&world, &[]).await;
    let browser = Arc::new(browser_at(&world, &process));
    browser.log_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|behaviour| behaviour.api_faults.push_back(ApiFault::Gate(gate.clone())));
    let call = tokio::spawn({
        let browser = Arc::clone(&browser);
        async move { browser.get("/v2/download?bytes=300000").await }
    });
    gate.reached().await;
    process.term();
    eventually("a closed listener", async || refuses(process.address())).await;
    eventually("the listener's end in the log", async || process.logs().contains("the listener closes"))
        .await;
    gate.open();
    let answer = call.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 300_000));
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.logs());
}

/// Contract §3 `server.shutdown_grace`: what never ends is given up when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_does_not_keep_the_process() {
    let world = world().set("server.shutdown_grace", "1s").spawn().await;
    let mut process = process(&world, &[]).await;
    let browser = Arc::new(browser_at(&world, &process));
    browser.log_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|behaviour| behaviour.api_faults.push_back(ApiFault::Gate(gate.clone())));
    let call = tokio::spawn({
        let browser = Arc::clone(&browser);
        async move { browser.try_send(Call::get("/v2/me")).await.map(|answer| answer.status) }
    });
    gate.reached().await;
    process.term();
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.logs());
    let answer = call.await.unwrap();
    assert!(answer.as_ref().is_err_and(|error| !error.is_timeout()), "{answer:?}");
    gate.open();
}

/// R123, contract §6.4: a refresh under way at SIGTERM is stored before the process ends, though its
/// browser has gone; the next instance uses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_in_flight_is_stored_before_the_end() {
    let world = world().set("server.shutdown_grace", "60s").spawn().await;
    let mut process = process(&world, &[]).await;
    let browser = Arc::new(browser_at(&world, &process));
    browser.log_in().await;
    world.sandbox.expire_access_tokens();
    let gate = Gate::new();
    world.sandbox.behaviour(|behaviour| behaviour.token_faults.push_back(TokenFault::Gate(gate.clone())));
    let call = tokio::spawn({
        let browser = Arc::clone(&browser);
        async move { browser.try_send(Call::get("/v2/me")).await.map(|answer| answer.status) }
    });
    gate.reached().await;
    call.abort();
    process.term();
    eventually("a closed listener", async || refuses(process.address())).await;
    // Longer than a process takes to end that waits for nothing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(process.ask_admin("/livez").0, 200, "it waits for the refresh\n{}", process.logs());
    gate.open();
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.logs());

    let next = self::process(&world, &[]).await;
    let same = browser_at(&world, &next);
    same.set_cookie("__Host-Http-whisk", &browser.session_cookie().unwrap());
    assert_eq!(same.get("/v2/me").await.status, 200);
    assert_eq!(world.sandbox.journal().grants("refresh_token"), 1);
}

/// Contract §5 `shutting_down`: a call that still waits for a token when `server.shutdown_grace` is
/// over is told so; the session lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_is_the_answer_when_the_grace_is_over() {
    let world = world().set("server.shutdown_grace", "2s").spawn().await;
    let mut process = process(&world, &[]).await;
    let browser = Arc::new(browser_at(&world, &process));
    browser.log_in().await;
    world.sandbox.expire_access_tokens();
    let gate = Gate::new();
    world.sandbox.behaviour(|behaviour| behaviour.token_faults.push_back(TokenFault::Gate(gate.clone())));
    let call = tokio::spawn({
        let browser = Arc::clone(&browser);
        async move { browser.try_send(Call::get("/v2/me").reaches_the_api()).await }
    });
    gate.reached().await;
    process.term();
    let answer = call.await.unwrap().unwrap_or_else(|error| panic!("{error}: {}", process.logs()));
    answer.assert_problem(503, "shutting_down");
    assert!(answer.set_cookies().is_empty());
    gate.open();
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.logs());
}

/// R123: of connections that come until the listener closes, each is either refused or answered.
/// A balancer that does not know of a drain loses no call.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_connection_that_was_made_is_lost_when_the_listener_closes() {
    let world = world().spawn().await;
    let mut process = process(&world, &[("server.drain_delay", "300ms")]).await;
    let address = process.address();
    let request = format!(
        "POST /auth/logout HTTP/1.1\r\nHost: {HOST}\r\nX-CSRF: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let request = request.clone();
            std::thread::spawn(move || call_until_refused(address, request.as_bytes()))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.term();
    let status = process.wait().await;
    assert_eq!(status.code(), Some(0), "{}", process.logs());
    let outcomes: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let answered: usize = outcomes.iter().map(|(answered, _)| answered).sum();
    let lost: Vec<&String> = outcomes.iter().flat_map(|(_, lost)| lost).collect();
    assert!(lost.is_empty(), "{answered} were answered, lost: {lost:?}");
    assert!(answered > 50, "{answered}");
    let warnings = process.records().into_iter().filter(|record| record["level"] == "ERROR").count();
    assert_eq!(warnings, 0, "{}", process.logs());
}

/// How many calls were answered, a connection each, and what became of the others.
fn call_until_refused(address: SocketAddr, request: &[u8]) -> (usize, Vec<String>) {
    use std::io::{ErrorKind, Read, Write};
    let (mut answered, mut lost) = (0, Vec::new());
    loop {
        let mut stream = match std::net::TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return (answered, lost),
            other => other.unwrap(),
        };
        let mut answer = Vec::new();
        match stream.write_all(request).and_then(|()| stream.read_to_end(&mut answer)) {
            Ok(_) if answer.starts_with(b"HTTP/1.1 204") => answered += 1,
            outcome => lost.push(format!("{outcome:?}: {}", String::from_utf8_lossy(&answer))),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn refuses(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_err()
}

/// SIGHUP asks for keys to be read again; a process that has no file to read them from lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_ends_nothing() {
    let world = world().spawn().await;
    let mut process = process(&world, &[]).await;
    let hung_up = std::process::Command::new("kill").args(["-HUP", &process.pid().to_string()]).status();
    assert!(hung_up.unwrap().success());
    process.record("SIGHUP: there is no sealing.keys_file to read again");
    assert_eq!(process.ask_admin("/livez").0, 200);
}
