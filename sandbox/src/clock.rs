//! The sandbox's own time: the system's, plus what a test has moved it by.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970, as the sandbox sees them.
pub(crate) type Millis = i64;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Millis {
        let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since).saturating_add(self.offset.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.offset.fetch_add(millis(by), Ordering::Relaxed);
    }
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// The system's time, which no test moves.
#[expect(clippy::disallowed_methods, reason = "this is where the sandbox's clock comes from")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
