//! Limits against abuse (R121, contract `limits.*`): what one client address may do, and one
//! session.
//!
//! The clock goes on by itself while a test runs, so the rates here are slow: what is used up stays
//! so until the test moves the clock.

use std::time::Duration;

use crate::support::world::WorldBuilder;
use crate::support::{Answer, Browser, Call, World};

mod addresses;
mod callbacks;
mod cookies;
mod logins;
mod sessions;
mod shared;
mod telling;
mod visitors;

/// Four at once, then one each ten minutes.
const FEW: &str = "4/40m";
const MINUTE: Duration = Duration::from_secs(60);

/// A limit, what it counts, and how that is answered while it is not too much.
struct Kind {
    limit: &'static str,
    call: fn() -> Call,
    status: u16,
}

/// (Anonymous users are in `visitors`.)
const KINDS: [Kind; 3] = [
    Kind { limit: "logins", call: login, status: 302 },
    Kind { limit: "failed_callbacks", call: foreign_callback, status: 400 },
    Kind { limit: "unknown_cookies", call: made_up, status: 401 },
];

/// A world with that limit alone, behind a proxy that says who calls.
fn world(limit: &str, rate: &str) -> WorldBuilder {
    World::builder().set("server.trusted_proxies", "127.0.0.0/8").set(&format!("limits.{limit}"), rate)
}

/// The call as the proxy of that client sends it.
fn from(client: &str, call: Call) -> Call {
    call.header("x-forwarded-for", client)
}

/// A click on a link to the login, by a browser without any cookie.
fn login() -> Call {
    Call::get("/auth/login").metadata("same-origin", "navigate", "document").no_cookies()
}

/// A callback that no browser of ours was sent to.
fn foreign_callback() -> Call {
    let target = format!("/auth/callback?code=abc&state={}", "a".repeat(43));
    Call::get(&target).metadata("cross-site", "navigate", "document").no_cookies()
}

/// A call with a session cookie that somebody made up.
fn made_up() -> Call {
    Call::get("/v2/me").no_cookies().header("cookie", "__Host-Http-whisk=made-up")
}

/// Sends the call until it is too much, and asserts that it was let through so often before.
async fn use_up(browser: &Browser, call: impl Fn() -> Call, times: usize, status: u16) -> Answer {
    for n in 0..times {
        let answer = browser.send(call()).await;
        assert_eq!(answer.status, status, "call {n}: {answer:?}");
    }
    let answer = browser.send(call()).await;
    assert_limited(&answer);
    answer
}

/// Contract §5 `rate_limited`: 429, a time to wait, and nothing taken from the browser. Returns
/// the time.
#[track_caller]
fn assert_limited(answer: &Answer) -> Duration {
    answer.assert_problem(429, "rate_limited");
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
    let seconds = answer.header("retry-after").parse().expect("seconds");
    assert!(seconds >= 1, "{answer:?}");
    Duration::from_secs(seconds)
}

/// R121: of each kind one more than its limit is 429, and passes when the time it was told is over;
/// not before. Another address has a limit of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_too_many_is_told_when_to_come_again_and_may_then() {
    for Kind { limit, call, status } in KINDS {
        let world = world(limit, FEW).spawn().await;
        let browser = world.browser();
        let (one, other) = (|| from("192.0.2.1", call()), || from("192.0.2.2", call()));
        let wait = assert_limited(&use_up(&browser, one, 4, status).await);
        assert!(wait > 9 * MINUTE && wait <= 10 * MINUTE, "{limit}: {wait:?}");
        assert_eq!(browser.send(other()).await.status, status, "{limit}: another address");
        world.advance(wait - MINUTE);
        assert!(assert_limited(&browser.send(one()).await) <= MINUTE, "{limit}");
        world.advance(MINUTE);
        use_up(&browser, one, 1, status).await;
        world.advance(40 * MINUTE);
        use_up(&browser, one, 4, status).await;
    }
}

/// Contract `limits.*`: `off` is no limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_off_is_not_limited() {
    let world = crate::anonymous::offering().set("limits.anonymous_users", "off").spawn().await;
    // More than the default, and than it admits again meanwhile.
    for _ in 0..90 {
        let visitor = crate::anonymous::visitor(&world).await;
        assert_eq!(visitor.post("/auth/anonymous").await.status, 201);
    }
}
