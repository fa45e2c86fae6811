//! What the world has seen, for its oracles.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the world has seen, for its oracles.
#[derive(Default)]
pub(crate) struct Evidence {
    /// All that browsers got from brokers.
    pub(super) transcript: Mutex<Vec<u8>>,
    /// Values of session cookies.
    pub(super) cookies: Mutex<Vec<String>>,
    /// Numbers of the requests that were refused before forwarding.
    pub(super) refused: Mutex<Vec<(u64, String)>>,
    /// Cookie lines that must still be worth a session, by browser.
    pub(super) alive: Mutex<HashMap<u64, String>>,
    next: AtomicU64,
}

impl Evidence {
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn saw(&self, bytes: &[u8]) {
        self.transcript.lock().unwrap().extend_from_slice(bytes);
    }

    pub(crate) fn refused(&self, number: u64, what: String) {
        self.refused.lock().unwrap().push((number, what));
    }

    pub(crate) fn cookie(&self, value: &str) {
        self.cookies.lock().unwrap().push(value.to_owned());
    }

    /// This browser's session must work at the end of the test (`None`: no longer).
    pub(crate) fn expect(&self, browser: u64, cookie: Option<String>) {
        let mut alive = self.alive.lock().unwrap();
        match cookie {
            Some(cookie) => alive.insert(browser, cookie),
            None => alive.remove(&browser),
        };
    }
}
