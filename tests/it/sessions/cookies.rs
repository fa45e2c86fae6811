//! The session cookie as it is set: its attributes, its size, and how seldom.

use std::time::Duration;

use super::with_cookie;
use crate::refresh::{HOUR, SECOND};
use crate::support::world::WorldBuilder;
use crate::support::{Answer, Call, World, eventually};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The name, the value, and the attributes in alphabetical order.
fn parts(line: &str) -> (String, String, Vec<String>) {
    let mut pieces = line.split("; ");
    let (name, value) = pieces.next().unwrap().split_once('=').unwrap();
    let mut attributes: Vec<String> = pieces.map(str::to_owned).collect();
    attributes.sort();
    (name.to_owned(), value.to_owned(), attributes)
}

fn attributes(max_age: u64, same_site: &str) -> Vec<String> {
    let max_age = format!("Max-Age={max_age}");
    ["HttpOnly", &max_age, "Path=/", &format!("SameSite={same_site}"), "Secure"].map(str::to_owned).to_vec()
}

/// The `Set-Cookie` line of the session, the only one of its name.
#[track_caller]
fn session_line(answer: &Answer) -> String {
    let lines = answer.set_cookies().into_iter().filter(|line| line.starts_with("__Host-Http-whisk="));
    let lines: Vec<String> = lines.collect();
    assert_eq!(lines.len(), 1, "{answer:?}");
    lines[0].clone()
}

/// R46, R47, R58, W5, contract §4 cookies: the exact attributes where a session begins and where
/// it ends, alike but for the value and `Max-Age`; and no answer that sets one is cacheable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_cookies_have_exactly_the_attributes_promised() {
    let cases: [(WorldBuilder, u64, &str); 3] = [
        (World::builder(), 30 * 24 * 3600, "Strict"),
        (World::builder().set("session.same_site", "lax").set("session.idle_timeout", "10m"), 600, "Lax"),
        (World::builder().set("session.idle_timeout", "365d"), 31_536_000, "Strict"),
    ];
    for (builder, max_age, same_site) in cases {
        let world = builder.spawn().await;
        let browser = world.browser();
        let begun = browser.log_in().await;
        let (name, value, begins) = parts(&session_line(&begun));
        assert_eq!((name.as_str(), value.is_empty()), ("__Host-Http-whisk", false));
        assert_eq!(begins, attributes(max_age, same_site));
        assert!(max_age <= 31_536_000, "R55, W5: less than what browsers cap");
        browser.expect_ended();
        let ended = browser.post("/auth/logout").await;
        let (name, value, ends) = parts(&session_line(&ended));
        assert_eq!((name.as_str(), value.as_str()), ("__Host-Http-whisk", ""));
        assert_eq!(ends, attributes(0, same_site), "as it was set");
        for answer in [begun, ended] {
            assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
        }
    }
}

/// R46: every cookie there is, the ones of logins and those that take cookies away included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cookie_is_secure_and_http_only() {
    let world = World::spawn().await;
    let browser = world.browser();
    let mut lines = Vec::new();
    for _ in 0..10 {
        lines.extend(browser.navigate("/auth/login").await.set_cookies());
    }
    lines.extend(browser.log_in().await.set_cookies());
    lines.extend(browser.come_back("/auth/callback?state=unknown&code=x").await.set_cookies());
    browser.expect_ended();
    lines.extend(browser.post("/auth/logout").await.set_cookies());
    lines.extend(browser.send(Call::post("/auth/logout")).await.set_cookies());
    assert!(lines.len() >= 14, "{lines:#?}");
    for line in &lines {
        let (name, _, attributes) = parts(line);
        assert!(name.starts_with("__Host-Http-"), "{line}");
        for wanted in ["Secure", "HttpOnly", "Path=/"] {
            assert!(attributes.iter().any(|attribute| attribute == wanted), "{wanted}: {line}");
        }
        assert!(!line.to_ascii_lowercase().contains("domain"), "{line}");
    }
}

/// Contract §4: over plain HTTP the prefix and `Secure` fall away, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_only_the_prefix_and_secure_fall_away() {
    let world = World::builder().set("server.public_url", "http://localhost:8080").spawn().await;
    world.ends_in_ruins(); // Its oracles ask for another host.
    let browser = world.browser();
    let host = |call: Call| call.header("host", "localhost:8080");
    let begun = browser.send(host(Call::get("/auth/login").metadata("none", "navigate", "document"))).await;
    let (name, _, login) = parts(&begun.set_cookies()[0]);
    assert!(name.starts_with("whisk-login-"), "{name}");
    assert_eq!(login, ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax"]);
    let ended = browser.send(host(Call::post("/auth/logout"))).await;
    let (name, _, session) = parts(&ended.set_cookies()[0]);
    assert_eq!(name, "whisk");
    assert_eq!(session, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Strict"]);
}

/// R55, contract §4: below 512 bytes whatever the tokens are, and below 400 days.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_stay_small_whatever_the_tokens_are() {
    let world = World::builder()
        .set("session.idle_timeout", "365d")
        .sandbox(|config| config.behaviour.access_token_text = Some("a".repeat(8 * 1024)))
        .spawn()
        .await;
    let browser = world.browser();
    let mut lines =
        browser.navigate(&format!("/auth/login?return_to=/{}", "x".repeat(1500))).await.set_cookies();
    lines.extend(browser.log_in().await.set_cookies());
    assert_eq!(browser.get("/v2/me").await.status, 200);
    for line in &lines {
        let (name, value, attributes) = parts(line);
        assert!(name.len() + value.len() < 512, "{line}");
        let max_age = attributes.iter().find_map(|one| one.strip_prefix("Max-Age=")).unwrap();
        assert!(max_age.parse::<u64>().unwrap() <= 400 * 24 * 3600, "{line}");
    }
}

/// R58, contract §4: a session cookie is set when a session begins or ends, and when less than
/// half of its `Max-Age` is left: then once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cookie_is_set_anew_only_in_the_second_half_of_its_life() {
    let world =
        World::builder().sandbox(|config| config.behaviour.access_token_lifetime = 365 * DAY).spawn().await;
    let browser = world.logged_in().await;
    let value = browser.session_cookie();
    for _ in 0..100 {
        assert!(browser.get("/v2/me").await.set_cookies().is_empty());
    }
    world.advance(15 * DAY - HOUR);
    let answer = browser.get("/v2/me").await;
    assert!(answer.set_cookies().is_empty(), "{answer:?}");

    world.advance(2 * HOUR);
    assert!(browser.get("/auth/session").await.set_cookies().is_empty(), "that is no call");
    let answer = browser.get("/v2/me").await;
    assert_eq!(answer.status, 200);
    let (_, _, renewed) = parts(&session_line(&answer));
    assert_eq!(renewed, attributes(30 * 24 * 3600, "Strict"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(browser.session_cookie(), value, "the same session");
    eventually("it is known that the browser has it", async || {
        browser.get("/v2/me").await.set_cookies().is_empty()
    })
    .await;
    for _ in 0..20 {
        assert!(browser.get("/v2/me").await.set_cookies().is_empty());
    }
    world.advance(15 * DAY - HOUR);
    assert!(browser.get("/v2/me").await.set_cookies().is_empty());
    world.advance(2 * HOUR + SECOND);
    session_line(&browser.get("/v2/me").await);
}

/// R38, R57: an error leaves the cookie alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_names_nothing_is_left_alone() {
    let world = World::spawn().await;
    let browser = world.logged_in().await;
    let cookie = browser.cookie_line();
    browser.expect_ended();
    assert_eq!(browser.post("/auth/logout").await.status, 204);
    let answer = browser.send(with_cookie("/v2/me", &cookie)).await;
    answer.assert_problem(401, "login_required");
    assert!(answer.set_cookies().is_empty());
}
