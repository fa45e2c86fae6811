//! Where a login leads to.

use super::*;

/// R11, contract §5 `invalid_return_to`: whatever a browser would read as another origin is 400.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_return_target_off_this_origin_is_refused() {
    let world = World::spawn().await;
    let browser = world.browser();
    let too_long = format!("/{}", "a".repeat(2048));
    for target in [
        "",
        "home",
        "//evil.test",
        "///evil.test",
        "/%5Cevil.test",
        "%5C%5Cevil.test",
        "/%09/evil.test",
        "%09//evil.test",
        "/%0A/evil.test",
        "/%0D/evil.test",
        "%20//evil.test",
        "/x%0D%0ASet-Cookie:a=b",
        "/x%00",
        "/x%7F",
        "/x%C2%85",
        "/x%5C..%5C..",
        "https:evil.test",
        "https://evil.test",
        "https://app.test@evil.test",
        "https://app.test/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/.//evil.test",
        "/..//evil.test",
        "/x/..//evil.test",
        "/%2e//evil.test",
        "/x/%252e%252e//../..//evil.test",
        "?x",
        "%23x",
        "@evil.test",
        &too_long,
    ] {
        let refused = browser.send(first_visit(&format!("/auth/login?return_to={target}"))).await;
        refused.assert_problem(400, "invalid_return_to");
        assert_eq!((refused.header("location"), refused.set_cookies()), ("", vec![]), "{target}");
        assert!(!refused.text().contains("evil"), "{target}");
    }
    let twice = browser.send(first_visit("/auth/login?return_to=/a&return_to=//evil.test")).await;
    twice.assert_problem(400, "bad_request");
}

/// R11, R10, contract §4 `GET /auth/callback`: 303 to the path that was asked for, kept on our
/// side, with nothing of the callback in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_leads_to_the_path_it_was_begun_for() {
    let world = World::spawn().await;
    for (asked, expected) in [
        ("", "/"),
        ("?return_to=/", "/"),
        ("?return_to=/lists/7%3Fsort%3Dname%26x%3D1", "/lists/7?sort=name&x=1"),
        ("?return_to=/lists%23top", "/lists#top"),
        ("?return_to=/b%C3%A4r", "/b%C3%A4r"),
        ("?return_to=/a/../b", "/b"),
        ("?return_to=/%252F/evil.test", "/%2F/evil.test"),
        ("?return_to=/a%3Fu%3D//evil.test", "/a?u=//evil.test"),
        ("?return_to=/:80/x", "/:80/x"),
        ("?return_to=/@evil.test", "/@evil.test"),
    ] {
        let browser = world.browser();
        let begun = browser.navigate(&format!("/auth/login{asked}")).await;
        let location = begun.header("location");
        assert!(
            !location.contains("lists") && !location.contains("evil"),
            "the target is on its way: {location}"
        );
        let callback = browser.at_authorization_page(location, "allow", None).await;
        let done = browser.come_back(&callback).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, expected), "{asked}");
        assert_eq!(done.header("cache-control"), "no-store");
        assert_eq!(done.header("referrer-policy"), "no-referrer");
        assert_eq!(done.body, b"");
    }
}
