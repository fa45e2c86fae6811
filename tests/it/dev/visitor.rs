//! A visitor of the sample page who does not log in at first, in a real browser.

use super::page::{HOME, WELCOME, choose, shows};
use super::program::Dev;
use crate::support::chromium::Chromium;

/// W20, W25, W26, R51, R52: a visitor gets a list without a login, then logs in. The anonymous
/// session is over, its user's list stays behind, and a token was nowhere.
#[tokio::test]
async fn a_visitor_fills_a_list_then_logs_in_and_logs_out() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    browser.until(WELCOME).await;
    assert_eq!(dev.seen("POST", "/auth/anonymous/create").await, 0, "a page view makes no user");

    browser.click("#visit").await;
    browser.until(HOME).await;
    shows(&browser, "visiting", "not logged in").await;
    let kind = "fetch('/auth/session').then((answer) => answer.json()).then((session) => session.kind)";
    assert_eq!(browser.evaluate(kind).await, "anonymous");
    browser.type_into("#add-name", "Candied ginger").await;
    browser.click("#add button").await;
    shows(&browser, "items", "Candied ginger").await;
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let [before] = cookies.as_slice() else { panic!("the visitor cookie is still there: {cookies:?}") };

    browser.driver().refresh().await.unwrap();
    shows(&browser, "items", "Candied ginger").await;
    assert_eq!(dev.seen("POST", "/auth/anonymous/create").await, 1);

    browser.click("#login-visitor").await;
    choose(&browser, "demo-cook").await;
    browser.until(HOME).await;
    shows(&browser, "profile-name", "Demo Cook").await;
    assert_eq!(browser.evaluate(kind).await, "user");
    assert_eq!(browser.evaluate("document.getElementById('visiting').hidden").await, true);
    assert_eq!(
        browser.evaluate("document.getElementById('items').textContent.includes('ginger')").await,
        false
    );
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let [after] = cookies.as_slice() else { panic!("not one cookie: {cookies:?}") };
    assert_ne!(before.value, after.value, "the session has a new id");

    browser.click("#logout").await;
    browser.until(WELCOME).await;
    shows(&browser, "notice", "logged out").await;
    assert!(browser.driver().get_all_cookies().await.unwrap().is_empty());
    assert_eq!(dev.seen("POST", "/auth/anonymous/create").await, 1, "the login made no further user");
    let told = browser.tap().received_from(&dev.page);
    assert!(told.contains("Candied ginger"), "the search looks at nothing");
    for (place, text) in [("answers", &told), ("log", &dev.output()), ("store", &dev.files())] {
        assert!(!text.contains("AT_MARK_"), "a token in {place}");
    }
}

/// A visitor who leaves is forgotten, and who comes again is another user.
#[tokio::test]
async fn a_visitor_who_leaves_is_forgotten() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    browser.open(&dev.page).await;
    browser.until(WELCOME).await;
    browser.click("#visit").await;
    browser.until(HOME).await;
    let user = "document.getElementById('profile-id').textContent";
    let first = browser.evaluate(user).await;

    browser.click("#logout").await;
    browser.until(WELCOME).await;
    shows(&browser, "notice", "forgotten").await;
    browser.click("#visit").await;
    browser.until(HOME).await;
    assert_ne!(browser.evaluate(user).await, first);
    assert_eq!(dev.seen("POST", "/auth/anonymous/create").await, 2);
}

/// W25: a double click makes one user, and so do two tabs.
#[tokio::test]
async fn two_tabs_that_visit_at_once_are_one_user() {
    let dev = Dev::start(&[]).await;
    let browser = Chromium::start().await;
    let driver = browser.driver();
    browser.open(&dev.page).await;
    browser.until(WELCOME).await;
    let first = driver.window().await.unwrap();
    let second = driver.new_tab().await.unwrap();
    driver.switch_to_window(second.clone()).await.unwrap();
    browser.open(&dev.page).await;
    browser.until(WELCOME).await;

    let visit = "document.getElementById('visit').click()";
    browser.evaluate(visit).await;
    driver.switch_to_window(first.clone()).await.unwrap();
    browser.evaluate(visit).await;
    for tab in [first, second] {
        driver.switch_to_window(tab).await.unwrap();
        browser.until(HOME).await;
    }
    assert_eq!(dev.seen("POST", "/auth/anonymous/create").await, 1);
}
