//! The idle timeout slides without a write a call (docs/adr/0002).

use std::time::Duration;

use crate::support::records::{Records, record_name};
use crate::support::{World, eventually};

/// What changes a record, by itself or within a script. (Not `del`: the feed's marker removes a key
/// that is not there.)
const WRITES: [&str; 7] = ["set", "setrange", "expire", "pexpire", "pexpireat", "getex", "getdel"];

/// R45: a call within the slack writes nothing; the first one after it writes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_call_writes_nothing_to_the_store() {
    let world = World::builder().redis().spawn().await;
    let browser = world.logged_in().await;
    let mut records = Records::of(&world).await;
    assert_eq!(browser.get("/v2/me").await.status, 200);

    let _: String = records.ask(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..50 {
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    assert_eq!(records.calls(&WRITES).await, 0, "within the slack");
    assert!(records.calls(&["get"]).await <= 50, "at most one read a call");

    pass_the_slack(&world, &browser).await;
    assert_eq!((records.calls(&["setrange"]).await, records.calls(&["pexpire"]).await), (1, 1), "one write");
    let moved = records.generation(&record_name(&browser)).await;
    assert_eq!(moved, 1, "a slide disturbs no refresh");

    let _: String = records.ask(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..50 {
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
    assert_eq!(records.calls(&WRITES).await, 0, "the slack covers the calls after it");
}

/// A call after the slack, and the move of the deadline that it causes.
async fn pass_the_slack(world: &World, browser: &crate::support::Browser) {
    let before = deadline(browser).await;
    world.advance(Duration::from_secs(90));
    assert_eq!(browser.get("/v2/me").await.status, 200);
    eventually("the deadline is moved", async || deadline(browser).await > before).await;
}

async fn deadline(browser: &crate::support::Browser) -> String {
    browser.get("/auth/session").await.json()["idle_expires_at"].as_str().unwrap().to_owned()
}
