//! The cookies of logins in progress, contract §4 "Cookies".

use super::*;
use crate::support::world::ORIGIN;

/// R49, R46, R12, contract §4 "Cookies": a login has a cookie of its own, by every attribute; the
/// callback takes it away and gives the session's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_in_progress_has_a_cookie_of_its_own_which_the_callback_takes_away() {
    let world = World::builder()
        .sandbox(|config| config.behaviour.access_token_text = Some("x".repeat(8192)))
        .spawn()
        .await;
    let browser = world.browser();
    let begun = browser.navigate("/auth/login?return_to=/").await;

    let lines = begun.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (name, _) = lines[0].split_once('=').unwrap();
    assert!(name.starts_with("__Host-Http-whisk-login-"), "{name}");
    assert_eq!(attributes(&lines[0]), ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(lines[0].len() < 512);
    let state = &authorization_request(&begun)["state"];
    assert!(!lines[0].contains(state.as_str()), "the cookie tells the state");

    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    let done = browser.come_back(&callback).await;
    assert_eq!((done.status.as_u16(), browser.pending_logins()), (303, 0));
    let ended = login_cookies(&done);
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].starts_with(&format!("{name}=;")), "{ended:?}");
    assert_eq!(attributes(&ended[0]), ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]);
    let sessions = session_cookies(&done);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert!(sessions[0].starts_with("__Host-Http-whisk=") && sessions[0].len() < 512, "{sessions:?}");
    let of_session = attributes(&sessions[0]);
    assert_eq!(of_session.len(), 5, "{of_session:?}");
    for expected in ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"] {
        assert!(of_session.iter().any(|attribute| attribute == expected), "{of_session:?}");
    }
    let max_age = of_session.iter().find_map(|attribute| attribute.strip_prefix("Max-Age="));
    assert!((1..=31_536_000).contains(&max_age.unwrap().parse::<u32>().unwrap()), "{of_session:?}");
    browser.expect_alive();
}

/// R49: a callback that fails takes its own login's cookie away and leaves the others'; one that
/// names no login of this browser leaves them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_callback_takes_away_the_cookie_of_its_own_login_alone() {
    let world = World::spawn().await;
    let browser = world.browser();
    let other = browser.authorize("/auth/login").await;
    let denied = browser.decide("/auth/login", "deny", None).await;
    assert_eq!(browser.pending_logins(), 2);

    let foreign = world.browser().authorize("/auth/login").await;
    let refused = browser.come_back(&foreign).await;
    refused.assert_problem(400, "login_failed");
    assert_eq!((refused.set_cookies(), browser.pending_logins()), (vec![], 2));

    let failed = browser.come_back(&denied).await;
    failed.assert_problem(400, "login_failed");
    assert_eq!(
        (login_cookies(&failed).len(), failed.set_cookies().len(), browser.pending_logins()),
        (1, 1, 1)
    );

    assert_eq!(browser.come_back(&other).await.status, 303);
    assert_eq!(browser.pending_logins(), 0);
}

/// R12, contract §4 "Cookies": of more than 8 logins in progress the oldest goes, with a clear
/// answer, and the other 8 work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ninth_login_takes_the_place_of_the_oldest() {
    let world = World::spawn().await;
    let browser = world.browser();
    let mut callbacks = Vec::new();
    for tab in 0..10 {
        let begun = browser.navigate(&format!("/auth/login?return_to=/tab/{tab}")).await;
        let gone = login_cookies(&begun).into_iter().filter(|line| line.contains("Max-Age=0")).count();
        assert_eq!(gone, usize::from(tab >= 8), "tab {tab}");
        assert_eq!(browser.pending_logins(), (tab + 1).min(8));
        assert!(browser.cookie_line().len() < 4096);
        callbacks.push(browser.at_authorization_page(begun.header("location"), "allow", None).await);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    for evicted in &callbacks[..2] {
        browser.come_back(evicted).await.assert_problem(400, "login_failed");
    }
    assert_eq!(world.sandbox.journal().token().len(), 0);
    for (tab, callback) in callbacks.iter().enumerate().skip(2) {
        let done = browser.come_back(callback).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, format!("/tab/{tab}").as_str()));
    }
    browser.expect_alive();
}

/// R12: somebody who plants login cookies by the hundred makes no login impossible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_login_cookies_do_not_stand_in_a_logins_way() {
    let world = World::spawn().await;
    let browser = world.browser();
    for number in 0..7 {
        browser.set_cookie(&format!("__Host-Http-whisk-login-{number:016x}"), "1.planted");
    }
    for (name, value) in
        [("b", ""), ("c", "no-dot"), ("d", "-1.x"), ("e", "99999999999999999999999.x"), ("f", "%00.x")]
    {
        browser.set_cookie(&format!("__Host-Http-whisk-login-{name}"), value);
    }
    let callback = browser.authorize("/auth/login").await;
    assert_eq!(browser.come_back(&callback).await.status, 303);
    browser.expect_alive();
}

/// Contract §4 "Cookies": where `public_url` is http, prefix and `Secure` fall away, and nothing
/// else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_the_cookies_lose_their_prefix_and_secure_alone() {
    let plain = ORIGIN.replace("https", "http");
    let world = World::builder()
        .set("server.public_url", plain.clone())
        .set("server.allow_insecure", "true")
        .sandbox(|config| config.redirect_uris.push(format!("{plain}/auth/callback")))
        .spawn()
        .await;
    let browser = world.browser();
    let begun = browser.navigate("/auth/login?return_to=/x").await;
    assert_eq!(authorization_request(&begun)["redirect_uri"], format!("{plain}/auth/callback"));
    let lines = begun.set_cookies();
    assert!(lines.len() == 1 && lines[0].starts_with("whisk-login-"), "{lines:?}");
    assert_eq!(attributes(&lines[0]), ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax"]);

    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    let done = browser.come_back(&callback).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/x"));
    assert_eq!(attributes(&login_cookies(&done)[0]), ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]);
    let sessions = session_cookies(&done);
    assert!(sessions.len() == 1 && sessions[0].starts_with("whisk="), "{sessions:?}");
    let of_session = attributes(&sessions[0]);
    assert!(of_session.iter().any(|attribute| attribute == "SameSite=Strict"), "{of_session:?}");
    assert!(of_session.iter().all(|attribute| attribute != "Secure"), "{of_session:?}");
    assert_eq!(of_session.len(), 4, "{of_session:?}");
    assert_eq!(done.header("strict-transport-security"), "");

    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(session(&browser).await["authenticated"], true);
    browser.expect_alive();
}
