//! Leases of a store that one process has to itself. They need not outlive it: whoever held one is
//! gone with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Key, LeaseOwner, Leased};

/// Who has the right to work on which record.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<Key, Lease>>,
}

#[derive(Debug)]
struct Lease {
    /// `None` while the key cools down.
    owner: Option<LeaseOwner>,
    until: Instant,
}

impl Leases {
    /// [`super::Store::lease`].
    pub(super) fn lease(&self, key: &Key, owner: &LeaseOwner, ttl: Duration) -> Leased {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= SWEEP_FROM {
            held.retain(|_, lease| lease.until > now);
        }
        match held.get(key).filter(|lease| lease.until > now) {
            Some(Lease { owner: None, until }) => Leased::CoolingDown { left: *until - now },
            Some(Lease { owner: Some(other), .. }) if other != owner => Leased::Held,
            _ => {
                held.insert(*key, Lease { owner: Some(owner.clone()), until: now + ttl });
                Leased::Granted
            }
        }
    }

    /// [`super::Store::release`].
    pub(super) fn release(&self, key: &Key, owner: &LeaseOwner, cool_down: Option<Duration>) {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.get(key).is_some_and(|lease| lease.owner.as_ref() == Some(owner) && lease.until > now);
        match cool_down {
            _ if !own => {}
            None => drop(held.remove(key)),
            Some(pause) => drop(held.insert(*key, Lease { owner: None, until: now + pause })),
        }
    }
}

/// Ended leases are looked for once there are this many of them.
const SWEEP_FROM: usize = 256;
