//! The outside world that tests start: servers, clients, faults.

pub(crate) mod browser;
pub(crate) mod chromium;
pub(crate) mod hole;
pub(crate) mod hooks;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod records;
pub(crate) mod redis;
pub(crate) mod wire;
pub(crate) mod world;

pub(crate) use browser::{Answer, Browser, Call};
pub(crate) use world::World;

/// Asks until it holds; fails the test after fifteen seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < std::time::Duration::from_secs(15), "it never came: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
