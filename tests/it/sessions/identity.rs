//! Session ids: unguessable, never taken from a client, new at each login.

use std::collections::HashSet;

use whisk_bff::crypto::random_bytes;
use whisk_bff::model::SessionId;

use super::{assert_over, with_cookie};
use crate::support::World;
use crate::support::records::{Records, record_name, session_id};

/// R50: 256 random bits: ten thousand ids show no repetition and no structure.
#[test]
fn ten_thousand_ids_have_no_structure() {
    let ids: Vec<String> = (0..10_000).map(|_| SessionId::from_random(random_bytes()).expose()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert!(
        ids.iter().all(|id| id.len() == ids[0].len() && id.len() * 6 >= 256),
        "{} characters",
        ids[0].len()
    );
    // Each character but the last, which holds fewer bits, takes all 64 values about equally often.
    for at in 0..ids[0].len() - 1 {
        let mut seen = [0_u32; 256];
        for id in &ids {
            seen[usize::from(id.as_bytes()[at])] += 1;
        }
        let used = seen.iter().filter(|count| **count > 0).count();
        let most = seen.iter().max().copied().unwrap_or(0);
        // 156 expected, standard deviation 12.4: beyond 300 is no accident.
        assert!(used == 64 && most < 300, "position {at}: {used} characters, one {most} times");
    }
}

/// R50, R51: what browsers get at fifty logins are fifty different ids and cookies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_login_begins_with_a_new_id() {
    let world = World::spawn().await;
    let (mut ids, mut cookies) = (HashSet::new(), HashSet::new());
    for _ in 0..50 {
        let browser = world.browser();
        browser.log_in().await;
        ids.insert(session_id(&browser));
        cookies.insert(browser.session_cookie().unwrap());
    }
    assert_eq!((ids.len(), cookies.len()), (50, 50));
}

/// R51: a made-up id, and another person's genuine cookie that was planted, are not adopted at
/// login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_session_cookie_is_not_adopted_at_login() {
    let world = World::spawn().await;
    let attacker = world.logged_in().await;
    let genuine = attacker.session_cookie().unwrap();
    let made_up = SessionId::from_random(random_bytes()).expose();
    for planted in [&made_up, &genuine] {
        let victim = world.browser();
        victim.set_cookie("__Host-Http-whisk", planted);
        victim.log_in().await;
        let own = victim.session_cookie().unwrap();
        assert_ne!(&own, planted);
        assert_eq!(victim.get("/v2/me").await.status, 200);
        let answer = victim.send(with_cookie("/v2/me", &format!("__Host-Http-whisk={planted}"))).await;
        assert_over(&answer);
    }
    attacker.expect_ended();
}

/// R18, R51, R52: a login ends the session that this browser had, although its strict cookie does
/// not come along to the callback: here and at every instance, in Redis too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_the_session_before_it() {
    let world = World::builder().redis().instances(2).spawn().await;
    let browser = world.logged_in().await;
    let (record, cookie) = (record_name(&browser), browser.cookie_line());

    browser.log_in().await;

    let mut records = Records::of(&world).await;
    assert_eq!(records.bytes(&record).await, None);
    assert_eq!(records.sessions().await, [record_name(&browser)], "one session for this browser");
    for instance in [0, 1] {
        assert_over(&browser.go_to(instance).send(with_cookie("/v2/me", &cookie)).await);
        assert_eq!(browser.get("/v2/me").await.status, 200);
    }
}

/// R8, R51: a login that fails leaves the session there is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_leaves_the_session_alone() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let before = browser.session_cookie();
    let callback = browser.decide("/auth/login", "deny", None).await;
    let answer = browser.come_back(&callback).await;
    answer.assert_problem(400, "login_failed");
    assert_eq!(browser.session_cookie(), before);
    assert_eq!(browser.get("/v2/me").await.status, 200);
}
