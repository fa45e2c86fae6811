//! How much of the API one session may use: calls at the same time, and calls a second.
//!
//! To Whisk all users of this broker are one client, so that a page that calls in a loop spends
//! the quota of all. Both caps are of this process alone, and off unless they are set.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Teller;
use super::buckets::Buckets;
use crate::model::Digest;
use crate::server::problem::Problem;
use crate::settings;
use crate::telemetry::Limit;

/// Parts of the count of calls in flight that are locked apart.
const SHARDS: usize = 64;
/// When a call in flight will end nobody knows.
const SOON: Duration = Duration::from_secs(1);

/// The caps of one process. Cheap to clone; nothing where both are off.
#[derive(Clone)]
pub struct SessionCaps(Option<Arc<Caps>>);

struct Caps {
    in_flight: Option<InFlight>,
    calls: Option<Buckets>,
    teller: Arc<Teller>,
}

/// Entries are sessions with a call in flight, so that there are no more of them than of calls.
struct InFlight {
    most: u32,
    shards: Vec<Mutex<HashMap<Digest, u32>>>,
}

impl SessionCaps {
    pub(super) fn new(settings: &settings::Limits, teller: Arc<Teller>) -> Self {
        if settings.session_in_flight.is_none() && settings.session_calls_per_second.is_none() {
            return Self(None);
        }
        let shards = || (0..SHARDS).map(|_| Mutex::default()).collect();
        Self(Some(Arc::new(Caps {
            in_flight: settings.session_in_flight.map(|most| InFlight { most, shards: shards() }),
            calls: settings.session_calls_per_second.map(|rate| Buckets::new(rate, settings.addresses)),
            teller,
        })))
    }

    /// A seat for one call of the session that is so called; `None` where no cap is set.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn enter(&self, session: impl FnOnce() -> Digest) -> Result<Option<Seat>, Problem> {
        let Some(caps) = &self.0 else { return Ok(None) };
        let session = session();
        let refused = |limit, wait| caps.teller.refuse(limit, &session, wait, |event| event.session(session));
        if let Some(in_flight) = &caps.in_flight
            && !in_flight.enter(&session)
        {
            return Err(refused(Limit::SessionInFlight, SOON));
        }
        // From here on it is given back, also where the next cap refuses.
        let seat = Seat { caps: Arc::clone(caps), session };
        if let Some(calls) = &caps.calls {
            calls
                .charge(&session, caps.teller.now())
                .map_err(|wait| refused(Limit::SessionCallsPerSecond, wait))?;
        }
        Ok(Some(seat))
    }

    /// Says how many sessions are known.
    pub(super) fn measure(&self) {
        let Some(caps) = &self.0 else { return };
        let metrics = &caps.teller.metrics;
        if let Some(in_flight) = &caps.in_flight {
            let sessions = in_flight.shards.iter().map(|shard| lock(shard).len()).sum();
            metrics.limit_remembers(Limit::SessionInFlight, sessions);
        }
        if let Some(calls) = &caps.calls {
            metrics.limit_remembers(Limit::SessionCallsPerSecond, calls.debtors(caps.teller.now()));
        }
    }
}

impl fmt::Debug for SessionCaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionCaps").field(&self.0.is_some()).finish()
    }
}

impl InFlight {
    fn enter(&self, session: &Digest) -> bool {
        let mut shard = self.shard(session);
        let count = shard.entry(*session).or_insert(0);
        let free = *count < self.most;
        *count += u32::from(free);
        free
    }

    fn leave(&self, session: &Digest) {
        let mut shard = self.shard(session);
        if let Some(count) = shard.get_mut(session) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                shard.remove(session);
            }
        }
    }

    fn shard(&self, session: &Digest) -> MutexGuard<'_, HashMap<Digest, u32>> {
        lock(&self.shards[usize::from(session.as_bytes()[0]) % SHARDS])
    }
}

fn lock(shard: &Mutex<HashMap<Digest, u32>>) -> MutexGuard<'_, HashMap<Digest, u32>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call in flight. It ends when this is dropped, however that comes about: with the last piece
/// of the answer, before a browser can know that the call has ended, and make another.
pub struct Seat {
    caps: Arc<Caps>,
    session: Digest,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.session).finish()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(in_flight) = &self.caps.in_flight {
            in_flight.leave(&self.session);
        }
    }
}
