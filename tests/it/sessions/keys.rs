//! The sealing keys change while sessions live.

use super::{assert_over, same_cookie};
use crate::refresh::{HOUR, SECOND, hourly};
use crate::support::records::{Records, record_name};

const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const THIRD: &str = "k3:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";

/// R122: with [new, old] the record and the cookie of before still open, and the next write is
/// sealed under the new key. With both removed there is no session, and no crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_lives_through_a_change_of_keys_and_ends_without_its_key() {
    let mut world = hourly().redis().spawn().await;
    let old = world.logged_in().await;
    let record = record_name(&old);
    let mut records = Records::of(&world).await;
    assert_eq!(records.key_id(&record).await, "k1");

    world.restart(0, &[("sealing.keys", &format!("{NEW},{OLD}"))]);
    let browser = same_cookie(world.browser(), &old);
    assert_eq!(browser.get("/v2/me").await.status, 200, "record and cookie open under the retired key");
    assert_eq!(records.key_id(&record).await, "k1", "reading writes nothing");
    world.advance(HOUR + SECOND);
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(records.key_id(&record).await, "k2", "the refresh sealed it under the new key");

    let fresh = world.browser();
    fresh.log_in().await;
    assert_eq!(records.key_id(&record_name(&fresh)).await, "k2");

    world.restart(0, &[("sealing.keys", THIRD)]);
    for lost in [&old, &fresh] {
        lost.expect_ended();
        let browser = same_cookie(world.browser(), lost);
        assert_over(&browser.get("/v2/me").await);
        assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
    }
    assert!(records.bytes(&record).await.is_some(), "another instance may still have the key");
    let newcomer = world.browser();
    newcomer.log_in().await;
    assert_eq!(newcomer.get("/v2/me").await.status, 200);
    newcomer.expect_alive();
}

/// R122: two instances in the middle of a change, one with [old], the other with [old, new], then
/// [new, old]: a session goes back and forth as long as each knows both keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_in_the_middle_of_a_change_of_keys_share_their_sessions() {
    let mut world = hourly().redis().instances(2).spawn().await;
    let both = format!("{OLD},{NEW}");
    world.restart(1, &[("sealing.keys", &both)]);
    let browser = world.logged_in().await;
    world.advance(HOUR + SECOND);
    assert_eq!(browser.go_to(1).get("/v2/me").await.status, 200);
    assert_eq!(browser.go_to(0).get("/v2/me").await.status, 200, "still sealed under the old key");
    world.restart(0, &[("sealing.keys", &format!("{NEW},{OLD}"))]);
    let browser = same_cookie(world.browser(), &browser);
    world.advance(HOUR + SECOND);
    assert_eq!(browser.go_to(0).get("/v2/me").await.status, 200);
    assert_eq!(browser.go_to(1).get("/v2/me").await.status, 200, "sealed under the new key now");
    let name = record_name(&browser);
    assert_eq!(Records::of(&world).await.key_id(&name).await, "k2");
}
