//! From an anonymous user to a person, and out again.

use super::{VISITOR, anonymous, offering, visitor};
use crate::sessions::{assert_over, with_cookie};
use crate::support::records::{Records, record_name};
use crate::support::{World, eventually};

/// The tokens that the API has seen since.
fn bearers(world: &World, seen: u64) -> Vec<String> {
    let entries = world.sandbox.journal().since(seen);
    entries.iter().filter_map(|entry| entry.bearer().map(str::to_owned)).collect()
}

/// R51, R52, W26, contract §4: the login ends the anonymous session, which is remembered from
/// `/auth/login`, since its cookie is not sent to the callback; its token is never used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_the_place_of_the_anonymous_session_on_every_instance() {
    let world = offering().redis().instances(3).spawn().await;
    let browser = anonymous(&world).await;
    for instance in [1, 2, 0] {
        assert_eq!(browser.go_to(instance).get("/v2/me").await.json()["anonymous"], true);
    }
    let (old, record) = (browser.cookie_line(), record_name(&browser));
    let token = bearers(&world, 0).pop().unwrap();

    browser.log_in().await;

    let seen = world.sandbox.journal().next();
    let session = browser.get("/auth/session").await.json();
    assert_eq!(session["kind"], "user");
    assert_ne!(record_name(&browser), record);
    let mut records = Records::of(&world).await;
    assert_eq!(records.bytes(&record).await, None);
    assert_eq!(records.sessions().await, [record_name(&browser)]);
    for instance in 0..3 {
        browser.go_to(instance);
        eventually("the old cookie is dead", async || {
            browser.send(with_cookie("/v2/me", &old)).await.status == 401
        })
        .await;
    }
    let dead = world.sandbox.journal().next();
    for instance in 0..3 {
        browser.go_to(instance);
        assert_over(&browser.send(with_cookie("/v2/me", &old)).await);
        assert_eq!(browser.get("/v2/me").await.json()["anonymous"], false);
    }
    assert!(!bearers(&world, dead).contains(&token), "the API never sees the anonymous token again");
    let late = bearers(&world, seen).iter().filter(|seen| **seen == token).count();
    assert!(late <= 3, "at most a call an instance in the second in which it hears of it: {late}");
    assert_eq!(browser.post("/auth/anonymous").await.json()["kind"], "user");
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// R52, W26: a login that fails or is given up leaves the anonymous session as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_leaves_the_anonymous_session() {
    let world = offering().spawn().await;
    let browser = anonymous(&world).await;
    let before = browser.get("/auth/session").await.json();
    browser.authorize("/auth/login").await;
    let denied = browser.decide("/auth/login", "deny", None).await;
    browser.come_back(&denied).await.assert_problem(400, "login_failed");
    assert_eq!(browser.get("/auth/session").await.json(), before);
    assert_eq!(browser.get("/v2/me").await.json()["anonymous"], true);
}

/// R53, contract §4: a logout ends an anonymous session as any, and the browser may begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_logout_the_browser_begins_as_another_user() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = anonymous(&world).await;
    let first = browser.get("/v2/me").await.json()["id"].clone();
    let cookie = browser.cookie_line();
    browser.expect_ended();
    assert_eq!(browser.go_to(1).post("/auth/logout").await.status, 204);
    assert_over(&browser.send(with_cookie("/v2/me", &cookie)).await);
    browser.post("/auth/anonymous").await.assert_problem(409, "visitor_required");
    assert_eq!(world.sandbox.anonymous_users_created(), 1);

    browser.get("/auth/session").await;
    assert_eq!(browser.post("/auth/anonymous").await.status, 201);
    assert_ne!(browser.get("/v2/me").await.json()["id"], first);
}

/// R51: an id that the client brings is not taken: neither a session's nor a visitor's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_is_adopted_from_the_client() {
    let world = offering().spawn().await;
    let ended = anonymous(&world).await;
    let planted = ended.session_cookie().unwrap();
    ended.expect_ended();
    assert_eq!(ended.post("/auth/logout").await.status, 204);

    let browser = visitor(&world).await;
    browser.set_cookie("__Host-Http-whisk", &planted);
    let answer = browser.post("/auth/anonymous").await;
    assert_eq!(answer.status, 201);
    assert_ne!(browser.session_cookie().unwrap(), planted);
    assert_eq!(browser.cookie(VISITOR), None);
    let old = with_cookie("/v2/me", &format!("__Host-Http-whisk={planted}"));
    browser.send(old).await.assert_problem(401, "login_required");
}
