//! Starting, stopping, starting again; and the journal as a ring.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use whisk_sandbox::{Config, Sandbox, Surface};

use crate::client::{World, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_refuses_connections_and_a_restart_knows_everything() {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    let mut open = world.api("/v2/stream?interval_ms=5", &token).send().await.unwrap();
    open.chunk().await.unwrap().unwrap();

    let begun = Instant::now();
    world.sandbox.stop();
    assert!(begun.elapsed() < Duration::from_secs(1), "stopping took {:?}", begun.elapsed());
    while let Ok(Some(_)) = open.chunk().await {}
    let refused = TcpStream::connect(world.sandbox.addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    world.sandbox.restart().await.unwrap();
    assert_eq!(world.verdict(&token).await, "ok");
    world.sandbox.restart().await.unwrap();
    assert_eq!(world.verdict(&token).await, "ok");
}

#[test]
fn it_serves_a_caller_that_blocks_and_is_gone_when_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::spawn(Config::default())).unwrap();
    let addr = sandbox.addr();
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.write_all(b"GET /v2/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.ends_with("\"message\":\"a bearer token is required\"}"), "{answer}");
    let idle = TcpStream::connect(addr).unwrap();

    let begun = Instant::now();
    drop(sandbox);
    assert!(begun.elapsed() < Duration::from_secs(1), "dropping took {:?}", begun.elapsed());
    TcpStream::connect(addr).unwrap_err();
    idle.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!((&idle).read(&mut [0; 1]).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodiless_answers_leave_the_connection_usable() {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    let mut socket = TcpStream::connect(world.sandbox.addr()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = [
        ("GET", "/v2/status/204"),
        ("HEAD", "/v2/download?bytes=100"),
        ("GET", "/v2/status/304"),
        ("HEAD", "/v2/stream"),
        ("GET", "/v2/headers?x-last=1"),
    ];
    let mut answers = Vec::new();
    for (method, target) in requests {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            answer.extend_from_slice(&byte);
        }
        answers.push(String::from_utf8(answer).unwrap());
    }
    let statuses: Vec<_> = answers.iter().map(|answer| &answer[9..12]).collect();
    assert_eq!(statuses, ["204", "200", "304", "200", "200"], "{answers:?}");
    assert!(answers[1].contains("content-length: 100\r\n"), "{}", answers[1]);
    assert!(answers[4].contains("x-last: 1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_a_ring_that_counts_on() {
    let world = World::with(Config { journal_capacity: 3, ..Config::default() }).await;
    for number in 0..5 {
        world.http.get(world.at(&format!("/nothing/{number}"))).send().await.unwrap();
    }
    let journal = world.sandbox.journal();
    let targets: Vec<_> = journal.entries().into_iter().map(|entry| entry.target).collect();
    assert_eq!(targets, ["/nothing/2", "/nothing/3", "/nothing/4"]);
    assert_eq!((journal.next(), journal.since(4).len()), (5, 1));
    assert_eq!(journal.count(|entry| entry.surface == Surface::Other), 3);
    journal.clear();
    assert_eq!((journal.next(), journal.entries().len()), (5, 0));
    assert!(world.sandbox.connections_accepted() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_can_be_cut_without_stopping() {
    let world = World::new().await;
    let token = text(&world.log_in("a").await, "access_token");
    let mut open = world.api("/v2/stream?interval_ms=5", &token).send().await.unwrap();
    open.chunk().await.unwrap().unwrap();
    world.sandbox.cut_connections();
    while let Ok(Some(_)) = open.chunk().await {}
    assert_eq!(world.verdict(&token).await, "ok");
}
