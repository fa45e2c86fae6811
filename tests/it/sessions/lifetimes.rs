//! The two timeouts: without a call, and in all.

use std::time::{Duration, Instant};

use super::{assert_over, with_cookie};
use crate::refresh::{HOUR, SECOND};
use crate::support::records::{Records, record_name};
use crate::support::world::WorldBuilder;
use crate::support::{World, eventually};

const MINUTE: Duration = Duration::from_secs(60);
/// How much later than `session.idle_timeout` a session may end: a 64th (docs/adr/0002).
const SLACK: Duration = Duration::from_millis(30 * 60 * 1000 / 64);

fn half_an_hour_idle_two_in_all() -> WorldBuilder {
    World::builder().redis().set("session.idle_timeout", "30m").set("session.absolute_timeout", "2h")
}

/// R45: alive up to the idle timeout, over after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_after_its_idle_timeout_and_not_before() {
    let world = half_an_hour_idle_two_in_all().spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..3 {
        world.advance(30 * MINUTE - 5 * SECOND);
        assert_eq!(browser.get("/v2/me").await.status, 200);
        settled(&browser).await;
    }
    browser.expect_ended();
    let cookie = browser.cookie_line();
    world.advance(30 * MINUTE + SLACK + SECOND);
    let seen = world.sandbox.journal().next();
    let record = record_name(&browser);
    browser.get("/v2/me").await.assert_problem(401, "session_ended");
    assert_eq!(browser.session_cookie(), None);
    assert_eq!(Records::of(&world).await.bytes(&record).await, None);
    assert!(world.sandbox.journal().since(seen).is_empty());
    assert_eq!(browser.send(with_cookie("/auth/session", &cookie)).await.json()["authenticated"], false);
}

/// R45: however busy, a session ends at its absolute timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_session_ends_at_its_absolute_timeout() {
    let world = half_an_hour_idle_two_in_all().spawn().await;
    let browser = world.logged_in().await;
    for _ in 0..11 {
        world.advance(10 * MINUTE);
        assert_eq!(browser.get("/v2/me").await.status, 200);
        settled(&browser).await;
    }
    world.advance(10 * MINUTE - 20 * SECOND);
    assert_eq!(browser.get("/v2/me").await.status, 200, "twenty seconds before the end");
    browser.expect_ended();
    world.advance(21 * SECOND);
    let record = record_name(&browser);
    browser.get("/v2/me").await.assert_problem(401, "session_ended");
    assert_eq!(browser.session_cookie(), None);
    assert_eq!(Records::of(&world).await.bytes(&record).await, None);
}

/// R45, contract §4 `GET /auth/session`: asking who is logged in is no call and slides nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_the_session_does_not_keep_it_alive() {
    let world = half_an_hour_idle_two_in_all().spawn().await;
    let browser = world.logged_in().await;
    browser.expect_ended();
    let told = browser.get("/auth/session").await.json()["idle_expires_at"].clone();
    for _ in 0..5 {
        world.advance(5 * MINUTE);
        let session = browser.get("/auth/session").await.json();
        assert_eq!((&session["authenticated"], &session["idle_expires_at"]), (&true.into(), &told));
    }
    world.advance(5 * MINUTE + SLACK + SECOND);
    assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
    assert_over(&browser.get("/v2/me").await);
}

/// R45: the same by the clock on the wall, 2 s idle and 5 s in all, with the keys' own ends in
/// Redis: nobody has to ask for a record to go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_and_five_real_seconds_end_sessions_too() {
    let world = World::builder()
        .redis()
        .set("session.idle_timeout", "2s")
        .set("session.absolute_timeout", "5s")
        .spawn()
        .await;
    let (idle, busy) = (world.logged_in().await, world.logged_in().await);
    idle.expect_ended();
    busy.expect_ended();
    let began = Instant::now();
    let (mut last, mut idle_checked) = (began, false);
    while began.elapsed() < Duration::from_millis(4500) {
        let answer = busy.get("/v2/me").await;
        // A machine that stood still for two seconds shows nothing of ours.
        assert!(answer.status == 200 || last.elapsed() > 2 * SECOND, "{:?}: {answer:?}", began.elapsed());
        last = Instant::now();
        if !idle_checked && began.elapsed() > Duration::from_millis(2200) {
            assert_over(&idle.get("/v2/me").await);
            idle_checked = true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(idle_checked);
    eventually("five seconds are over", async || began.elapsed() > Duration::from_millis(5100)).await;
    assert_over(&busy.get("/v2/me").await);
    let mut records = Records::of(&world).await;
    eventually("both records are gone", async || records.sessions().await.is_empty()).await;
}

/// R45: a session is told its end truly: what `/auth/session` promises is what happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_does_not_move_the_absolute_end() {
    let world = half_an_hour_idle_two_in_all()
        .sandbox(|config| config.behaviour.access_token_lifetime = 20 * MINUTE)
        .spawn()
        .await;
    let browser = world.logged_in().await;
    let before = browser.get("/auth/session").await.json();
    for _ in 0..4 {
        world.advance(25 * MINUTE);
        assert_eq!(browser.get("/v2/me").await.status, 200);
        settled(&browser).await;
    }
    assert_eq!(world.sandbox.journal().granted("refresh_token"), 4);
    let after = browser.get("/auth/session").await.json();
    assert_eq!(after["expires_at"], before["expires_at"]);
    assert_eq!(after["created_at"], before["created_at"]);
    browser.expect_ended();
    world.advance(20 * MINUTE + SECOND);
    assert!(2 * HOUR <= 4 * 25 * MINUTE + 20 * MINUTE + SECOND);
    assert_over(&browser.get("/v2/me").await);
}

/// Waits until the move of the deadline that the last call caused is stored.
async fn settled(browser: &crate::support::Browser) {
    eventually("the deadline moves", async || {
        let session = browser.get("/auth/session").await.json();
        let at = |name: &str| session[name].as_str().unwrap().to_owned();
        let left = humantime::parse_rfc3339(&at("idle_expires_at")).unwrap();
        let created = humantime::parse_rfc3339(&at("created_at")).unwrap();
        let end = humantime::parse_rfc3339(&at("expires_at")).unwrap();
        // The end that the first record had is left behind, or the absolute one is reached.
        left == end || left > created + 30 * MINUTE + SLACK + SECOND
    })
    .await;
}

/// Contract §6.6: an operator who changes the timeouts logs nobody out; a session keeps what it was
/// promised until it is used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_timeouts_end_no_session_that_lives() {
    let mut world = World::builder()
        .redis()
        .set("session.idle_timeout", "1h")
        .set("session.absolute_timeout", "365d")
        .spawn()
        .await;
    let cookie = world.logged_in().await.session_cookie().unwrap();
    for timeout in ["30d", "1h", "365d", "30m"] {
        world.restart(0, &[("session.idle_timeout", timeout)]);
        let browser = world.browser();
        browser.set_cookie("__Host-Http-whisk", &cookie);
        assert_eq!(browser.get("/auth/session").await.json()["authenticated"], true, "{timeout}");
        assert_eq!(browser.get("/v2/me").await.status, 200, "{timeout}");
    }
}
