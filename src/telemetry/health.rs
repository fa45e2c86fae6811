//! Which neighbours are there, by the last that was heard of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of the store and of the authorization server. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    store_seen: AtomicBool,
    store_away: AtomicBool,
    login_server_away: AtomicBool,
}

impl Health {
    /// Notes whether the store answered. `true` where that is a change.
    pub fn store(&self, answered: bool) -> bool {
        let changed = self.0.store_away.swap(!answered, Ordering::Relaxed) == answered;
        let first = answered && !self.0.store_seen.swap(true, Ordering::Relaxed);
        changed || first
    }

    /// Notes whether the authorization server answered.
    pub fn login_server(&self, answered: bool) {
        self.0.login_server_away.store(!answered, Ordering::Relaxed);
    }

    /// Whether the store has answered since the process began.
    pub fn store_has_answered(&self) -> bool {
        self.0.store_seen.load(Ordering::Relaxed)
    }

    /// Whether the store is known to be away.
    pub fn store_is_away(&self) -> bool {
        self.0.store_away.load(Ordering::Relaxed)
    }

    /// Whether the authorization server is known to be away.
    pub fn login_server_is_away(&self) -> bool {
        self.0.login_server_away.load(Ordering::Relaxed)
    }
}
