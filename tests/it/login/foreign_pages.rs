//! Who may make a browser begin a login.

use super::*;

/// R15, contract §4 `GET /auth/login`: what a page of another site can embed or prefetch is 403,
/// and nothing is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_or_prefetched_login_is_refused_and_leaves_no_trace() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    let by_metadata = [
        ("cross-site", "no-cors", "image"),
        ("cross-site", "navigate", "iframe"),
        ("same-origin", "navigate", "iframe"),
        ("same-site", "navigate", "frame"),
        ("cross-site", "no-cors", "script"),
        ("cross-site", "cors", "empty"),
        ("cross-site", "navigate", "embed"),
        ("cross-site", "navigate", "object"),
        ("same-site", "no-cors", "style"),
        ("cross-site", "navigate", "fencedframe"),
    ];
    for (site, mode, dest) in by_metadata {
        let refused = browser.send(Call::get("/auth/login").metadata(site, mode, dest)).await;
        refused.assert_problem(403, "csrf_rejected");
        assert_eq!((refused.header("location"), refused.set_cookies()), ("", vec![]), "{site} {mode} {dest}");
    }
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch;anonymous-client-ip"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let refused = browser.send(first_visit("/auth/login").header(name, value)).await;
        refused.assert_problem(403, "csrf_rejected");
        assert_eq!(refused.set_cookies(), Vec::<String>::new(), "{name}: {value}");
    }
    assert_eq!(keys_of(&world, "t").await, Vec::<String>::new());
    assert_eq!(world.sandbox.journal().entries().len(), 0);
}

/// R15, contract §4 `GET /auth/login`: a person's own click, on any site, begins a login; and so
/// does a browser that tells nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_an_address_and_an_older_browser_begin_a_login() {
    let world = World::builder().redis().spawn().await;
    let browser = world.browser();
    for site in ["same-origin", "none", "same-site", "cross-site"] {
        let begun =
            browser.send(Call::get("/auth/login").metadata(site, "navigate", "document").no_cookies()).await;
        assert_eq!(begun.status, 302, "{site}");
    }
    assert_eq!(browser.send(Call::get("/auth/login").bare().no_cookies()).await.status, 302);
    assert_eq!(keys_of(&world, "t").await.len(), 5);
}
