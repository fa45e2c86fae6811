//! How many connections there may be, and what many of them cost the others.

use super::{api, connect, connections, request};
use crate::support::wire::{Reply, Wire};
use crate::support::world::{HOST, exchange};
use crate::support::{World, eventually};

const ASK: &str = "GET /auth/session HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// R111: beyond either bound a connection is closed at once, the others and the admin listener
/// do not notice, and a place that was given back is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_a_bound_are_closed_at_once() {
    for (key, bound) in
        [("server.max_connections", "total"), ("server.max_connections_per_address", "address")]
    {
        let world = World::builder().set(key, "4").spawn().await;
        let mut open: Vec<Wire> = (0..4).map(|_| connect(&world)).collect();
        for wire in &mut open {
            wire.send(ASK);
            assert_eq!(wire.answer().status, 200);
        }
        for _ in 0..3 {
            let mut wire = connect(&world);
            wire.send(ASK);
            assert!(matches!(wire.reply(false), Reply::Closed), "{key}");
        }
        let refused = format!("whisk_bff_connections_refused_total{{bound=\"{bound}\"}}");
        assert!((world.metric(0, &refused) - 3.0).abs() < 0.1, "{}", world.metrics(0));
        for wire in &mut open {
            wire.send(ASK);
            assert_eq!(wire.answer().status, 200);
        }
        drop(open);
        eventually("free places", async || connections(&world) < 0.5).await;
    }
}

/// R111: whom the settings trust is a proxy with many behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_has_as_many_connections_as_there_are() {
    let world = World::builder()
        .set("server.max_connections_per_address", "2")
        .set("server.trusted_proxies", "127.0.0.1")
        .spawn()
        .await;
    let mut open: Vec<Wire> = (0..8).map(|_| connect(&world)).collect();
    for wire in &mut open {
        wire.send(ASK);
        assert_eq!(wire.answer().status, 200);
    }
}

/// R111: with idle connections, half heads, half bodies and answers that nobody takes, calls are
/// answered; and when they are gone, nothing of them is left. (`benches/connections` has the times
/// and the memory, of many more.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_connections_are_in_nobody_s_way() {
    let api = api();
    let world = World::builder().set("whisk.api_url", api.url()).spawn().await;
    let browser = world.logged_in().await;
    let before = connections(&world);
    let begun = [
        String::new(),
        format!("GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nX: "),
        request(&browser, "POST /v2/x", "Content-Length: 1000\r\n") + "hello",
        request(&browser, "POST /v2/x", "Transfer-Encoding: chunked\r\n") + "5;ext",
        request(&browser, "GET /v2/silent", ""),
        request(&browser, "GET /v2/endless", ""),
    ];
    let mut slow = Vec::new();
    for text in begun.iter().cycle().take(300) {
        let mut wire = connect(&world);
        wire.send(text);
        slow.push(wire);
    }
    eventually("all of them", async || connections(&world) > before + 299.5).await;
    for _ in 0..20 {
        let mut wire = connect(&world);
        wire.send(request(&browser, "GET /v2/here", ""));
        assert_eq!(wire.answer().text(), "here");
    }
    assert!(exchange(world.admin(0), b"GET /livez HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.0 200"));
    drop(slow);
    eventually("none of them", async || connections(&world) < before + 0.5).await;
}
