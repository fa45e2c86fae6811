//! No instance is special: a session lives in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::same_cookie;
use crate::support::{Browser, World, eventually};

/// R60: a browser goes from instance to instance, within a session and within a login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_instance_serves_any_session() {
    let world = World::builder().redis().instances(3).spawn().await;
    let browser = world.browser();
    let callback = browser.go_to(0).authorize("/auth/login").await;
    assert_eq!(browser.go_to(1).come_back(&callback).await.status, 303);
    browser.expect_alive();
    for instance in [2, 0, 1, 2] {
        assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
    }
}

/// R60: one instance goes away and comes back while the other serves the same session: not one
/// call fails there, and after a round of restarts no session is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_session_and_no_call_at_the_others() {
    let mut world = World::builder().redis().instances(2).spawn().await;
    let mut browsers = Vec::new();
    for _ in 0..10 {
        browsers.push(world.logged_in().await);
    }
    for (stops, stays) in [(0, 1), (1, 0)] {
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let browser = same_cookie(world.browser(), &browsers[0]);
        browser.go_to(stays);
        let calls = tokio::spawn(keep_calling(browser, Arc::clone(&over), Arc::clone(&served)));
        world.restart(stops, &[]);
        let during = served.load(Ordering::SeqCst);
        eventually("calls after the restart", async || served.load(Ordering::SeqCst) > during).await;
        over.store(true, Ordering::SeqCst);
        calls.await.expect("every call was answered with 200");
    }
    for old in &browsers {
        let browser = same_cookie(world.browser(), old);
        for instance in [0, 1] {
            assert_eq!(browser.go_to(instance).get("/v2/me").await.status, 200);
        }
    }
}

async fn keep_calling(browser: Browser, over: Arc<AtomicBool>, served: Arc<AtomicUsize>) {
    while !over.load(Ordering::SeqCst) {
        assert_eq!(browser.get("/v2/me").await.status, 200);
        served.fetch_add(1, Ordering::SeqCst);
    }
}
