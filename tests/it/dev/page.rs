//! The sample page in a real browser. The sandbox (`127.0.0.1`) is another site than the page
//! (`localhost`), so cookies and Fetch Metadata are those of production.

use std::time::Duration;

use serde_json::json;
use thirtyfour::SameSite;

use super::program::Dev;
use crate::support::chromium::Chromium;

pub(super) const HOME: &str = "document.getElementById('home')?.hidden === false";
pub(super) const WELCOME: &str = "document.getElementById('welcome')?.hidden === false";
const TOKENS: [&str; 2] = ["AT_MARK_", "RT_MARK_"];

/// Reads what a script in the page can get at: storage, cookies, addresses, the page itself.
const EVERYTHING: &str = "(async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, await indexedDB.databases(), await caches.keys(), document.cookie,
    location.href, document.referrer, window.name, history.state, performance.getEntries(),
    navigation.entries().map((entry) => entry.url), document.documentElement.outerHTML]))()";

/// Clicks through a login, from the sample page back to it.
async fn log_in(browser: &Chromium, user: &str) {
    browser.click("#login").await;
    choose(browser, user).await;
    browser.until(HOME).await;
}

pub(super) async fn choose(browser: &Chromium, user: &str) {
    browser.click(&format!("#user-{user}")).await;
    browser.click("#allow").await;
}

pub(super) async fn shows(browser: &Chromium, id: &str, text: &str) {
    browser.until(&format!("document.getElementById('{id}')?.textContent.includes('{text}')")).await;
}

/// The main job. R10 (the code is gone from the address), R28 (no token reaches the browser),
/// R46 and R47 (attributes of the one cookie), R48 (`SameSite=Strict` does not break a login that
/// comes from another site, and needs one visit there), R53 (logout), R112 (nothing in the log).
#[tokio::test]
async fn a_newcomer_logs_in_outlives_three_tokens_logs_out_and_no_token_was_anywhere() {
    let mut dev = Dev::start(&["--token-lifetime", "3s"]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    browser.until(WELCOME).await;
    log_in(&browser, "demo-cook").await;

    assert_eq!(browser.url().await, format!("{}/", dev.page));
    shows(&browser, "profile-name", "Demo Cook").await;
    shows(&browser, "profile-scopes", "offline_access").await;
    shows(&browser, "recipes", "Tomato soup").await;
    assert_eq!(dev.seen("GET", "/oauth/v2/authorize").await, 1);
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let [cookie] = cookies.as_slice() else { panic!("not one cookie: {cookies:?}") };
    assert_eq!(cookie.name, "whisk");
    assert_eq!((cookie.http_only, cookie.path.as_deref()), (Some(true), Some("/")));
    assert!(matches!(cookie.same_site, Some(SameSite::Strict)));

    browser.type_into("#add-name", "Two lemons").await;
    browser.click("#add button").await;
    shows(&browser, "items", "Two lemons").await;
    shows(&browser, "notice", "Two lemons added").await;

    browser.until("Number(document.getElementById('token-renewals').textContent) >= 3").await;
    shows(&browser, "token-last", "renewed, last at").await;
    browser.driver().refresh().await.unwrap();
    shows(&browser, "items", "Two lemons").await;
    browser.click("[aria-label='Remove Two lemons']").await;
    shows(&browser, "notice", "Two lemons removed").await;
    let reachable = browser.evaluate(EVERYTHING).await.as_str().unwrap().to_owned();
    assert!(reachable.contains("Demo Cook"), "the search looks at nothing: {reachable}");
    for mark in TOKENS.iter().chain(&["CODE_MARK_"]) {
        assert!(!reachable.contains(mark), "{mark} is within reach of a script");
    }
    assert_eq!(browser.evaluate("document.cookie + localStorage.length + sessionStorage.length").await, "00");
    let answers = browser.tap().received_from(&dev.page);
    for fault in ["HTTP/1.1 4", "HTTP/1.1 5"] {
        assert!(!answers.contains(fault), "a call failed while the tokens were renewed");
    }

    browser.click("#logout").await;
    browser.until(WELCOME).await;
    shows(&browser, "notice", "logged out").await;
    assert!(browser.driver().get_all_cookies().await.unwrap().is_empty());
    assert_eq!(browser.evaluate("fetch('/v2/me').then((answer) => answer.status)").await, 401);
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("/v2/me") && line.contains("401")), "{complaints:?}");

    no_token_was_anywhere(&dev, &browser);
    assert!(!dev.output().contains(&cookie.value), "the session cookie is in the log");
    let (status, took) = dev.end("-INT");
    assert!(
        status.success() && took < Duration::from_secs(3),
        "with a browser connected: {status}, {took:?}"
    );
}

/// Searches every byte between the browser and the two servers, the log and the store.
fn no_token_was_anywhere(dev: &Dev, browser: &Chromium) {
    let tap = browser.tap();
    let (told, asked) = (tap.received_from(&dev.page), tap.sent_to(&dev.page));
    assert!(told.contains("demo-cook") && !told.to_ascii_lowercase().contains("content-encoding"));
    let sandbox = format!("{}{}", tap.received_from(&dev.sandbox), tap.sent_to(&dev.sandbox));
    assert_eq!(sandbox.matches("CODE_MARK_").count(), 1, "the redirect with the code");
    assert_eq!(asked.matches("CODE_MARK_").count(), 1, "the code comes back once");
    assert!(asked.lines().any(|line| line.contains("/auth/callback?code=CODE_MARK_")));
    let (log, files) = (dev.output(), dev.files());
    assert!(log.contains("/v2/me") && !files.is_empty());
    for (place, text) in
        [("answers", &told), ("requests", &asked), ("sandbox", &sandbox), ("log", &log), ("store", &files)]
    {
        for mark in TOKENS {
            assert!(!text.contains(mark), "{mark} in {place}");
        }
    }
    for (place, text) in [("answers", &told), ("log", &log), ("store", &files)] {
        assert!(!text.contains("CODE_MARK_"), "the code in {place}");
    }
}

/// R8: a denied login ends on a page of ours without script and with a link, which works.
#[tokio::test]
async fn a_denied_login_ends_on_a_page_with_a_link_to_try_again() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    browser.click("#login").await;
    browser.click("#deny").await;
    browser.until("document.body?.innerText.includes('did not succeed')").await;
    assert!(browser.url().await.starts_with(&format!("{}/auth/callback?error=access_denied", dev.page)));
    assert_eq!(browser.evaluate("document.scripts.length").await, 0);
    assert_eq!(browser.evaluate("document.body.innerText.includes('the user denied')").await, false);
    assert!(browser.tap().received_from(&dev.page).contains("HTTP/1.1 400 Bad Request"));

    browser.click("a[href='/auth/login']").await;
    choose(&browser, "demo-gardener").await;
    browser.until(HOME).await;
    shows(&browser, "profile-name", "Demo Gardener").await;
}

/// R12: two logins begun side by side in one browser both come to their end, in either order.
/// R18: the later one replaces the session of the earlier, and its tab notices.
#[tokio::test]
async fn two_tabs_log_in_side_by_side() {
    let dev = Dev::start(&["--token-lifetime", "4s"]).await;
    let browser = Chromium::start().await;
    let driver = browser.driver();
    let first = driver.window().await.unwrap();
    browser.open(&dev.page).await;
    browser.click("#login").await;
    browser.until("document.getElementById('allow')").await;

    let second = driver.new_tab().await.unwrap();
    driver.switch_to_window(second.clone()).await.unwrap();
    browser.open(&dev.page).await;
    log_in(&browser, "demo-gardener").await;
    shows(&browser, "profile-name", "Demo Gardener").await;

    driver.switch_to_window(first).await.unwrap();
    choose(&browser, "demo-cook").await;
    browser.until(HOME).await;
    shows(&browser, "profile-name", "Demo Cook").await;
    driver.switch_to_window(second).await.unwrap();
    shows(&browser, "profile-name", "Demo Cook").await;

    assert_eq!(dev.seen("GET", "/oauth/v2/authorize").await, 2);
    let cookies = driver.get_all_cookies().await.unwrap();
    assert_eq!(cookies.len(), 1, "cookies of logins that are over: {cookies:?}");
}

/// R38, R39: an outage of the login server is told, waited out and leaves the login alone; a
/// grant that was revoked ends it, and the page offers another.
#[tokio::test]
async fn the_page_waits_out_an_outage_and_offers_a_login_after_a_revocation() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    log_in(&browser, "demo-cook").await;

    dev.outage(2).await;
    shows(&browser, "notice", "Back in a moment").await;
    shows(&browser, "notice", "Back again").await;
    assert_eq!(browser.evaluate(HOME).await, true);
    assert_eq!(dev.seen("GET", "/oauth/v2/authorize").await, 1, "nobody had to log in again");

    dev.pull(&json!({"revoke_user": "demo-cook"})).await;
    browser.until(WELCOME).await;
    shows(&browser, "notice", "session has ended").await;
    assert!(browser.driver().get_all_cookies().await.unwrap().is_empty());
    log_in(&browser, "demo-cook").await;
}

/// What a person does during an outage is done when it is over, once.
#[tokio::test]
async fn an_item_added_during_an_outage_is_added_once() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    log_in(&browser, "demo-baker").await;

    dev.outage(1).await;
    browser.type_into("#add-name", "Yeast").await;
    browser.click("#add button").await;
    shows(&browser, "items", "Yeast").await;
    browser.driver().refresh().await.unwrap();
    browser.until(HOME).await;
    let named =
        "[...document.querySelectorAll('#items span')].filter((one) => one.textContent === 'Yeast').length";
    assert_eq!(browser.evaluate(named).await, 1);
}

/// A program that is gone is told and looked for; back with the same sessions and a sandbox that
/// has forgotten everybody, it is one click from a new login.
#[tokio::test]
async fn the_page_finds_back_after_a_crash() {
    let dev = Dev::start(&["--token-lifetime", "4s"]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    log_in(&browser, "demo-baker").await;
    let dev = dev.start_again(&["--token-lifetime", "4s"]).await;
    browser.until(WELCOME).await;
    shows(&browser, "notice", "session has ended").await;
    log_in(&browser, "demo-baker").await;
    assert_eq!(dev.seen("GET", "/oauth/v2/authorize").await, 1);
}
