//! Session cookies that name no session.

use super::{FEW, assert_limited, from, made_up, use_up, world};
use crate::support::records::Records;
use crate::support::wire::Wire;
use crate::support::world::HOST;
use crate::support::{Browser, Call, World};

/// The cookie of a session that was ended: it opens, and names nothing.
async fn dead_cookie(world: &World) -> String {
    let browser = world.logged_in().await;
    let line = browser.cookie_line();
    assert_eq!(browser.post("/auth/logout").await.status, 204);
    browser.expect_ended();
    line
}

fn with(cookie: &str) -> Call {
    Call::get("/v2/me").no_cookies().header("cookie", cookie)
}

/// R121, contract §5: who has no cookie is told to log in however often he asks, and a session that
/// is known goes on, whatever others at their address do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_of_a_flood_notice_nothing() {
    let world = world("unknown_cookies", FEW).redis().spawn().await;
    let (session, stranger) = (world.logged_in().await, world.browser());
    let dead = dead_cookie(&world).await;
    use_up(&stranger, made_up, 4, 401).await;
    for _ in 0..10 {
        assert_limited(&stranger.send(made_up()).await);
        assert_eq!(session.get("/v2/me").await.status, 200);
        stranger.send(Call::get("/v2/me").no_cookies()).await.assert_problem(401, "login_required");
        // Whether it names a session only the store can tell; then it is too much.
        assert_limited(&stranger.send(with(&dead)).await);
    }
    assert_eq!(stranger.send(from("192.0.2.9", made_up())).await.status, 401);
}

/// R121: a cookie that opens counts when it turns out to name nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_of_a_session_that_ended_counts() {
    let world = world("unknown_cookies", FEW).spawn().await;
    let dead = dead_cookie(&world).await;
    use_up(&world.browser(), || with(&dead), 4, 401).await;
}

/// Cookies that are not ours are refused without the store, before and after they are too many; two
/// of one name are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_cookie_is_never_looked_up() {
    let world = world("unknown_cookies", FEW).redis().spawn().await;
    let genuine = world.logged_in().await.session_cookie().expect("a cookie");
    let loads = || world.metric(0, r#"whisk_bff_store_operations_total{operation="load",outcome="absent"}"#);
    let before = loads();
    let forged: Vec<String> = ["made-up", "", &genuine[1..], &format!("{genuine}A")]
        .iter()
        .map(|value| format!("__Host-Http-whisk={value}"))
        .chain([format!("__Host-Http-whisk={genuine}; __Host-Http-whisk=planted")])
        .collect();
    for cookie in &forged {
        let client = world.browser();
        let call = || from(&format!("192.0.2.{}", cookie.len() % 200), with(cookie));
        use_up(&client, call, 4, 401).await;
    }
    assert!(loads() <= before, "the store was asked");
    let mut records = Records::of(&world).await;
    let keys: Vec<String> = records.ask(&["KEYS", "whisk-bff:r:*"]).await;
    assert!(keys.len() <= forged.len(), "{keys:?}");
}

/// Contract §4: `/auth/session` is always 200, and a logout always 204. Neither is charged: a page
/// asks the one at every load, and whoever has a stale cookie is to be rid of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_the_session_and_logging_out_are_not_limited() {
    let world = world("unknown_cookies", FEW).spawn().await;
    let stranger = world.browser();
    let stale = |call: Call| call.no_cookies().header("cookie", "__Host-Http-whisk=made-up");
    for _ in 0..9 {
        assert_eq!(stranger.send(stale(Call::get("/auth/session"))).await.json()["authenticated"], false);
        assert_eq!(stranger.send(stale(Call::post("/auth/logout"))).await.status, 204);
    }
    use_up(&stranger, made_up, 4, 401).await;
    assert_eq!(stranger.send(stale(Call::get("/auth/session"))).await.json()["authenticated"], false);
    assert_eq!(stranger.send(stale(Call::post("/auth/logout"))).await.status, 204);
}

/// R121, RFC 9110 §10.1.1: a client that waits for `100 Continue` is counted as any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_before_sending_a_body_is_counted_too() {
    let world = world("unknown_cookies", FEW).spawn().await;
    let ask = |client: &str, cookie: &str| {
        let mut wire = Wire::connect(world.address(0));
        wire.send(format!(
            "POST /v2/lists HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Site: same-origin\r\n{cookie}\
             X-Forwarded-For: {client}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        ));
        wire.answer()
    };
    let made_up = "Cookie: __Host-Http-whisk=made-up\r\n";
    for _ in 0..4 {
        ask("192.0.2.1", made_up).assert_problem(401, "login_required");
    }
    assert_limited(&ask("192.0.2.1", made_up));
    ask("192.0.2.1", "").assert_problem(401, "login_required");
    ask("192.0.2.2", made_up).assert_problem(401, "login_required");
    let browser: Browser = world.browser();
    assert_limited(&browser.send(from("192.0.2.1", super::made_up())).await);
}
