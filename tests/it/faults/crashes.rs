//! An instance is killed while it refreshes. Another takes over when the lease has run out, and
//! nothing is lost but what only the dead one was told.

use std::time::{Duration, Instant};

use whisk_sandbox::{Gate, TokenFault};

use super::{PATIENT, Plant, world};
use crate::support::raw::{RawAnswer, RawServer};
use crate::support::records::record_name;
use crate::support::{Answer, Browser, eventually};

/// `LEASE` in `src/tokens/lease.rs`.
const LEASE: Duration = Duration::from_secs(6);
/// What waiting in steps, and a busy machine, may add.
const SLACK: Duration = Duration::from_secs(2);
/// What the session's first token lives.
const BRIEFLY: Duration = Duration::from_secs(1);

/// A survivor (number 0), and an instance that is going to be killed, whose authorization server is
/// at that URL; a session with an expired token.
async fn scene(victims_login_url: Option<&str>) -> (Plant, Browser) {
    let mut plant = Plant::of(world().spawn().await, 1, &[PATIENT]).await;
    let mut changed = vec![PATIENT, ("whisk.timeout", "60s")];
    changed.extend(victims_login_url.map(|url| ("whisk.login_url", url)));
    plant.add(&changed).await;
    plant.world.sandbox.behaviour(|whisk| whisk.access_token_lifetime = BRIEFLY);
    let browser = plant.logged_in().await;
    plant.world.sandbox.behaviour(|whisk| whisk.access_token_lifetime = Duration::from_secs(3600));
    tokio::time::sleep(BRIEFLY + Duration::from_millis(100)).await;
    (plant, browser)
}

/// A call at the second instance, which is killed as soon as `stuck` says so; then a call at the
/// first, with the time it took.
async fn kill_in_refresh(
    plant: &mut Plant,
    browser: &Browser,
    stuck: impl AsyncFnOnce(&Plant),
) -> (Answer, Duration) {
    let call = async {
        let call = browser.go_to(1).try_send(crate::support::Call::get("/v2/me"));
        assert!(call.await.is_err(), "it was killed before it answered");
    };
    let mut victim = plant.processes.pop().unwrap();
    let kill = async {
        stuck(plant).await;
        let lease = record_name(browser).replacen(":s:", ":l:", 1);
        let held: i64 = plant.world.redis().ask(&["EXISTS", &lease]).await;
        assert_eq!(held, 1, "it holds the lease");
        victim.kill();
    };
    tokio::join!(call, kill);
    let killed = Instant::now();
    let answer = browser.go_to(0).get("/v2/me").await;
    (answer, killed.elapsed())
}

/// R32, R34, contract §6.6: killed before the refresh token was sent (the TLS handshake never
/// ended): the session lives, after a lease at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_before_its_token_call_costs_one_lease() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let (mut plant, browser) = scene(Some(&url)).await;
    let mut handshake = None;
    let begun = async |_: &Plant| handshake = Some(silent.accept().await.unwrap());
    let (answer, took) = kill_in_refresh(&mut plant, &browser, begun).await;
    drop(handshake);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(took < LEASE + SLACK, "{took:?}");
    assert_eq!(plant.world.sandbox.journal().grants("refresh_token"), 1);
}

/// R32, R34, contract §6.6: killed while the server had the request and had not begun with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_during_its_token_call_costs_one_lease() {
    let deaf = RawServer::start(|_| RawAnswer::Stall);
    let (mut plant, browser) = scene(Some(&deaf.url())).await;
    let (answer, took) = kill_in_refresh(&mut plant, &browser, async |_| {
        eventually("the request is there", async || deaf.requests().len() == 1).await;
    })
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(took < LEASE + SLACK, "{took:?}");
    assert_eq!(plant.world.sandbox.journal().grants("refresh_token"), 1);
}

/// R32, R34, R39: killed when the server had rotated the token and nobody had stored the new one:
/// this session is lost, no later than a lease, and the log names the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_new_tokens_died_with_their_instance_ends_and_the_log_says_why() {
    let (mut plant, browser) = scene(None).await;
    browser.expect_ended();
    let (answer, took) = killed_after_rotation(&mut plant, &browser).await;
    answer.assert_problem(401, "session_ended");
    assert!(took < LEASE + SLACK, "{took:?}");
    let survivor = &plant.processes[0];
    let ended = || -> Vec<_> {
        survivor.records().into_iter().filter(|record| record["event"] == "session_ended").collect()
    };
    // A thread of its own writes the log.
    eventually("the reason is told", async || !ended().is_empty()).await;
    let ended = ended();
    assert_eq!(ended.len(), 1, "{}", survivor.logs());
    assert_eq!(ended[0]["reason"], "rotation_lost");
    assert_eq!(plant.metric(0, "whisk_bff_sessions_ended_total{reason=\"rotation_lost\"}"), 1.0);
    assert_eq!(plant.world.redis().keys().await, ["whisk-bff:schema"]);
}

/// R39: the same at a server that takes a retired refresh token for a while: nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_bears_with_a_reused_token_saves_the_session_of_a_dead_instance() {
    let (mut plant, browser) = scene(None).await;
    plant.world.sandbox.behaviour(|whisk| whisk.reuse_grace = Duration::from_secs(60));
    let (answer, took) = killed_after_rotation(&mut plant, &browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(took < LEASE + SLACK, "{took:?}");
}

async fn killed_after_rotation(plant: &mut Plant, browser: &Browser) -> (Answer, Duration) {
    let gate = Gate::new();
    let held = TokenFault::Gate(gate.clone());
    plant.world.sandbox.behaviour(|whisk| whisk.token_faults.push_back(held));
    let after = kill_in_refresh(plant, browser, async |_| gate.reached().await).await;
    gate.open();
    after
}

/// R34, contract §6.6: killed as soon as it had answered: another instance serves at once what was
/// stored, and asks nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_after_its_refresh_costs_nothing() {
    let (mut plant, browser) = scene(None).await;
    let answer = browser.go_to(1).get("/v2/me").await;
    plant.processes.pop().unwrap().kill();
    assert_eq!(answer.status, 200);
    let killed = Instant::now();
    assert_eq!(browser.go_to(0).get("/v2/me").await.status, 200);
    assert!(killed.elapsed() < SLACK, "{:?}", killed.elapsed());
    assert_eq!(plant.world.sandbox.journal().grants("refresh_token"), 1);
}
