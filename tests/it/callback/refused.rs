//! Callbacks that are refused before any code is sent.

use std::time::Duration;

use whisk_sandbox::PkceMode;

use super::*;
use crate::support::world::logs;

/// R2, R4, W9: state and code of one browser are worth nothing in another, whatever the
/// authorization server makes of PKCE; and the first browser's login is not harmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_in_another_browser_is_refused() {
    for pkce in [PkceMode::Verify, PkceMode::Ignore] {
        let world = World::builder().sandbox(|config| config.behaviour.pkce = pkce).spawn().await;
        let attacker = world.browser();
        let callback = attacker.authorize("/auth/login").await;
        let victim = world.browser();
        assert_fault_page(&victim.come_back(&callback).await, 400, "login_failed");
        // One that has a login of its own in progress, too.
        let own = victim.authorize("/auth/login").await;
        let refused = victim.come_back(&callback).await;
        assert_fault_page(&refused, 400, "login_failed");
        assert_eq!((refused.set_cookies(), asked(&world)), (vec![], 0));
        assert_eq!(attacker.come_back(&callback).await.status, 303);
        assert_eq!(victim.come_back(&own).await.status, 303);
    }
}

/// R4, R2, R8: an attacker's code with a missing, made-up or misspelt state is never sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_without_the_right_state_is_never_sent() {
    let world = World::builder().sandbox(|config| config.behaviour.pkce = PkceMode::Ignore).spawn().await;
    let browser = world.browser();
    let own = browser.authorize("/auth/login").await;
    let state = of_callback(&own, "state");
    let attackers = world.browser().authorize("/auth/login").await;
    let code = of_callback(&attackers, "code");
    let other = if state.starts_with('A') { 'B' } else { 'A' };
    let flipped = format!("{other}{}", &state[1..]);
    for query in [
        format!("code={code}"),
        format!("code={code}&state="),
        format!("code={code}&state={flipped}"),
        format!("code={code}&state={}", &state[1..]),
        format!("code={code}&state={state}x"),
        format!("code={code}&state=%20{state}"),
        format!("code={code}&state={state}%00"),
        format!("code={code}&state={}", state.to_lowercase()),
        format!("code={code}&State={state}"),
        format!("code={code}&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        format!("code={code}&state=%C3%A9"),
        format!("code={code}&state={}", "A".repeat(4096)),
        format!("code={code};state={state}"),
        format!("error=access_denied&state={flipped}"),
        "error=access_denied".to_owned(),
        String::new(),
    ] {
        let refused = browser.come_back(&format!("/auth/callback?{query}")).await;
        assert_fault_page(&refused, 400, "login_failed");
        assert_eq!((refused.set_cookies(), asked(&world)), (vec![], 0), "{query}");
    }
    assert_fault_page(&browser.come_back("/auth/callback").await, 400, "login_failed");
    assert_eq!(browser.come_back(&own).await.status, 303);
}

/// R2: whoever learns a login's state and name, and plants a cookie for it, cannot use it up: the
/// browser that began it completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_cookie_does_not_use_up_another_browsers_login() {
    let world = World::spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    let (name, value) =
        browser.cookie_line().split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
    let stranger = world.browser();
    for planted in ["1.AAAAAAAAAAAAAAAAAAAAAA", "1.", &value[..value.len() - 1]] {
        stranger.set_cookie(&name, planted);
        assert_fault_page(&stranger.come_back(&callback).await, 400, "login_failed");
    }
    assert_eq!(asked(&world), 0);
    assert_eq!(browser.come_back(&callback).await.status, 303);
}

/// R8, W9: a refusal by the authorization server ends the login without a token request; what it
/// says is neither shown nor followed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_authorization_server_is_not_reflected() {
    let world = World::builder().redis().spawn().await;
    let browser = world.logged_in().await;
    let before = asked(&world);
    let mut pages = Vec::new();
    for error in [
        "access_denied",
        "server_error",
        "temporarily_unavailable",
        "invalid_scope",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "REFLECT_MARK",
        "",
    ] {
        let callback = browser.authorize("/auth/login").await;
        let (code, state) = (of_callback(&callback, "code"), of_callback(&callback, "state"));
        let again = browser.callback(&format!("/auth/callback?code={code}&state={state}"));
        let target = format!(
            "/auth/callback?error={error}&error_description=%3Cscript%3EREFLECT_MARK%3C/script%3E\
             &error_uri=https%3A%2F%2Fevil.test&code={code}&state={state}"
        );
        let refused = browser.come_back(&target).await;
        assert_fault_page(&refused, 400, "login_failed");
        let page = refused.text();
        for reflected in ["REFLECT_MARK", "evil", "alert", "access_denied", state.as_str()] {
            assert!(!page.contains(reflected), "{reflected} in {page}");
        }
        assert_eq!((login_cookies(&refused).len(), session_cookies(&refused)), (1, vec![]), "{error}");
        pages.push(page);
        // The login is over: its code is of no use any more.
        assert_fault_page(&browser.send(again).await, 400, "login_expired");
    }
    pages.dedup();
    assert_eq!((pages.len(), asked(&world)), (1, before));
    assert_eq!(browser.get("/v2/me").await.status, 200);
    assert_eq!(keys_of(&world, "t").await, Vec::<String>::new());
}

/// R9, W9, contract §5 `login_expired`: ten minutes, though Whisk's codes live a day; nothing is
/// left of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_ten_minutes_at_most() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    let in_time = browser.authorize("/auth/login").await;
    let late = browser.authorize("/auth/login").await;
    // The clock goes on by itself, too: half a minute is for that.
    world.clock.advance(Duration::from_secs(570));
    assert_eq!(browser.come_back(&in_time).await.status, 303);
    world.clock.advance(Duration::from_secs(30));
    let before = asked(&world);
    let refused = browser.come_back(&late).await;
    assert_fault_page(&refused, 400, "login_expired");
    assert!(refused.text().contains("start again"), "{}", refused.text());
    // Its cookie runs out by itself; taking it away could rob a login that is being completed.
    assert_eq!((login_cookies(&refused).len(), session_cookies(&refused)), (0, vec![]));
    assert_eq!((asked(&world), keys_of(&world, "t").await), (before, vec![]));
    browser.expect_alive();
}

/// R13, R14, R16: unknown parameters are passed over, in a request that another site's redirect
/// makes; one that stands twice is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_parameters_are_passed_over_and_repeated_ones_refused() {
    let world = World::spawn().await;
    let browser = world.browser();
    for repeated in [
        |code: &str, state: &str| format!("/auth/callback?code={code}&code={code}&state={state}"),
        |code: &str, state: &str| format!("/auth/callback?code={code}&state={state}&code="),
        |code: &str, state: &str| format!("/auth/callback?code={code}&state={state}&state={state}"),
        |code: &str, state: &str| format!("/auth/callback?code={code}&state={state}&%73tate=x"),
        |code: &str, state: &str| format!("/auth/callback?error=a&error=b&code={code}&state={state}"),
        |code: &str, state: &str| format!("/auth/callback?iss=a&iss=a&code={code}&state={state}"),
    ] {
        let refused = come_back_with(&browser, repeated).await;
        assert_fault_page(&refused, 400, "login_failed");
        assert_eq!(session_cookies(&refused), Vec::<String>::new());
    }
    assert_eq!(asked(&world), 0);
    let done = come_back_with(&browser, |code, state| {
        format!("/auth/callback?foo=1&foo=2&session_state=x&code={code}&scope=a&state={state}&%5B%5D=%00&&=")
    })
    .await;
    assert_eq!(done.status, 303);
}

/// R14: with an issuer configured, another one's callback is refused before its code is sent; none
/// at all, or none configured, is no fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_of_another_issuer_is_refused() {
    let world = World::builder().set("whisk.issuer", "https://login.whisk.test").spawn().await;
    let browser = world.browser();
    for other in
        ["https%3A%2F%2Fevil.test", "https%3A%2F%2Flogin.whisk.test%2F", "HTTPS%3A%2F%2Flogin.whisk.test", ""]
    {
        let refused = come_back_with(&browser, |code, state| {
            format!("/auth/callback?code={code}&state={state}&iss={other}")
        })
        .await;
        assert_fault_page(&refused, 400, "login_failed");
        assert_eq!(asked(&world), 0, "{other}");
    }
    let right = "&iss=https%3A%2F%2Flogin.whisk.test";
    for iss in [right, ""] {
        let done =
            come_back_with(&browser, |code, state| format!("/auth/callback?code={code}&state={state}{iss}"))
                .await;
        assert_eq!(done.status, 303, "{iss}");
    }
    let unconcerned = World::spawn().await;
    let done = come_back_with(&unconcerned.browser(), |code, state| {
        format!("/auth/callback?code={code}&state={state}&iss=https%3A%2F%2Fany.test")
    })
    .await;
    assert_eq!(done.status, 303);
}

/// W10: a server that does not echo `state` gets nobody logged in, and the log says what is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_the_state_logs_nobody_in() {
    let world = World::builder().sandbox(|config| config.behaviour.echo_state = false).spawn().await;
    let browser = world.browser();
    let callback = browser.authorize("/auth/login").await;
    assert!(!callback.contains("state"), "{callback}");
    let events = |text: &str| text.matches("\"event\":\"state_missing\"").count();
    let before = events(&logs());
    assert_fault_page(&browser.come_back(&callback).await, 400, "login_failed");
    assert_eq!(asked(&world), 0);
    assert!(events(&logs()) > before);
    assert_eq!(world.metric(0, "whisk_bff_logins_total{outcome=\"state_mismatch\"}"), 1.0);
    assert_eq!(world.metric(0, "whisk_bff_logins_total{outcome=\"completed\"}"), 0.0);
}

/// W12: an access token that comes with a callback is refused, alone or beside a good code, and
/// never used or stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_callback_is_refused() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    for with_token in [
        |_: &str, state: &str| {
            format!("/auth/callback?access_token=AT_MARK_planted&token_type=bearer&state={state}")
        },
        |code: &str, state: &str| {
            format!("/auth/callback?code={code}&state={state}&access_token=AT_MARK_planted")
        },
        |code: &str, state: &str| format!("/auth/callback?code={code}&state={state}&access_token="),
        |_: &str, _: &str| "/auth/callback?access_token=AT_MARK_planted&expires_in=86400".to_owned(),
    ] {
        let refused = come_back_with(&browser, with_token).await;
        assert_fault_page(&refused, 400, "login_failed");
        assert!(!refused.text().contains("AT_MARK"));
        assert_eq!(session_cookies(&refused), Vec::<String>::new());
    }
    assert_eq!((asked(&world), world.sandbox.journal().api().len()), (0, 0));
    assert_eq!(keys_of(&world, "s").await, Vec::<String>::new());
}

/// R5: a server that refuses the challenge fails the login visibly: no second attempt without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_challenge_is_not_dropped() {
    let world = World::builder().sandbox(|config| config.behaviour.pkce = PkceMode::Reject).spawn().await;
    let browser = world.browser();
    let begun = browser.send(first_visit("/auth/login")).await;
    let callback = browser.at_authorization_page(begun.header("location"), "allow", None).await;
    assert!(callback.contains("error=invalid_request"), "{callback}");
    assert_fault_page(&browser.come_back(&callback).await, 400, "login_failed");
    assert_eq!((world.sandbox.journal().authorize().len(), asked(&world)), (1, 0));
}
