//! A browser resets its connection while the token endpoint is being asked for it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use whisk_sandbox::{Gate, TokenFault};

use super::{PATIENT, Plant, world};
use crate::support::eventually;
use crate::support::records::Records;
use crate::support::world::HOST;

/// R35, contract §6.4: reset during a refresh: the next call, at either instance, uses what was
/// stored, and the token endpoint was asked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_resets_its_connection_during_a_refresh_loses_nothing() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    let whisk = &plant.world.sandbox;
    whisk.behaviour(|whisk| whisk.access_token_lifetime = Duration::from_secs(1));
    let browser = plant.logged_in().await;
    let gate = held_answer(&plant, Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_millis(1100)).await;

    let head =
        format!("GET /v2/me HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\nCookie: {}", browser.cookie_line());
    reset_during(&plant, &head, &gate, "forward").await;

    for process in [0, 1] {
        assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
    }
    assert_eq!(whisk.journal().grants("refresh_token"), 1);
    let refused = whisk.journal().count(|entry| entry.target == "/v2/me" && entry.status != Some(200));
    assert_eq!(refused, 0);
}

/// R35, R25, contract §6.4: reset during the code exchange: the same callback, again, at the other
/// instance, gives the session, and the token endpoint was asked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_resets_its_connection_during_the_exchange_loses_nothing() {
    let plant = Plant::of(world().spawn().await, 2, &[PATIENT]).await;
    let browser = plant.browser();
    let callback = browser.authorize("/auth/login?return_to=/home").await;
    let gate = held_answer(&plant, Duration::from_secs(3600));

    let head = format!(
        "GET {callback} HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: document\r\nCookie: {}",
        browser.cookie_line()
    );
    reset_during(&plant, &head, &gate, "callback").await;

    let mut records = Records::of(&plant.world).await;
    eventually("the session is stored", async || records.sessions().await.len() == 1).await;
    let done = browser.go_to(1).come_back(&callback).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/home"), "{done:?}");
    for process in [0, 1] {
        assert_eq!(browser.go_to(process).get("/v2/me").await.status, 200);
    }
    assert_eq!(plant.world.sandbox.journal().grants("authorization_code"), 1);
    browser.expect_alive();
}

/// The next answer of the token endpoint is held; the token in it lives so long.
fn held_answer(plant: &Plant, lifetime: Duration) -> Gate {
    let gate = Gate::new();
    plant.world.sandbox.behaviour(|whisk| {
        whisk.access_token_lifetime = lifetime;
        whisk.token_faults.push_back(TokenFault::Gate(gate.clone()));
    });
    gate
}

/// Sends a request to the first process, resets the connection when the token endpoint has been
/// asked, and opens the gate when the process has noticed.
async fn reset_during(plant: &Plant, head: &str, gate: &Gate, route: &str) {
    let mut client = TcpStream::connect(plant.processes[0].address()).await.unwrap();
    client.write_all(format!("{head}\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    gate.reached().await;
    client.set_zero_linger().unwrap();
    drop(client);
    let aborted = format!("whisk_bff_requests_total{{route=\"{route}\",outcome=\"aborted\"}}");
    eventually("the process has noticed", async || plant.metric(0, &aborted) == 1.0).await;
    gate.open();
}
