//! New tokens are not lost: not to a browser that hangs up, not to a store that is away. And they
//! bring back no session that has ended.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use whisk_sandbox::{Gate, TokenFault};

use super::{HOUR, SECOND, hourly, refreshes};
use crate::support::records::{Records, record_name};
use crate::support::world::HOST;
use crate::support::{Call, eventually};

/// R35: the client resets its connection while the token endpoint has the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_survives_a_client_that_hangs_up() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);

    let mut client = TcpStream::connect(world.address(0)).await.unwrap();
    let request = format!(
        "GET /v2/me HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\n\r\n",
        browser.cookie_line()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    gate.reached().await;
    client.set_zero_linger().unwrap();
    drop(client);
    let aborted = "whisk_bff_requests_total{route=\"forward\",outcome=\"aborted\"}";
    eventually("the broker has noticed", async || world.metric(0, aborted) == 1.0).await;
    gate.open();

    let mut records = Records::of(&world).await;
    let record = record_name(&browser);
    eventually("the new tokens are stored", async || records.generation(&record).await == 2).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(refreshes(&world), 1);
}

/// R36: Redis hangs in the moment in which the token endpoint answers. The new tokens are used
/// from memory and stored as soon as Redis is there, with no second refresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tokens_outlive_a_store_that_hangs_when_they_arrive() {
    let mut world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let record = record_name(&browser);
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);

    let freeze = async {
        gate.reached().await;
        world.redis().freeze();
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.get("/v2/me"), freeze);
    assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
    assert!(answer.set_cookies().is_empty());
    world.redis().thaw();

    let mut records = Records::of(&world).await;
    eventually("the new tokens are stored", async || records.generation(&record).await == 2).await;
    // Whatever the process kept in its memory is gone with it.
    world.restart(0, &[]);
    let browser = moved(&world, &browser);
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(refreshes(&world), 1);
}

/// R36: the call for which the tokens were obtained gets its answer although they cannot be
/// stored, and so do those after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_served_from_memory_while_new_tokens_cannot_be_stored() {
    let world = hourly().redis().spawn().await;
    let browser = world.logged_in().await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);
    let freeze = async {
        gate.reached().await;
        world.redis().freeze();
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.get("/v2/me"), freeze);
    assert_eq!(answer.status, 200);
    assert_eq!(browser.get("/v2/me").await.status, 200);
    world.redis().thaw();
    eventually("the store is back", async || browser.get("/v2/me").await.status == 200).await;
    assert_eq!(refreshes(&world), 1);
}

/// R37: a logout while the token endpoint has the request wins, on both instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_during_a_refresh_is_not_undone_by_it() {
    let world = hourly().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    let (record, cookie) = (record_name(&browser), browser.cookie_line());
    let with_cookie = || Call::get("/v2/me").no_cookies().header("cookie", &cookie);
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(TokenFault::Gate(gate.clone())));
    world.advance(HOUR + SECOND);

    let log_out = async {
        gate.reached().await;
        assert_eq!(browser.go_to(1).post("/auth/logout").await.status, 204);
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.send(with_cookie()), log_out);

    answer.assert_problem(401, "login_required");
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 1, "the new tokens did arrive");
    let mut records = Records::of(&world).await;
    assert_eq!(records.bytes(&record).await, None);
    for instance in [0, 1] {
        browser.go_to(instance).send(with_cookie()).await.assert_problem(401, "login_required");
    }
    assert_eq!(refreshes(&world), 1);
}

/// The same browser at the instances as they are now.
fn moved(world: &crate::support::World, old: &crate::support::Browser) -> crate::support::Browser {
    let browser = world.browser();
    browser.set_cookie("__Host-Http-whisk", &old.session_cookie().unwrap());
    browser
}
