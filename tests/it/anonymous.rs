//! Anonymous users: one a browser, for as long as it calls, and never another one unasked.

mod creation;
mod faults;
mod lifetimes;
mod once;
mod shapes;
mod upgrade;

use crate::support::world::WorldBuilder;
use crate::support::{Answer, Browser, World};

pub(crate) const VISITOR: &str = "__Host-Http-whisk-visitor";
pub(crate) const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// A world that offers anonymous access.
pub(crate) fn offering() -> WorldBuilder {
    World::builder().set("anonymous.enabled", "true")
}

/// A browser that has asked `GET /auth/session`, and so is a visitor.
pub(crate) async fn visitor(world: &World) -> Browser {
    let browser = world.browser();
    assert_eq!(browser.get("/auth/session").await.json()["authenticated"], false);
    assert!(browser.cookie(VISITOR).is_some());
    browser
}

/// A browser with the session of an anonymous user.
pub(crate) async fn anonymous(world: &World) -> Browser {
    let browser = visitor(world).await;
    let answer = browser.post("/auth/anonymous").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    browser.expect_alive();
    browser
}

/// Asserts that the browser was told that its anonymous user is no more, and lost its cookie.
#[track_caller]
pub(crate) fn assert_expired(browser: &Browser, answer: &Answer) {
    answer.assert_problem(401, "anonymous_expired");
    assert_eq!(browser.session_cookie(), None);
    assert_eq!(answer.set_cookies().len(), 1);
}
