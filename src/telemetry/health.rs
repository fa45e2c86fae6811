//! Which neighbours are there, by the last that was heard of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is known of the store and of the authorization server. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    store_seen: AtomicBool,
    store_away: AtomicBool,
    store_absence: Mutex<Option<Absence>>,
    login_server_away: AtomicBool,
}

/// The last time that a neighbour was away.
#[derive(Debug, Clone, Copy)]
struct Absence {
    began: Instant,
    /// `None` while it lasts.
    ended: Option<Instant>,
}

impl Health {
    /// Notes whether the store answered. `true` where that is a change.
    pub fn store(&self, answered: bool) -> bool {
        let changed = self.0.store_away.swap(!answered, Ordering::Relaxed) == answered;
        if changed {
            let now = Instant::now();
            let mut absence = self.0.store_absence.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *absence {
                Some(absence) if answered => absence.ended = Some(now),
                absence => *absence = Some(Absence { began: now, ended: None }),
            }
        }
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

    /// When the store was last away for at least `long`: this moment, where it still is; else when
    /// it came back. An earlier absence is forgotten for a later one.
    pub fn store_was_away(&self, long: Duration) -> Option<Instant> {
        let absence = (*self.0.store_absence.lock().unwrap_or_else(PoisonError::into_inner))?;
        let end = absence.ended.unwrap_or_else(Instant::now);
        (end.saturating_duration_since(absence.began) >= long).then_some(end)
    }

    /// Whether the authorization server is known to be away.
    pub fn login_server_is_away(&self) -> bool {
        self.0.login_server_away.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_is_remembered_by_its_length_and_its_end() {
        let health = Health::default();
        assert!(health.store(true) && health.store_was_away(Duration::ZERO).is_none());
        let before = Instant::now();
        assert!(health.store(false) && !health.store(false));
        assert!(health.store_was_away(Duration::ZERO).is_some_and(|end| end >= before), "it still is");
        assert!(health.store(true) && !health.store(true));
        let end = health.store_was_away(Duration::ZERO);
        assert!(end.is_some() && end == health.store_was_away(Duration::ZERO), "it has an end");
        assert_eq!(health.store_was_away(Duration::from_secs(3600)), None);
    }
}
