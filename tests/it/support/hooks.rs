//! Bugs that only tests have: in a route beside the product's own, and in the clock that calls ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actix_web::{HttpResponse, web};
use whisk_bff::clock::{Clock, ManualClock};
use whisk_bff::model::Timestamp;
use whisk_bff::server::Pages;

/// `GET /test/panic`: a handler with a bug.
pub(crate) const PAGES: Pages = Pages { paths: &["/test/panic"], configure };

fn configure(config: &mut web::ServiceConfig) {
    config.route("/test/panic", web::get().to(bug));
}

/// A clock with a bug, which shows when it is told to: the next time a worker asks, and once.
#[derive(Debug)]
pub(crate) struct BuggyClock {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) bug: Arc<AtomicBool>,
}

impl Clock for BuggyClock {
    fn now(&self) -> Timestamp {
        let serves = thread::current().name().is_some_and(|name| name.starts_with("actix-server worker"));
        assert!(!(serves && self.bug.swap(false, Ordering::SeqCst)), "SEC_MARK: a bug in a call");
        self.clock.now()
    }
}

async fn bug() -> HttpResponse {
    panic!("SEC_MARK: a bug in a handler")
}
