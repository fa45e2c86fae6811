//! What all handlers share: settings, behaviour, journal, clock, grants, lists.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    Behaviour, Config, Journal,
    api::Lists,
    authorize::Pending,
    clock::{Clock, Millis},
    connections::Connections,
    grants::Grants,
};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    /// The origin used in links.
    pub(crate) url: String,
    pub(crate) journal: Journal,
    pub(crate) connections: Connections,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) lists: Mutex<Lists>,
    clock: Clock,
    behaviour: Mutex<Behaviour>,
    grants: Mutex<Grants>,
}

impl World {
    pub(crate) fn new(config: Config, url: String) -> Self {
        Self {
            url,
            journal: Journal::new(config.journal_capacity),
            connections: Connections::default(),
            pending: Mutex::default(),
            lists: Mutex::default(),
            clock: Clock::default(),
            behaviour: Mutex::new(config.behaviour.clone()),
            grants: Mutex::default(),
            config,
        }
    }

    /// The behaviour, locked: hold it for a moment only.
    pub(crate) fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        locked(&self.behaviour)
    }

    /// The grants, locked: hold them for a moment only, and never ask for the behaviour inside.
    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        locked(&self.grants)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }
}

/// A poisoned lock is a test's panic elsewhere; the sandbox goes on.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
