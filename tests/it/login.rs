//! Logging in: `GET /auth/login`, the cookies of logins in progress, and what a completed login
//! leaves behind. What can go wrong at the callback is in `callback`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;
use whisk_sandbox::Entry;

use crate::support::{Answer, Browser, Call, World};

mod begin;
mod cookies;
mod exchange;
mod foreign_pages;
mod grants;
mod lifetimes;
mod return_to;
mod sessions;
mod tabs;

/// The authorization page's parameters, which must stand once each.
pub(crate) fn authorization_request(begun: &Answer) -> HashMap<String, String> {
    let location = Url::parse(begun.header("location")).unwrap();
    let mut parameters = HashMap::new();
    for (name, value) in location.query_pairs().into_owned() {
        assert!(parameters.insert(name.clone(), value).is_none(), "{name} stands twice: {location}");
    }
    parameters
}

/// The form that the token endpoint was sent.
pub(crate) fn token_request(entry: &Entry) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(&entry.body).into_owned() {
        assert!(parameters.insert(name.clone(), value).is_none(), "{name} stands twice");
    }
    parameters
}

/// A value of a callback's query, as it stands there.
pub(crate) fn of_callback(callback: &str, name: &str) -> String {
    let (_, query) = callback.split_once('?').expect("a query");
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {callback}")).to_owned()
}

/// A link to `target` that was followed on our own page, by a browser without any cookie.
pub(crate) fn first_visit(target: &str) -> Call {
    Call::get(target).metadata("same-origin", "navigate", "document").no_cookies()
}

/// The `Set-Cookie` lines of logins in progress.
pub(crate) fn login_cookies(answer: &Answer) -> Vec<String> {
    answer.set_cookies().into_iter().filter(|line| line.contains("whisk-login-")).collect()
}

/// The `Set-Cookie` lines of sessions.
pub(crate) fn session_cookies(answer: &Answer) -> Vec<String> {
    answer.set_cookies().into_iter().filter(|line| !line.contains("whisk-login-")).collect()
}

/// The attributes of a `Set-Cookie` line, sorted.
pub(crate) fn attributes(line: &str) -> Vec<String> {
    let mut attributes: Vec<_> = line.split("; ").skip(1).map(str::to_owned).collect();
    attributes.sort();
    attributes
}

/// The keys of a place (`s`: sessions, `t`: logins in progress) in the world's Redis.
#[expect(clippy::await_holding_lock, reason = "a test has its world's Redis for itself")]
pub(crate) async fn keys_of(world: &World, place: &str) -> Vec<String> {
    let keys = world.redis().keys().await;
    keys.into_iter().filter(|key| key.starts_with(&format!("whisk-bff:{place}:"))).collect()
}

/// What `GET /auth/session` says.
async fn session(browser: &Browser) -> serde_json::Value {
    let answer = browser.get("/auth/session").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    answer.json()
}

/// R1, R48: the whole code grant, then a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_and_calls_the_api() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let answer = browser.get("/v2/me").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], "demo-baker");
}

/// The text of so many random bytes.
fn is_base64url_of(text: &str, length: usize) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == length)
}
