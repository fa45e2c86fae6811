//! From an anonymous user to a person, and out again.

use whisk_sandbox::{Gate, TokenFault};

use super::{VISITOR, anonymous, offering, visitor};
use crate::sessions::{assert_over, with_cookie};
use crate::support::records::{Records, record_name};
use crate::support::{Call, World, eventually};

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

/// R51, R52, W26: somebody logs in in one tab while another tab's anonymous user is still being made.
/// The session cookie stays the person's, and no anonymous session is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_overtakes_a_creation_that_is_under_way() {
    let world = offering().redis().instances(2).spawn().await;
    let browser = visitor(&world).await;
    let gate = Gate::new();
    world.sandbox.behaviour(|whisk| whisk.anonymous_faults.push_back(TokenFault::Gate(gate.clone())));
    let login = async {
        gate.reached().await;
        browser.go_to(1).log_in().await;
        let cookie = browser.session_cookie();
        gate.open();
        cookie
    };

    let (late, cookie) = tokio::join!(browser.post("/auth/anonymous"), login);

    late.assert_problem(409, "visitor_required");
    assert!(late.set_cookies().iter().all(|line| line.starts_with(VISITOR)), "{:?}", late.set_cookies());
    assert_eq!(browser.session_cookie(), cookie);
    assert_eq!(Records::of(&world).await.sessions().await, [record_name(&browser)]);
    assert_eq!(browser.get("/auth/session").await.json()["kind"], "user");
    let again = browser.post("/auth/anonymous").await;
    assert_eq!((again.status.as_u16(), again.json()["kind"].as_str()), (200, Some("user")));
    assert_eq!(browser.get("/v2/me").await.json()["anonymous"], false);
    assert_eq!(world.sandbox.anonymous_users_created(), 1);
}

/// R52, W26: the same where the user was made before the login came back, and its cookie never
/// reached the browser: the session ends with the login, and the visitor's cookie is worth nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_the_session_whose_cookie_never_arrived() {
    let world = offering().redis().spawn().await;
    let browser = visitor(&world).await;
    let cookie = browser.cookie_line();
    let lost = Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
    let callback = browser.authorize("/auth/login").await;
    let made = world.browser().send(lost).await;
    assert_eq!(made.status, 201);
    let mut records = Records::of(&world).await;
    assert_eq!(records.sessions().await.len(), 1);

    assert_eq!(browser.come_back(&callback).await.status, 303);

    assert_eq!(records.sessions().await, [record_name(&browser)]);
    let late = Call::post("/auth/anonymous").no_cookies().header("cookie", &cookie);
    world.browser().send(late).await.assert_problem(409, "visitor_required");
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
