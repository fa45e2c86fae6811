//! Browsers that hang up, a store that is away, keys that change.

use std::time::Duration;

use whisk_sandbox::{Gate, TokenFault};

use super::{VISITOR, anonymous, offering, visitor};
use crate::support::process::Process;
use crate::support::records::Records;
use crate::support::world::{HOST, exchange};
use crate::support::{Call, World, eventually};

/// The next creation is held, the user made.
fn held(world: &World) -> Gate {
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(TokenFault::Gate(gate.clone())));
    gate
}

/// R35, contract §6.4: the user is made for a browser that hung up, and is the browser's when it
/// comes again, on any instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_hangs_up_in_the_middle_finds_its_user_later() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = visitor(&world).await;
    let gate = held(&world);
    tokio::select! {
        answer = browser.post("/auth/anonymous") => panic!("the answer is held: {answer:?}"),
        () = gate.reached() => {}
    }
    let aborted = "whisk_bff_requests_total{route=\"anonymous\",outcome=\"aborted\"}";
    eventually("the hang-up is noticed", async || world.metric(0, aborted) == 1.0).await;
    gate.open();
    let mut records = Records::of(&world).await;
    eventually("the session is stored", async || records.sessions().await.len() == 1).await;

    let answer = browser.go_to(1).post("/auth/anonymous").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["user_id"], browser.get("/v2/me").await.json()["id"]);
    browser.expect_alive();
    assert_eq!((records.sessions().await.len(), world.sandbox.anonymous_users_created()), (1, 1));
}

/// Contract §6.5, R115: the store is away before: 503, and Whisk is not asked. Cookies stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_nothing_is_created() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    world.redis().freeze();
    let answer = browser.post("/auth/anonymous").await;
    world.redis().thaw();
    answer.assert_problem(503, "store_unavailable");
    assert!(answer.set_cookies().is_empty());
    assert!(world.sandbox.journal().anonymous().is_empty());
    eventually("it heals", async || browser.post("/auth/anonymous").await.status == 201).await;
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// Contract §6.4, R115: the store goes away while Whisk makes the user, and is back within seconds:
/// the user is kept until it is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_made_while_the_store_is_away_is_stored_when_it_is_back() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    let gate = held(&world);
    let outage = async {
        gate.reached().await;
        world.redis().freeze();
        gate.open();
        // Longer than one store operation may take.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        world.redis().thaw();
    };
    let (answer, ()) = tokio::join!(browser.post("/auth/anonymous"), outage);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(browser.get("/v2/me").await.status, 200);
    browser.expect_alive();
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// R115: a store that stays away costs the user, which nobody has used yet; it is counted, and the
/// same visitor may ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_cannot_be_stored_is_counted_as_lost() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    let gate = held(&world);
    let outage = async {
        gate.reached().await;
        world.redis().freeze();
        gate.open();
    };
    let (answer, ()) = tokio::join!(browser.post("/auth/anonymous"), outage);
    world.redis().thaw();
    answer.assert_problem(503, "store_unavailable");
    assert!(answer.set_cookies().is_empty() && browser.cookie(VISITOR).is_some());
    assert_eq!(world.metric(0, "whisk_bff_anonymous_users_total{outcome=\"lost\"}"), 1.0);
    eventually("it heals", async || browser.post("/auth/anonymous").await.status == 201).await;
    assert_eq!(world.sandbox.anonymous_users_created(), 2);
}

/// R122: a visitor cookie opens under every key of the ring, and the record of the visitor too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_lives_through_a_change_of_keys() {
    const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    let mut world = offering().redis().spawn().await;
    let first = visitor(&world).await.cookie(VISITOR).unwrap();
    let second = visitor(&world).await.cookie(VISITOR).unwrap();
    let call = |value: &str| {
        Call::post("/auth/anonymous").no_cookies().header("cookie", format!("{VISITOR}={value}"))
    };
    let made = world.browser().send(call(&first)).await;
    assert_eq!(made.status, 201);

    world.restart(0, &[("sealing.keys", &format!("{NEW},{OLD}"))]);
    let found = world.browser().send(call(&first)).await;
    assert_eq!((found.status.as_u16(), found.json()), (200, made.json()));
    assert_eq!(world.browser().send(call(&second)).await.status, 201);
    assert_ne!(anonymous(&world).await.get("/v2/me").await.json()["id"], made.json()["user_id"]);

    world.restart(0, &[("sealing.keys", NEW)]);
    world.browser().send(call(&first)).await.assert_problem(409, "visitor_required");
}

/// R32, W25, contract §6.6: an instance dies while Whisk makes the user. The other takes over; the
/// user that died with it is one of whom nobody has heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_dies_in_the_middle_leaves_the_visitor_to_the_others() {
    let world = offering().redis().spawn().await;
    let mut process = Process::serve(world.environment()).await;
    let browser = visitor(&world).await;
    let gate = held(&world);
    let address = process.address();
    let cookie = browser.cookie_line();
    let call = format!(
        "POST /auth/anonymous HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let dying = tokio::task::spawn_blocking(move || exchange(address, call.as_bytes()));
    gate.reached().await;
    process.kill();
    assert!(dying.await.unwrap().is_empty(), "no answer");
    gate.open();

    let answer = browser.post("/auth/anonymous").await;

    assert_eq!(answer.status, 201, "{answer:?}");
    browser.expect_alive();
    assert_eq!(world.sandbox.anonymous_users_created(), 2);
    assert_eq!(Records::of(&world).await.sessions().await.len(), 1);
}
